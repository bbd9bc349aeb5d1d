"""system check: whether what is stored is still what it was, and mending it."""

from __future__ import annotations

from ringfence.engine import images, status
from ringfence.engine import repair as records
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine import Engine


def check(engine: Engine, *, repair: bool = False, quick: bool = False) -> dict[str, Any]:
    """See Engine.system_check."""
    from ringfence.images.check import Check

    found = Check(engine.image_store, engine.snapshots, quick=quick)
    space = 0
    if repair:
        space = found.repair(images.used_ids(engine), lambda chain_id: _running_on(engine, chain_id))
    problems = [{"Kind": problem.kind, "Name": problem.name, "Why": problem.why, "Repaired": problem.repaired}
                for problem in found.problems]  # fmt: skip
    return {"Checked": found.checked, "Problems": problems, "SpaceReclaimed": space}


def _running_on(engine: Engine, chain_id: str) -> list[str]:
    """The names of the running containers whose files are partly this layer's."""
    snapshots, names = engine.snapshots, []
    for record in records.every(engine):
        if not status.of(engine, record).live:
            continue
        below = record.parent
        try:
            while below and below != chain_id:
                below = snapshots.parent(below)
        except NotFound:
            continue
        if below:
            names.append(record.name)
    return names
