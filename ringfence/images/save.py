"""Images into a docker archive, an OCI archive or an OCI image layout (`save`), their blobs unchanged.

What we write as a docker archive is an OCI archive too: one set of blobs, listed once for each kind of reader, as
docker itself does since version 25. So every reader sees the digests that we have.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from io import BytesIO

from ringfence.content.store import chunks
from ringfence.errors import Conflict, Denied, Failed, InvalidInput
from ringfence.images.docker_archive import MANIFEST
from ringfence.images.layout import INDEX, MARK, VERSION
from ringfence.images.tree import layout_path
from ringfence.oci.digest import Digest, VerifyingReader
from ringfence.oci.image_spec import IMAGE_NAME, OCI_INDEX, REF_NAME, Descriptor, encode
from ringfence.oci.platform import Platform
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, BinaryIO

    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore

FORMATS = ("docker-archive", "oci-archive", "oci-dir")


class Saved:
    """One image to be saved, with those of its names that were asked for: by ID it is saved without a name."""

    __slots__ = ("image", "names")

    def __init__(self, image: Image, names: list[str]) -> None:
        self.image = image
        self.names = names


def save(store: ImageStore, names: Sequence[str], output: BinaryIO | str, format: str = "docker-archive") -> None:
    """Write the images to an open file or a path ("oci-dir": the path of a directory that is empty or not there).

    NotFound if there is no such image, before anything is written; Corrupt if a blob of it is damaged. A file that was
    not completed is removed.
    """
    if format not in FORMATS:
        raise InvalidInput(f'unknown format "{format}"', hint=f"there are: {', '.join(FORMATS)}")
    if not names:
        raise InvalidInput("no image to save")
    with store.content.lease():
        images = _chosen(store, names)
        if format == "oci-dir":
            if not isinstance(output, str):
                raise InvalidInput("an image layout is a directory: it needs a path")
            _write_directory(store, images, output)
        elif isinstance(output, str):
            with _whole_file(output) as file:
                _write_archive(store, images, file, docker=format == "docker-archive")
        else:
            _write_archive(store, images, output, docker=format == "docker-archive")


def _chosen(store: ImageStore, names: Sequence[str]) -> list[Saved]:
    """Each image once, with all the names that it was asked for by."""
    chosen: dict[str, Saved] = {}
    for text in names:
        image = store.get(text)
        saved = chosen.setdefault(image.digest, Saved(image, []))
        named = store.named(text) if _may_be_name(text) else None
        if named is not None:
            canonical = Reference.parse(text).canonical
            saved.names += [canonical] if canonical in image.names and canonical not in saved.names else []
    return list(chosen.values())


def _may_be_name(text: str) -> bool:
    try:
        Reference.parse(text)
    except InvalidInput:
        return False
    return True


def _documents(images: Sequence[Saved], *, docker: bool) -> Iterator[tuple[str, bytes]]:
    """The files beside the blobs."""
    if docker:
        yield MANIFEST, encode([_docker_entry(saved) for saved in images])
    yield MARK, encode({"imageLayoutVersion": VERSION})
    yield INDEX, encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": _index_entries(images)})


def _index_entries(images: Sequence[Saved]) -> list[dict[str, Any]]:
    """One entry for each name, or for an image without any."""
    tags = [Reference.parse(name).tag for saved in images for name in saved.names]
    entries = []
    for saved in images:
        descriptor = saved.image.descriptor
        platform = {"platform": Platform.of(saved.image.config).to_json()}
        for name in saved.names or [""]:
            tag = Reference.parse(name).tag if name else ""
            # Readers that know no other annotation find the image by its tag, where that is enough to tell it.
            found_by = tag if tags.count(tag) == 1 else name
            annotations = {"annotations": {IMAGE_NAME: name, REF_NAME: found_by}} if name else {}
            extra = {**platform, **annotations}
            entries.append(Descriptor(descriptor.media_type, descriptor.digest, descriptor.size, extra).to_json())
    return entries


def _docker_entry(saved: Saved) -> dict[str, Any]:
    return {
        "Config": layout_path(saved.image.id),
        "RepoTags": [Reference.parse(name).familiar for name in saved.names],
        "Layers": [layout_path(layer.digest) for layer in saved.image.layers],
    }


def _blobs(images: Sequence[Saved]) -> list[str]:
    """The digests of all blobs, each once, in the order in which a reader needs them."""
    found: dict[str, None] = {}
    for saved in images:
        found[saved.image.digest] = None
        found[saved.image.id] = None
        found.update(dict.fromkeys(str(layer.digest) for layer in saved.image.layers))
    return list(found)


def _write_archive(store: ImageStore, images: Sequence[Saved], file: BinaryIO, *, docker: bool) -> None:
    """A tar whose bytes depend on the images alone: no times, no owners."""
    from tarfile import GNU_FORMAT, TarFile, TarInfo

    with TarFile.open(fileobj=file, mode="w|", format=GNU_FORMAT) as tar:
        for path, content in _documents(images, docker=docker):
            entry = TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
        for digest in _blobs(images):
            entry = TarInfo(layout_path(digest))
            entry.size = store.content.size(digest)
            with store.content.open(digest) as blob:
                verified = VerifyingReader(blob, Digest(digest))
                tar.addfile(entry, verified)
                verified.read()  # its end: the archive of a damaged image would be found out too late


def _write_directory(store: ImageStore, images: Sequence[Saved], path: str) -> None:
    """The index, which makes it a layout, comes last. What is there when something fails is removed."""
    try:
        made = not os.path.isdir(path)
        os.makedirs(path, exist_ok=True)
        if os.listdir(path):
            raise Conflict(f"{path}: is not empty")
        try:
            for digest in _blobs(images):
                with store.content.open(digest) as blob:
                    verified = chunks(VerifyingReader(blob, Digest(digest)))
                    _write_file(os.path.join(path, layout_path(digest)), verified)
            for name, content in _documents(images, docker=False):
                _write_file(os.path.join(path, name), [content])
        except BaseException:
            _empty(path, itself=made)
            raise
    except OSError as error:
        raise _failure(error, path) from error


def _empty(path: str, *, itself: bool) -> None:
    from shutil import rmtree

    for name in os.listdir(path):
        entry = os.path.join(path, name)
        rmtree(entry) if os.path.isdir(entry) else os.unlink(entry)
    if itself:
        os.rmdir(path)


def _write_file(path: str, content: Iterable[bytes]) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as file:
        file.writelines(content)


@contextmanager
def _whole_file(path: str) -> Iterator[BinaryIO]:
    """A new file that takes its name when it is complete; a pipe or device at `path` is written to as it is."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                yield file
            return
        temporary = f"{path}.{os.urandom(4).hex()}"
        try:
            with open(temporary, "xb") as file:
                yield file
            os.rename(temporary, path)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise _failure(error, path) from error


def _failure(error: OSError, path: str) -> Exception:
    if isinstance(error, PermissionError):
        return Denied(f"{path}: {error.strerror}")
    return Failed(f"{path}: {(error.strerror or str(error)).lower()}", errno=error.errno or 0)
