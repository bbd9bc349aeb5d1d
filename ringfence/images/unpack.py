"""From an image's layers to snapshots: each layer becomes a committed snapshot named by its chain ID.

Idempotent, and safe at any instant: a layer is applied to a snapshot of its own, which becomes the committed one in one
step. What a killed process leaves has a key that begins `unpack-`; `prune.collect` removes it, for it takes the place
of all leases, and whoever unpacks holds one.
"""

from __future__ import annotations

import os

from ringfence.errors import Conflict, Corrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from ringfence.content.store import ContentStore
    from ringfence.oci.digest import Source
    from ringfence.oci.image_spec import Descriptor
    from ringfence.snapshots import Snapshotter

    class Layered(Protocol):
        """An image, or a draft of one."""

        @property
        def chain_ids(self) -> Sequence[str]: ...
        @property
        def diff_ids(self) -> Sequence[str]: ...
        @property
        def layers(self) -> Sequence[Descriptor]: ...
        @property
        def top(self) -> str: ...


PREFIX = "unpack-"


def unpack(image: Layered, content: ContentStore, snapshotter: Snapshotter) -> str:
    """Make the snapshots of the image's layers that are not there yet; returns the top one's name ("" without layers).

    Corrupt if a layer does not hold what the image config says. Of several processes that unpack the same layer one
    does the work, the others wait for it.
    """
    if not image.chain_ids or snapshotter.exists(image.top):
        return image.top
    with content.lease():
        parent = ""
        for layer, diff_id, chain_id in zip(image.layers, image.diff_ids, image.chain_ids, strict=True):
            if not snapshotter.exists(chain_id):
                with content.turn(chain_id):
                    if not snapshotter.exists(chain_id):
                        with content.open(layer.digest) as file:
                            unpack_layer(file, layer.digest, diff_id, chain_id, parent, snapshotter)
            parent = chain_id
    return image.top


def unpack_layer(
    blob: Source, digest: str, diff_id: str, chain_id: str, parent: str, snapshotter: Snapshotter, *,
    whole: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Apply the bytes of one layer's blob to a new snapshot; returns how many they are without compression.

    `whole` returns, or raises, when all of the blob is known to be right: what follows the archive in it counts too.
    """
    from ringfence.layers.apply import apply
    from ringfence.layers.compression import Decompressor

    key = PREFIX + os.urandom(8).hex()
    snapshotter.prepare(key, parent)
    try:
        tree, lowers = snapshotter.upper(key), snapshotter.lowers(key)
        result = apply(Decompressor(blob), tree, snapshotter.whiteouts, lowers)
        whole()
        if result.diff_id != diff_id:
            raise Corrupt(f"layer {digest}: its content has diff ID {result.diff_id}, the image config says {diff_id}")
        snapshotter.commit(chain_id, key)
        return result.size
    except Conflict:
        snapshotter.remove(key)  # another process, which did not wait, was first: its snapshot is as good
        return result.size
    except BaseException:
        snapshotter.remove(key, missing_ok=True)
        raise
