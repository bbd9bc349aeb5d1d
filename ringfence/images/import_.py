"""An image of one layer from a tarball of a root filesystem (`import`)."""

from __future__ import annotations

from ringfence.images import make
from ringfence.images.changes import apply_changes
from ringfence.images.prune import discarding
from ringfence.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore
    from ringfence.oci.digest import Source


def import_tarball(
    store: ImageStore,
    stream: Source,
    name: str = "",
    message: str = "",
    changes: Sequence[str] = (),
    *,
    source: str = "-",
    platform: Platform | None = None,
) -> Image:
    """Store the tar archive (plain, gzip, zstd, bzip2 or xz) as an image, with `changes` applied to its empty config.

    InvalidInput for a bad name or change, before the stream is read; Corrupt for a stream that is not a whole archive.
    `source` is what the image's history says it came from.
    """
    names = make.check_name(name)
    config = apply_changes({}, changes)
    with discarding(store), store.content.lease():
        layer = make.store_layer(store, stream)
        created = make.now()
        document = {
            "created": created,
            **(platform or Platform.host()).to_json(),
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
            "history": [{"created": created, "comment": message or f"Imported from {source}"}],
        }
        return make.put_image(store, document, [layer.descriptor], names)
