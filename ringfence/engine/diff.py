"""diff: what a container added, changed and deleted in its image's tree."""

from __future__ import annotations

from ringfence.engine import repair, root
from ringfence.engine.spec_mounts import MADE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine import Engine

KINDS = {"C": 0, "A": 1, "D": 2}


def diff(engine: Engine, name: str) -> list[dict[str, Any]]:
    """See Engine.diff. As docker's, it lists the mount points of volumes: these are made by the container's options."""
    from contextlib import nullcontext

    from ringfence.layers.diff import changes

    record = repair.find(engine, name)
    snapshots = engine.snapshots
    with root.base(engine, record) or nullcontext() as below:
        found = changes(snapshots.upper(record.id), below and below.fileno(), snapshots.whiteouts, MADE)
    return [{"Path": change.path, "Kind": KINDS[change.kind]} for change in found]
