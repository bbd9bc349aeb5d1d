"""inspect: everything about a container, an image, a volume, a network or a group, in docker's shape."""

from __future__ import annotations

from ringfence.engine import document, places, repair, spec_host, status, times
from ringfence.engine.options import Options
from ringfence.engine.plugged import Plugged
from ringfence.errors import InvalidInput, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord


def inspect(engine: Engine, name: str, type: str | None, size: bool) -> dict[str, Any]:
    """See Engine.inspect."""
    from ringfence.engine import group, images, network, volume

    kinds: dict[str, Callable[[], dict[str, Any]]] = {
        "container": lambda: container(engine, repair.find(engine, name), size),
        "image": lambda: images.inspect(engine, name),
        "volume": lambda: volume.inspect(engine, name),
        "network": lambda: network.inspect(engine, name),
        "group": lambda: group.inspect(engine, name),
    }
    if type is not None:
        if type not in kinds:
            raise InvalidInput(f'--type: "{type}" is none', hint=f"there are: {', '.join(kinds)}")
        return kinds[type]()
    for look in kinds.values():
        try:
            return look()
        except (NotFound, InvalidInput):
            continue
    raise NotFound(f"no such object: {name}")


def container(engine: Engine, record: ContainerRecord, size: bool) -> dict[str, Any]:
    """The document of a container; with `size` also SizeRw and SizeRootFs (bytes)."""
    options = Options.from_json(record.options)
    current = status.of(engine, record)
    bundle = places.bundle(engine, record.id)
    found = {
        "Id": record.id,
        "Created": times.rfc3339(record.created),
        "Path": record.args[0],
        "Args": record.args[1:],
        "State": state(current),
        "Image": record.image_id,
        "ResolvConfPath": f"{bundle}/resolv.conf",
        "HostnamePath": f"{bundle}/hostname",
        "HostsPath": f"{bundle}/hosts",
        "LogPath": places.log_file(engine, record.id) if options.log_driver != "none" else "",
        "Name": f"/{record.name}",
        "RestartCount": record.restarts,
        "Driver": record.driver,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "HostConfig": document.host_config(record, options),
        "GraphDriver": graph_driver(engine, record),
        "Mounts": document.mounts(record),
        "Config": document.config(record, options),
        "NetworkSettings": {"SandboxKey": _network_namespace(current, options),
                            **Plugged(engine, record.id).settings(record, options)},
    }  # fmt: skip
    return {**found, **sizes(engine, record)} if size else found


def state(current: status.Status) -> dict[str, Any]:
    """`State`. A paused container is Running, too, as docker has it."""
    found: dict[str, Any] = {
        "Status": current.word,
        "Running": current.live or current.word == "restarting",
        "Paused": current.word == "paused",
        "Restarting": current.word == "restarting",
        "OOMKilled": current.oom_killed,
        "Dead": current.word == "dead",
        "Pid": current.pid,
        "ExitCode": current.exit_code,
        "Error": current.error,
        "StartedAt": times.rfc3339(current.started_at),
        "FinishedAt": times.rfc3339(current.finished_at),
    }
    return found if current.health is None else {**found, "Health": current.health}


def graph_driver(engine: Engine, record: ContainerRecord) -> dict[str, Any]:
    """`GraphDriver`: the directories of the base (LowerDir, top first) and the diff (UpperDir)."""
    snapshots = engine.snapshots
    data = {"UpperDir": snapshots.upper(record.id), "LowerDir": ":".join(snapshots.lowers(record.id))}
    return {"Name": snapshots.driver, "Data": data}


def sizes(engine: Engine, record: ContainerRecord) -> dict[str, int]:
    """SizeRw: bytes on disk of what it wrote. SizeRootFs: those and its image's layers. Zeros if it is going."""
    try:
        own = engine.snapshots.usage(record.id).size
    except NotFound:
        return {"SizeRw": 0, "SizeRootFs": 0}
    total, parent = own, record.parent
    while parent and engine.snapshots.driver == "overlay":  # a snapshot of `copy` holds its parents' files itself
        total += engine.snapshots.usage(parent).size
        parent = engine.snapshots.parent(parent)
    return {"SizeRw": own, "SizeRootFs": total}


def _network_namespace(current: status.Status, options: Options) -> str:
    private = options.network != "host" and "network" not in spec_host.joined(options)
    return f"/proc/{current.pid}/ns/net" if current.live and private else ""
