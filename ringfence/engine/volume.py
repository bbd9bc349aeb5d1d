"""volume create, ls, inspect, rm: volumes in docker's shape, and which containers use them."""

from __future__ import annotations

from ringfence.engine import events, times
from ringfence.engine import filters as common
from ringfence.engine.options_process import labels as read_labels
from ringfence.engine.volumes import Volumes
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.volumes import Volume

FILTERS = ("name", "label", "driver", "dangling")


def create(engine: Engine, name: str | None, *, driver: str, opt: Sequence[str],
           label: Sequence[str]) -> dict[str, Any]:  # fmt: skip
    """See Engine.volume_create."""
    if driver != "local":
        raise Unsupported(f"--driver: {driver}: volume drivers are not built yet", hint="use local")
    if opt:
        raise Unsupported(f"--opt: {opt[0]}: options of volumes are not built yet")
    volume = Volumes(engine.root).create(name or "", read_labels("--label", label))
    events.emit(engine, "volume", "create", volume.name, {"driver": "local"})
    return _document(volume)


def ls(engine: Engine, *, filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """See Engine.volume_ls."""
    common.known(filters, FILTERS)
    used = users(engine) if "dangling" in filters else {}
    return [_document(volume) for volume in Volumes(engine.root).all() if _matches(volume, filters, used)]


def inspect(engine: Engine, name: str) -> dict[str, Any]:
    """See Engine.volume_inspect."""
    return _document(Volumes(engine.root).get(name))


def rm(engine: Engine, name: str, *, force: bool) -> None:
    """See Engine.volume_rm."""
    Volumes(engine.root).remove(name, users(engine).get(name, ()), missing_ok=force)
    events.emit(engine, "volume", "destroy", name, {"driver": "local"})


def users(engine: Engine) -> dict[str, list[str]]:
    """The ids of the containers that have each volume, by the volume's name."""
    found: dict[str, list[str]] = {}
    for record in engine.records.all():
        for mount in record.mounts:
            if mount["type"] == "volume":
                found.setdefault(mount["source"], []).append(record.id)
    return found


def _document(volume: Volume) -> dict[str, Any]:
    return {
        "Name": volume.name,
        "Driver": "local",
        "Mountpoint": volume.path,
        "CreatedAt": times.rfc3339(volume.created),
        "Labels": volume.labels,
        "Options": {},
        "Scope": "local",
    }


def _matches(volume: Volume, wanted: Mapping[str, Sequence[str]], used: Mapping[str, Sequence[str]]) -> bool:
    for key, values in wanted.items():
        if key == "name":
            found = any(value in volume.name for value in values)
        elif key == "label":
            found = common.labels(volume.labels, values)
        elif key == "driver":
            found = "local" in values
        else:
            found = common.boolean(key, values) != (volume.name in used)
        if not found:
            return False
    return True
