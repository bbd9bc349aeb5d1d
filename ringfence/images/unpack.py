"""From an image's layers to snapshots: each layer becomes a committed snapshot named by its chain ID.

Idempotent, and safe at any instant: a layer is applied to a snapshot of its own, which becomes the committed one in one
step. What a killed process leaves has a key that begins `unpack-`; `prune.collect` removes it, for it takes the place
of all leases, and whoever unpacks holds one. Where layers are trees of their own (overlay), several are applied at
once, and get their parents afterwards.
"""

from __future__ import annotations

import os

from ringfence.errors import Conflict, Corrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from ringfence.content.store import ContentStore
    from ringfence.images.concurrent import Concurrent
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
        missing = [number for number, chain_id in enumerate(image.chain_ids) if not snapshotter.exists(chain_id)]
        if len(missing) > 1 and snapshotter.stacks:
            _unpack_at_once(image, content, snapshotter, missing[0])
            return image.top
        for number in missing:
            _unpack_one(image, number, content, snapshotter)
    return image.top


def _unpack_one(image: Layered, number: int, content: ContentStore, snapshotter: Snapshotter,
                others: Concurrent | None = None) -> None:  # fmt: skip
    with content.turn(image.chain_ids[number]):
        if snapshotter.exists(image.chain_ids[number]):
            return
        with content.open(image.layers[number].digest) as file:
            unpack_blob(file, image, number, snapshotter, others)


def _unpack_at_once(image: Layered, content: ContentStore, snapshotter: Snapshotter, first: int) -> None:
    from ringfence.images.concurrent import Concurrent

    work = Concurrent(
        range(first, len(image.chain_ids)), lambda number: _unpack_one(image, number, content, snapshotter, work)
    )
    work.run()


def unpack_blob(
    blob: Source, image: Layered, number: int, snapshotter: Snapshotter, others: Concurrent | None = None, *,
    whole: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Make the snapshot of one layer of the bytes of its blob; returns how many they are without compression.

    `others` are the layers that are worked on at once: those below this one may not be there yet. `whole` returns, or
    raises, when all of the blob is known to be right: what follows the archive in it counts too.
    """
    from ringfence.layers.apply import apply
    from ringfence.layers.compression import Decompressor

    parent = image.chain_ids[number - 1] if number else ""
    early = others is not None and parent != "" and not snapshotter.exists(parent)

    def awaited() -> list[str]:
        """What lies below, once it is there: it is asked for when the layer refers to it."""
        assert others is not None
        others.wait(number - 1)
        return [snapshotter.layer_path(chain_id) for chain_id in reversed(image.chain_ids[:number])]

    key = PREFIX + os.urandom(8).hex()
    snapshotter.prepare(key, "" if early else parent)
    try:
        stream = others.stream(blob, number) if others is not None else blob
        lowers = awaited if early else snapshotter.lowers(key)
        result = apply(Decompressor(stream), snapshotter.upper(key), snapshotter.whiteouts, lowers)
        whole()
        _check(image.layers[number].digest, result.diff_id, image.diff_ids[number])
        if early:
            awaited()
            snapshotter.adopt(key, parent, root=not result.lists_root)
    except BaseException:
        snapshotter.remove(key, missing_ok=True)
        raise
    _commit(snapshotter, key, image.chain_ids[number])
    return result.size


def renew(image: Layered, number: int, content: ContentStore, snapshotter: Snapshotter) -> None:
    """Unpack one layer again, in place of the snapshot that is there; the caller holds a lease."""
    from ringfence.layers.apply import apply
    from ringfence.layers.compression import Decompressor

    chain_id = image.chain_ids[number]
    key = PREFIX + os.urandom(8).hex()
    snapshotter.prepare(key, image.chain_ids[number - 1] if number else "")
    try:
        with content.open(image.layers[number].digest) as file:
            whiteouts, lowers = snapshotter.whiteouts, snapshotter.lowers(key)
            result = apply(Decompressor(file), snapshotter.upper(key), whiteouts, lowers)
        _check(image.layers[number].digest, result.diff_id, image.diff_ids[number])
        snapshotter.replace(chain_id, key)
    except BaseException:
        snapshotter.remove(key, missing_ok=True)
        raise


def _check(digest: str, found: str, expected: str) -> None:
    if found != expected:
        raise Corrupt(f"layer {digest}: its content has diff ID {found}, the image config says {expected}")


def _commit(snapshotter: Snapshotter, key: str, chain_id: str) -> None:
    try:
        snapshotter.commit(chain_id, key)
    except Conflict:
        snapshotter.remove(key)  # another process, which did not wait, was first: its snapshot is as good
    except BaseException:
        snapshotter.remove(key, missing_ok=True)
        raise
