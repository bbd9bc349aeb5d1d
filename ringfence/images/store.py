"""Images on this machine: which manifests are images, what they are called, and what their layers hold.

The blobs are in the content store, the layers' trees in the snapshotter; here are the records that keep them alive. An
image is recorded only when all its blobs are there and its layers hold what its config says, in one transaction.
"""

from __future__ import annotations

import os

from ringfence import json
from ringfence.content import database
from ringfence.content.store import ContentStore
from ringfence.errors import Conflict, Corrupt, InvalidInput, NotFound
from ringfence.images.image import Image
from ringfence.oci.digest import printable
from ringfence.oci.image_spec import Descriptor, chain_ids, check_image, is_index, media_type, parse_document
from ringfence.oci.image_spec import parse_image_config as parse_config
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ringfence.content.store import Blob
    from ringfence.images.steps import Steps

    Images = list[Image]
    Lines = list[str]
    Rows = list[sqlite3.Row]

_SCHEMA = (
    """CREATE TABLE images (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, id TEXT NOT NULL, size INTEGER NOT NULL,
                            chain_ids TEXT NOT NULL)""",
    "CREATE INDEX images_by_id ON images (id)",
    """CREATE TABLE image_names (name TEXT PRIMARY KEY,
                                 digest TEXT NOT NULL REFERENCES images (digest) ON DELETE CASCADE)""",
    # What a layer's blob holds, found out once: its bytes without compression.
    "CREATE TABLE layers (digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL, size INTEGER NOT NULL)",
)
_HEX = frozenset("0123456789abcdef")


class ImageStore:
    """The images of one data directory, which any number of processes may use; an object belongs to one thread.

    `shared` opens the directory's database, for a caller that uses it besides and closes it.
    """

    def __init__(
        self, data_dir: str | os.PathLike[str], shared: Callable[[], sqlite3.Connection] | None = None
    ) -> None:
        self.content = ContentStore(data_dir)
        self.data_dir = os.fspath(data_dir)
        self._shared = shared
        self._connection: sqlite3.Connection | None = None
        self._steps: Steps | None = None

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = self._shared() if self._shared is not None else database.connect(self.data_dir)
            database.schema(connection, "images", _SCHEMA)
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Close the database, unless it is `shared`; it is opened again when the store is used again."""
        if self._connection is not None:
            if self._shared is None:
                self._connection.close()
            self._connection = self._steps = None

    @property
    def steps(self) -> Steps:
        """The build cache's records."""
        if self._steps is None:
            from ringfence.images.steps import Steps

            self._steps = Steps(self._database)
        return self._steps

    # Finding

    def list(self) -> Images:
        """All images, the latest recorded first; those without a name too."""
        return self._images("ORDER BY rowid DESC")

    def get(self, text: str) -> Image:
        """The image of that name, ID, or unambiguous beginning of an ID; NotFound `no such image: X`."""
        found = self._named(text) or self._identified(text)
        if found is None:
            raise NotFound(f"no such image: {printable(text)}")
        return found

    def named(self, text: str) -> Image | None:
        """The image with that name, not an ID; InvalidInput if the text can be no name."""
        reference = Reference.parse(text)
        if not reference.digest:
            return self._first("JOIN image_names USING (digest) WHERE name = ?", reference.canonical)
        name = f"{reference.name}@{reference.digest}"  # how it was pulled; the digest may be an index's
        if image := self._first("JOIN image_names USING (digest) WHERE name = ?", name):
            return image
        image = self._first("WHERE digest = ?", reference.digest)
        known = image and any(Reference.parse(name).name == reference.name for name in image.names)
        return image if known else None

    def _named(self, text: str) -> Image | None:
        try:
            return self.named(text)
        except InvalidInput:
            if _HEX.issuperset(text.removeprefix("sha256:")):
                return None  # 64 hexadecimal digits are no name, but an ID
            raise

    def _identified(self, text: str) -> Image | None:
        """By the image ID, the manifest's digest, or a beginning of the ID's digits."""
        digits = text.removeprefix("sha256:")
        if not digits or not _HEX.issuperset(digits) or len(digits) > 64:
            return None
        if image := self._first("WHERE digest = ?", f"sha256:{digits}"):
            return image
        ids = self._rows("SELECT DISTINCT id FROM images WHERE id GLOB ? LIMIT 3", f"sha256:{digits}*")
        if len(ids) > 1:
            some = ", ".join(row["id"][7:19] for row in ids)
            raise InvalidInput(f"image ID {digits} is ambiguous", hint=f"it begins {some}")
        return self._first("WHERE id = ?", ids[0]["id"]) if ids else None

    def _first(self, where: str, *values: str) -> Image | None:
        images = self._images(f"{where} ORDER BY images.rowid DESC LIMIT 1", *values)
        return images[0] if images else None

    def _images(self, where: str, *values: str) -> Images:
        rows = self._rows(f"SELECT images.* FROM images {where}", *values)
        return [
            Image(
                self.content,
                id=row["id"],
                digest=row["digest"],
                media_type=row["media_type"],
                names=[found["name"] for found in self._rows(_NAMES, row["digest"])],
                size=row["size"],
                chain_ids=json.loads(row["chain_ids"]),
            )
            for row in rows
        ]

    def _rows(self, query: str, *values: str) -> Rows:
        return database.rows(self._database, query, values)

    # Recording

    def put(self, manifest: Descriptor, names: Iterable[str] = ()) -> Image:
        """Record the image whose blobs are in the content store, and give it `names`, taking them from other images.

        InvalidInput, Unsupported, Corrupt or NotFound, and nothing recorded, if it is not whole. Hold a lease of
        `content` from before the first blob until this returns.
        """
        return self.put_all([(manifest, names)])[0]

    def put_all(self, manifests: Sequence[tuple[Descriptor, Iterable[str]]]) -> Images:
        """Record several images, all or none, as `put` does one."""
        checked = [(self._check(manifest), [Reference.parse(name) for name in names]) for manifest, names in manifests]
        with database.transaction(self._database):
            for values, names in checked:
                self._database.execute("INSERT INTO images VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values)
                for name in names:
                    self._name(name.canonical, values[0])
            self._drop_doubles()
            # An unnamed one may have given way to another manifest of the same image config.
            return [self._first("WHERE digest = ?", values[0]) or self.get(values[2]) for values, _ in checked]

    def _check(self, manifest: Descriptor) -> tuple[str, str, str, int, str]:
        """The row of an image that is whole: digest, media type, ID, size and chain IDs."""
        document = self._read_manifest(manifest.digest)
        id = document["config"]["digest"]
        config = parse_config(self.content.read(id), f"image config {id}")
        check_image(document, config, f"manifest {manifest.digest}")
        diff_ids = config["rootfs"].get("diff_ids") or []
        sizes = [
            self._check_layer(layer["digest"], diff_id)
            for layer, diff_id in zip(document["layers"], diff_ids, strict=True)
        ]
        return str(manifest.digest), media_type(document), id, sum(sizes), json.dumps(chain_ids(diff_ids))

    def _read_manifest(self, digest: str) -> dict[str, Any]:
        document = parse_document(self.content.read(digest), f"manifest {digest}")
        if is_index(document):
            raise InvalidInput(f"manifest {digest}: is an index of several images, not an image")
        return document

    def _check_layer(self, digest: str, diff_id: str) -> int:
        """The layer's size without compression; Corrupt if it does not hold what the image config says."""
        known = self._rows("SELECT diff_id, size FROM layers WHERE digest = ?", digest)
        if known and self.content.exists(digest):
            found, size = known[0]["diff_id"], known[0]["size"]
        else:
            found, size = self.measure_layer(digest)
        if found != diff_id:
            raise Corrupt(f"layer {digest}: its content has diff ID {found}, the image config says {diff_id}")
        return int(size)

    def measure_layer(self, digest: str) -> tuple[str, int]:
        """(diff ID, bytes without compression) of a layer's blob; Corrupt if it is not a tar archive. Remembered."""
        from ringfence.layers.compression import Decompressor
        from ringfence.layers.tar_reader import TarReader
        from ringfence.oci.digest import Digest, HashingReader

        with self.content.open(digest) as file:
            content = HashingReader(Decompressor(file))
            try:
                for _ in TarReader(content):
                    pass
            except Corrupt as error:
                raise Corrupt(f"layer {digest}: {error.what}") from None
        diff_id, size = str(Digest.finish(content.hash)), content.size
        self._remember_layer(digest, diff_id, size)
        return diff_id, size

    def know_layer(self, tar: Blob | Descriptor) -> None:
        """Remember an uncompressed layer that we have just written ourselves: there is nothing to find out."""
        self._remember_layer(tar.digest, str(tar.digest), tar.size)

    def know_contents(self, digest: str, diff_id: str, size: int) -> None:
        """Remember what a layer's blob was found to hold while it was applied."""
        self._remember_layer(digest, diff_id, size)

    def _remember_layer(self, digest: str, diff_id: str, size: int) -> None:
        self._database.execute("INSERT OR REPLACE INTO layers VALUES (?, ?, ?)", (digest, diff_id, size))

    def layer_size(self, digest: str) -> int:
        """Bytes without compression of a recorded image's layer."""
        known = self._rows("SELECT size FROM layers WHERE digest = ?", digest)
        return int(known[0]["size"]) if known else self.measure_layer(digest)[1]

    # Naming and removing

    def tag(self, source: str, target: str) -> str:
        """Give the image `source` one more name, which it takes from any other image; returns its canonical form."""
        name = Reference.parse(target)
        if name.digest:
            raise InvalidInput(f'invalid image name "{printable(target)}": a digest cannot be given to an image')
        with database.transaction(self._database):
            self._name(name.canonical, self.get(source).digest)
            self._drop_doubles()
        return name.canonical

    def untag(self, text: str) -> None:
        """Take a name away; the image stays, perhaps without any. NotFound if no image is called so."""
        canonical = Reference.parse(text).canonical
        if not self._database.execute("DELETE FROM image_names WHERE name = ?", (canonical,)).rowcount:
            raise NotFound(f"no such image: {printable(text)}")

    def remove(self, text: str, force: bool = False) -> Lines:
        """Remove a name, and the image if that was its last; by ID the image, which has to be forced if it has several.

        Returns lines as docker prints them. What only this image used stays until `prune.collect`. Whether containers
        use the image is for the caller to ask first.
        """
        with database.transaction(self._database):
            image = self.get(text)
            same = self._images("WHERE id = ?", image.id)
            names = [name for each in same for name in each.names]
            by_name = self._named(text)
            if by_name is not None:
                names = [self._matching(by_name, text)] if by_name.names else names
            elif not force and len({Reference.parse(name).name for name in names}) > 1:
                shown = ", ".join(Reference.parse(name).familiar for name in names)
                raise Conflict(f"image {image.id[7:19]} has several names: {shown}", hint="remove it by name, or force")
            self._database.executemany("DELETE FROM image_names WHERE name = ?", [(name,) for name in names])
            lines = [f"Untagged: {Reference.parse(name).familiar}" for name in names]
            if not any(each.names for each in self._images("WHERE id = ?", image.id)):
                self._database.execute("DELETE FROM images WHERE id = ?", (image.id,))
                lines.append(f"Deleted: {image.id}")
            return lines

    def remove_image(self, image: Image) -> Lines:
        """Remove one image with all its names, as `remove` does; no lines if it has gone meanwhile."""
        with database.transaction(self._database):
            if self._first("WHERE digest = ?", image.digest) is None:
                return []
            return self.remove(image.digest, force=True)

    def _matching(self, image: Image, text: str) -> str:
        """Which of the image's names `text` means: a digest means the first name in its repository."""
        wanted = Reference.parse(text)
        return next(
            name
            for name in image.names
            if name == wanted.canonical or (wanted.digest and Reference.parse(name).name == wanted.name)
        )

    def _name(self, name: str, digest: str) -> None:
        self._database.execute(
            "INSERT INTO image_names VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET digest = excluded.digest",
            (name, str(digest)),
        )

    def _drop_doubles(self) -> None:
        """A manifest without a name is of no use while another one of the same image config is there."""
        self._database.execute(
            """DELETE FROM images WHERE digest NOT IN (SELECT digest FROM image_names) AND EXISTS
               (SELECT 1 FROM images AS other WHERE other.id = images.id AND
                (other.digest IN (SELECT digest FROM image_names) OR other.rowid < images.rowid))"""
        )

    def forget_layers(self, digests: Sequence[str]) -> None:
        """Forget what was found out about layers whose blobs are gone."""
        self._database.executemany("DELETE FROM layers WHERE digest = ?", [(digest,) for digest in digests])

    def integrity(self) -> Lines:
        """What SQLite finds wrong with the database."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    def used_blobs(self) -> set[str]:
        """The digests that recorded images and the build cache need; Corrupt or NotFound rather than a wrong answer."""
        used = self.steps.used_blobs()
        for image in self.list():
            layers = (layer["digest"] for layer in self._read_manifest(image.digest)["layers"])
            used.update((image.digest, image.id, *layers))
        return used


_NAMES = "SELECT name FROM image_names WHERE digest = ? ORDER BY rowid"
