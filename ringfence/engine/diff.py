"""diff: what a container added, changed and deleted in its image's tree."""

from __future__ import annotations

import json

from ringfence.engine import places, repair, root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.layers.diff import Change

KINDS = {"C": 0, "A": 1, "D": 2}


def diff(engine: Engine, name: str) -> list[dict[str, Any]]:
    """See Engine.diff."""
    from ringfence.layers.diff import changes

    record = repair.find(engine, name)
    snapshots = engine.snapshots
    below = root.base(engine, record)
    try:
        found = changes(snapshots.upper(record.id), below.fileno() if below else None, snapshots.whiteouts)
    finally:
        if below is not None:
            below.close()
    kept = without_mount_points(found, _mount_points(engine, record))
    return [{"Path": change.path, "Kind": KINDS[change.kind]} for change in kept]


def without_mount_points(found: Iterable[Change], mount_points: set[str]) -> list[Change]:
    """The changes but for what the runtime made to mount on, and the directories that changed only by that."""
    dropped = [change for change in found if _within(change.path, mount_points)]
    kept = [change for change in found if not _within(change.path, mount_points)]
    above = {parent for change in dropped for parent in _parents(change.path)}
    for change in reversed(list(kept)):
        below = f"{change.path}/"
        if change.path in above and not any(other.path.startswith(below) for other in kept):
            kept.remove(change)
    return kept


def _within(path: str, mount_points: set[str]) -> bool:
    return path in mount_points or not mount_points.isdisjoint(_parents(path))


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(2, len(parts))]


def _mount_points(engine: Engine, record: ContainerRecord) -> set[str]:
    """Where the last start mounted something; nothing yet for a container that was never started."""
    try:
        with open(
            f"{places.bundle(engine, record.id)}/config.json", encoding="utf-8", errors="surrogateescape"
        ) as file:
            return {mount["destination"] for mount in json.load(file)["mounts"]}
    except FileNotFoundError:
        return set()
