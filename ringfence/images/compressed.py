"""An image with its layers compressed, for a registry: the same config, another manifest.

Layers that are compressed already stay as they are; equal layers give equal blobs, so that a registry that has them
from an earlier push is not sent them again.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.images.make import layer_descriptor
from ringfence.oci.digest import CHUNK
from ringfence.oci.image_spec import OCI_MANIFEST, Descriptor, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore

FORMATS = ("gzip", "zstd")


class Manifest:
    """A stored manifest: its `descriptor`, and the `layers` that it names."""

    __slots__ = ("descriptor", "layers")

    def __init__(self, descriptor: Descriptor, layers: list[Descriptor]) -> None:
        self.descriptor = descriptor
        self.layers = layers


def compressed(store: ImageStore, image: Image, compression: str) -> Manifest:
    """Store the compressed layers and the manifest that names them; the caller holds a lease."""
    if compression not in FORMATS:
        raise InvalidInput(f"--compression-format: {compression}: is not one of {', '.join(FORMATS)}")
    if image.media_type != OCI_MANIFEST:
        if compression != "gzip":
            raise InvalidInput(f"{image.media_type}: an image of Docker's form has no {compression} layers")
        return Manifest(image.descriptor, list(image.layers))  # whose layers are compressed, as that form has it
    layers = [_layer(store, layer, compression) for layer in image.layers]
    document: dict[str, Any] = {**image.manifest, "layers": [layer.to_json() for layer in layers]}
    blob = store.content.ingest([encode(document)])
    return Manifest(Descriptor(OCI_MANIFEST, blob.digest, blob.size), layers)


def _layer(store: ImageStore, layer: Descriptor, compression: str) -> Descriptor:
    from ringfence.layers.compression import compress, detect

    with store.content.open(layer.digest) as file:
        if detect(file.read(6)) != "none":
            return layer
        file.seek(0)
        with store.content.writing() as out, compress(out, compression) as packed:
            while data := file.read(CHUNK):
                packed.write(data)
    return layer_descriptor(store, out.blob)
