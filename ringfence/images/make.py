"""A new image from a layer and an image config: what `import`, `commit` and docker archives have in common."""

from __future__ import annotations

import time

from ringfence.errors import InvalidInput
from ringfence.oci.image_spec import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, encode, make_manifest, oci_layer
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.content.store import Blob
    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore
    from ringfence.oci.digest import Source

_STORABLE = ("none", "gzip", "zstd")  # the compressions that a layer's media type can name


class Layer:
    """A stored layer: its descriptor, and its diff ID."""

    __slots__ = ("descriptor", "diff_id")

    def __init__(self, descriptor: Descriptor, diff_id: str) -> None:
        self.descriptor = descriptor
        self.diff_id = diff_id

    @classmethod
    def uncompressed(cls, blob: Blob) -> Layer:
        """Of a tar that is stored as it is: its digest is its diff ID."""
        return cls(Descriptor(OCI_LAYER, blob.digest, blob.size), str(blob.digest))

    def __repr__(self) -> str:
        return f"Layer({self.diff_id})"


def now() -> str:
    """The present time as image configs have it: RFC 3339, UTC, nanoseconds."""
    nanoseconds = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 10**9)) + f".{nanoseconds % 10**9:09d}Z"


def check_name(text: str) -> list[str]:
    """The names that an option `[NAME[:TAG]]` gives, checked before any work is done."""
    if not text:
        return []
    reference = Reference.parse(text)
    if reference.digest:
        raise InvalidInput(f'invalid image name "{text}": a digest cannot be given to an image')
    return [reference.canonical]


def store_layer(store: ImageStore, stream: Source) -> Layer:
    """Store a layer's tar, compressed or not. Corrupt if it is not a whole tar.

    The caller holds a lease.
    """
    from ringfence.content.store import chunks
    from ringfence.layers.compression import Decompressor

    blob = store.content.ingest(chunks(stream))
    if _compression(store, blob) not in _STORABLE:
        with store.content.open(blob.digest) as file:
            blob = store.content.ingest(chunks(Decompressor(file)))
    diff_id, _ = store.measure_layer(blob.digest)
    return Layer(layer_descriptor(store, blob), diff_id)


def layer_descriptor(store: ImageStore, blob: Blob) -> Descriptor:
    """The descriptor of a stored layer; its first bytes tell the compression."""
    return Descriptor(oci_layer(_compression(store, blob)), blob.digest, blob.size)


def _compression(store: ImageStore, blob: Blob) -> str:
    from ringfence.layers.compression import detect

    with store.content.open(blob.digest) as file:
        return detect(file.read(6))


def put_image(
    store: ImageStore,
    config: dict[str, Any],
    layers: Sequence[Descriptor],
    names: Sequence[str],
    annotations: Mapping[str, str] | None = None,
) -> Image:
    """Store the image config and a manifest, and record the image. The caller holds a lease."""
    blob = store.content.ingest([encode(config)])
    return store.put(store_manifest(store, blob, layers, annotations), names)


def store_manifest(
    store: ImageStore, config: Blob, layers: Sequence[Descriptor], annotations: Mapping[str, str] | None = None
) -> Descriptor:
    """Store an OCI manifest that names these blobs."""
    document = encode(make_manifest(Descriptor(OCI_CONFIG, config.digest, config.size), layers, annotations))
    manifest = store.content.ingest([document])
    return Descriptor(OCI_MANIFEST, manifest.digest, manifest.size)
