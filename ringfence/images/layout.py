"""Reading an OCI image layout (image-spec, image-layout.md), from a directory or an archive."""

from __future__ import annotations

from ringfence.errors import Corrupt, InvalidInput, NotFound
from ringfence.images.tree import layout_path
from ringfence.oci.digest import printable
from ringfence.oci.image_spec import (
    IMAGE_NAME,
    REF_NAME,
    Descriptor,
    is_index,
    media_type,
    parse_document,
)
from ringfence.oci.platform import Platform, select
from ringfence.oci.reference import Reference, is_tag
from ringfence.oci.shape import Mismatch, parse_json, record, require, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ringfence.content.store import ContentStore
    from ringfence.images.tree import Tree

INDEX = "index.json"
MARK = "oci-layout"
VERSION = "1.0.0"
_DEEPEST = 8  # indexes inside an index


def is_layout(tree: Tree) -> bool:
    return tree.document(MARK) is not None or tree.document(INDEX) is not None


def read_layout(tree: Tree, content: ContentStore, platform: Platform, base: str) -> list[tuple[Descriptor, list[str]]]:
    """Store the blobs of the layout's images; returns their manifests and names, ready to be recorded.

    Of an image for several platforms the one for `platform` is taken. A reference in the index is a name if it has a
    `/` or `:`, else it is a tag of `base` (an image name without tag; "" leaves such images without a name).
    """
    _check_version(tree)
    data = tree.document(INDEX)
    if data is None:
        raise InvalidInput(f"{tree.subject}: has no {INDEX}")
    index = parse_document(data, f"{tree.subject}: {INDEX}")
    if not is_index(index):
        raise InvalidInput(f"{tree.subject}: {INDEX}: is not an index")
    found = []
    for names, entries in _images(index["manifests"], base, f"{tree.subject}: {INDEX}"):
        reader = _Reader(tree, content, platform)
        entry = entries[0] if len(entries) == 1 else select(entries, platform, tree.subject)
        found.append((reader.image(Descriptor.from_json(entry), _DEEPEST), names))
    return found


def _check_version(tree: Tree) -> None:
    data = tree.document(MARK)
    if data is None:
        raise InvalidInput(f"{tree.subject}: has no file {MARK}: not an OCI image layout")
    document = parse_json(data, f"{tree.subject}: {MARK}")
    require(
        document, record({"imageLayoutVersion": _version}, required=("imageLayoutVersion",)), f"{tree.subject}: {MARK}"
    )


def _version(value: Any) -> None:
    string(value)
    if value.partition(".")[0] != "1":
        raise Mismatch(f'"{printable(value)}" is not a version that can be read ({VERSION} is)')


def _images(entries: Sequence[dict[str, Any]], base: str, where: str) -> list[tuple[list[str], list[dict[str, Any]]]]:
    """The entries grouped into images with their names.

    One digest under several names is one image; several entries of one name, or several without a name that all tell
    their platform, are one image for several platforms.
    """
    by_name: dict[str, list[dict[str, Any]]] = {}
    for index, entry in enumerate(entries):
        name = _name(entry.get("annotations") or {}, base, f"{where}: manifests[{index}].annotations")
        by_name.setdefault(name, []).append(entry)
    unnamed = by_name.pop("", [])
    groups: dict[tuple[str, ...], tuple[list[str], list[dict[str, Any]]]] = {}
    for name, same in by_name.items():
        groups.setdefault(tuple(entry["digest"] for entry in same), ([], same))[0].append(name)
    if unnamed and all(entry.get("platform") for entry in unnamed):
        groups.setdefault(tuple(entry["digest"] for entry in unnamed), ([], unnamed))
    else:
        for entry in unnamed:
            groups.setdefault((entry["digest"],), ([], [entry]))
    return list(groups.values())


def _name(annotations: dict[str, str], base: str, where: str) -> str:
    """The canonical reference of an entry, or "".

    umoci gives an image that it makes of another a tag in REF_NAME, and leaves the other's IMAGE_NAME as it was.
    """
    for key in (IMAGE_NAME, REF_NAME):
        text = annotations.get(key) or ""
        if "/" in text or ":" in text:
            try:
                found = Reference.parse(text)
            except InvalidInput as error:
                raise InvalidInput(f"{where}: {error.what}") from None
            own = annotations.get(REF_NAME) or ""
            return Reference(found.registry, found.repository, own).canonical if is_tag(own) else found.canonical
        if key == REF_NAME and text and base:
            if not is_tag(text):
                raise InvalidInput(f'{where}: "{printable(text)}" is not a tag')
            return Reference.parse(f"{base}:{text}").canonical
    return ""


class _Reader:
    """Stores the blobs of one image."""

    def __init__(self, tree: Tree, content: ContentStore, platform: Platform) -> None:
        self._tree = tree
        self._content = content
        self._platform = platform

    def image(self, descriptor: Descriptor, depth: int) -> Descriptor:
        """Store the image that `descriptor` leads to, perhaps through indexes; returns its manifest's descriptor."""
        self._store(descriptor)
        subject = f"{self._tree.subject}: manifest {descriptor.digest}"
        document = parse_document(self._content.read(descriptor.digest), subject)
        if is_index(document):
            if not depth:
                raise InvalidInput(f"{subject}: is an index inside {_DEEPEST} others")
            entry = select(document["manifests"], self._platform, subject)
            return self.image(Descriptor.from_json(entry), depth - 1)
        for part in (document["config"], *document["layers"]):
            self._store(Descriptor.from_json(part))
        return Descriptor(media_type(document), descriptor.digest, descriptor.size)

    def _store(self, descriptor: Descriptor) -> None:
        """Have the blob in the content store, from the tree or from before, with the size that is announced."""
        digest = str(descriptor.digest)
        blob = self._tree.blob(layout_path(digest), digest)
        if blob is None and not self._content.exists(digest):
            raise NotFound(f"{self._tree.subject}: blob {digest} is missing")
        size = blob.size if blob else self._content.size(digest)
        if size != descriptor.size:
            raise Corrupt(
                f"{self._tree.subject}: blob {digest} has {size} bytes where {descriptor.size} were announced"
            )
