"""Removing what nobody uses: images without names or containers, then the blobs and snapshots that no image needs.

Records go first, in a transaction; what they kept alive goes when no process holds a lease, leaves of the snapshots
before their parents. Whatever a kill interrupts, the next `collect` completes.
"""

from __future__ import annotations

from contextlib import contextmanager

from ringfence.errors import Conflict, Corrupt, NotFound
from ringfence.images.unpack import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore
    from ringfence.snapshots import Snapshotter


class Pruned:
    """What was removed: docker's lines (`Untagged: …`, `Deleted: …`), and the disk space won, in bytes."""

    __slots__ = ("lines", "space")

    def __init__(self, lines: list[str], space: int) -> None:
        self.lines = lines
        self.space = space


def prune(
    store: ImageStore,
    snapshotter: Snapshotter,
    used: Collection[str],
    *,
    all: bool = False,
    keep: Callable[[Image], bool] = lambda image: False,
) -> Pruned:
    """Remove the images without a name, with `all` also the named ones, but not those of the IDs in `used`.

    `used` are the IDs of images that containers have; `keep` says of other images that a filter spares them.
    """
    lines: list[str] = []
    for image in store.list():
        if image.id in used or (image.names and not all) or keep(image):
            continue
        lines += store.remove_image(image)
    return Pruned(lines, collect(store, snapshotter))


def collect(store: ImageStore, snapshotter: Snapshotter, *, wait: bool = True) -> int:
    """Remove the blobs and layers' snapshots that no recorded image needs; returns the bytes of disk space won.

    Waits until no process adds anything; without `wait` it removes nothing (0) if one does.
    """
    try:
        with store.content.collecting(wait=wait):
            return _collect_blobs(store) + _collect_snapshots(store, snapshotter)
    except Conflict:
        if wait:
            raise
        return 0


@contextmanager
def discarding(store: ImageStore) -> Iterator[None]:
    """When the block fails, the blobs that it stored go away, unless another process is adding some just now.

    It is entered before the lease, so that the lease has ended.
    """
    try:
        yield
    except BaseException:
        try:
            with store.content.collecting(wait=False):
                _collect_blobs(store)
        except (Conflict, Corrupt, NotFound):
            pass  # they stay as rubbish for the next `collect`, which also tells what else is damaged
        raise


def _collect_blobs(store: ImageStore) -> int:
    removed, space = store.content.collect(store.used_blobs())
    store.forget_layers([blob.digest for blob in removed])
    return space


def _collect_snapshots(store: ImageStore, snapshotter: Snapshotter) -> int:
    """Only layers' snapshots: those of containers are the engine's. One with children stays until they are gone."""
    needed = {chain_id for image in store.list() for chain_id in image.chain_ids} | store.steps.used_snapshots()
    snapshots = {snapshot.key: snapshot for snapshot in snapshotter.walk()}
    unused = {
        key
        for key, snapshot in snapshots.items()
        if key.startswith(PREFIX) or (snapshot.kind == "committed" and key.startswith("sha256:") and key not in needed)
    }
    space = 0
    while leaves := unused - {snapshots[key].parent for key in snapshots}:
        for key in leaves:
            size = snapshotter.usage(key).size
            try:
                snapshotter.remove(key, missing_ok=True)
                space += size
            except Conflict:
                pass  # a container was made of it since we looked: it is in use
            del snapshots[key]
        unused -= leaves
    snapshotter.sweep()
    return space
