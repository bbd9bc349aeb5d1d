"""A layer out of a snapshot: what was written above its parent, stored as a tar (`commit`, each step of a build)."""

from __future__ import annotations

from ringfence.images.make import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from ringfence.engine import Engine
    from ringfence.linux.paths import Root


def store_layer(engine: Engine, upper: str, below: Root | None, mount_points: Collection[str] = ()) -> Layer:
    """Store what the directory `upper` of a snapshot changes in `below`, the tree of its parent (None: nothing).

    `mount_points`: see layers.diff. The caller holds a lease of the content store.
    """
    from ringfence.layers.diff import write_diff

    with engine.content.writing() as out:
        write_diff(upper, below.fileno() if below else None, out, engine.snapshots.whiteouts, mount_points)
    engine.image_store.know_layer(out.blob)
    return Layer.uncompressed(out.blob)
