"""Where caches travel: a directory, which is an OCI image layout of one artifact, or a repository of a registry."""

from __future__ import annotations

import os
from contextlib import contextmanager

from ringfence.content.store import chunks
from ringfence.errors import Corrupt, InvalidInput, NotFound
from ringfence.images.tree import layout_path
from ringfence.oci.digest import Digest
from ringfence.oci.image_spec import LARGEST_DOCUMENT, OCI_INDEX, OCI_MANIFEST, Descriptor, encode, parse_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Protocol

    from ringfence.build.options import Cache
    from ringfence.engine import Engine
    from ringfence.oci.reference import Reference
    from ringfence.registry.repository import Repository

    class Place(Protocol):
        """`shown` names it in messages."""

        shown: str

        def manifest(self) -> bytes | None:
            """The artifact's manifest; None if nothing was written there yet."""

        def document(self, digest: str) -> bytes:
            """A small blob, verified."""

        def fetch(self, engine: Engine, blobs: Sequence[Descriptor]) -> None:
            """Have these blobs in the content store, verified; the caller holds a lease."""

        def store(self, engine: Engine, manifest: bytes, config: Descriptor, layers: Sequence[Descriptor]) -> None:
            """Write an artifact, whose blobs are in the content store."""


class Directory:
    """What is written there stays beside what earlier builds have written, but the index names the last alone."""

    def __init__(self, path: str) -> None:
        self.shown = f"cache {path}"
        self._path = path

    def manifest(self) -> bytes | None:
        index = f"{self._path}/index.json"
        if not os.path.exists(index):
            return None
        entries = parse_document(_document(index), index).get("manifests")
        if not entries:
            raise InvalidInput(f"{self.shown}: its index names nothing")
        return self.document(entries[0]["digest"])

    def document(self, digest: str) -> bytes:
        content = _document(os.path.join(self._path, layout_path(Digest(digest))))
        if Digest.of(content) != digest:
            raise Corrupt(f"{self.shown}: {digest} is damaged")
        return content

    def fetch(self, engine: Engine, blobs: Sequence[Descriptor]) -> None:
        for blob in blobs:
            with open(os.path.join(self._path, layout_path(blob.digest)), "rb") as file:
                engine.content.ingest(chunks(file), blob.digest, blob.size)

    def store(self, engine: Engine, manifest: bytes, config: Descriptor, layers: Sequence[Descriptor]) -> None:
        for blob in (*layers, config):
            with engine.content.open(blob.digest) as file:
                self._put(layout_path(blob.digest), chunks(file))
        entry = Descriptor(OCI_MANIFEST, Digest.of(manifest), len(manifest))
        self._put(layout_path(entry.digest), [manifest])
        self._put("oci-layout", [b'{"imageLayoutVersion":"1.0.0"}'])
        index = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json()]})
        self._put("index.json", [index], replace=True)

    def _put(self, name: str, content: Iterable[bytes], *, replace: bool = False) -> None:
        path = os.path.join(self._path, name)
        if os.path.exists(path) and not replace:
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        partial = f"{path}.{os.urandom(4).hex()}"
        with open(partial, "xb") as file:
            file.writelines(content)
        os.rename(partial, path)


class Tag:
    """A tag of a repository, which each build moves on."""

    def __init__(self, repository: Repository, reference: Reference) -> None:
        self.shown = f"cache {reference.familiar}"
        self._repository = repository
        self._tag = reference.tag

    def manifest(self) -> bytes | None:
        try:
            return self._repository.manifest(self._tag).data
        except NotFound:
            return None

    def document(self, digest: str) -> bytes:
        return self._repository.read_blob(digest)

    def fetch(self, engine: Engine, blobs: Sequence[Descriptor]) -> None:
        from ringfence.registry.download import Downloads

        with Downloads(engine.content, [self._repository], blobs, lambda *_progress: None) as downloads:
            for arrival in downloads.arrivals.values():
                arrival.wait()

    def store(self, engine: Engine, manifest: bytes, config: Descriptor, layers: Sequence[Descriptor]) -> None:
        from ringfence.images.push import push_blobs

        push_blobs(engine.image_store, self._repository, [config, *layers])
        self._repository.put_manifest(self._tag, manifest, OCI_MANIFEST)


@contextmanager
def opened(engine: Engine, cache: Cache, tell: Callable[[str], None]) -> Iterator[Place]:
    """The place that --cache-to or --cache-from names; `tell` is given a line when a registry is tried again."""
    if cache.type == "local":
        yield Directory(cache.place)
        return
    from ringfence.engine import registries

    with registries.connect(engine, {}, tell) as client:
        reference = client.resolve(cache.place)
        yield Tag(client.repository(reference), reference)


def _document(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise InvalidInput(f"{path}: is larger than {LARGEST_DOCUMENT} bytes")
    return content
