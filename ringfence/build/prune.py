"""Forgetting the build cache: the records of steps, the layers that only they need, and the caches of RUN --mount."""

from __future__ import annotations

from ringfence.build import cache_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine import Engine


def prune(engine: Engine, *, before: int | None = None) -> dict[str, Any]:
    """Forget all steps, or those not used since `before` (ns since 1970; cache mounts then stay).

    {"StepsDeleted": how many, "SpaceReclaimed": bytes}.
    """
    from ringfence.images import prune

    forgotten = engine.image_store.steps.forget(before)
    space = prune.collect(engine.image_store, engine.snapshots)
    if before is None:
        space += cache_mounts.prune(engine.root)
    return {"StepsDeleted": forgotten, "SpaceReclaimed": space}
