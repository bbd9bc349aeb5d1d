"""Ports that are published, or not any more, while a container goes on; of one that does not run, at its next start."""

from __future__ import annotations

from ringfence.engine import plug, status
from ringfence.engine.options import Options
from ringfence.engine.options_network import publish as read
from ringfence.errors import Conflict, InvalidInput, NotFound
from ringfence.network.values import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.network.ports import Reserved

    Rows = Sequence[Mapping[str, Any]]


def parse(add: object, remove: object) -> tuple[Rows, Rows]:
    """The rows of --publish-add and --publish-rm; InvalidInput."""
    return read("--publish-add", add or ()), read("--publish-rm", remove or ())


def change(engine: Engine, record: ContainerRecord, add: Rows, remove: Rows) -> Sequence[Mapping[str, Any]]:
    """Publish and unpublish at once if the container runs; returns its rows of --publish from now on.

    NotFound for a port that is not published, Conflict for one of the host's that somebody has. What could not be added
    leaves those that were there as they were.
    """
    options = Options.from_json(record.options)
    kept = [row for row in options.publish if not any(_means(one, row) for one in remove)]
    for one in remove:
        if not any(_means(one, row) for row in options.publish):
            port = f"{one['port']}/{one['protocol']}"
            raise NotFound(f"--publish-rm: container {record.name} does not publish port {port}")
    if add and options.network in ("none", "host"):
        raise InvalidInput(f"--publish-add: container {record.name} has --network {options.network}")
    current = status.of(engine, record)
    if current.live:
        if remove:
            _unpublish(engine, record, current.pid, remove)
        if add:
            _publish(engine, record, current.pid, add)
    return [*kept, *add]


def _publish(engine: Engine, record: ContainerRecord, pid: int, rows: Rows) -> None:
    from ringfence.engine import forwarder, ports

    addresses = _addresses(engine, record)
    reserved = ports.take(engine, record, rows)
    try:
        with plug.Lock(engine) as held:
            held.publish(record.id, [one.port for one in reserved], addresses)
        forwarder.start(engine, record.id, pid, reserved, addresses, f"-{reserved[0].port!r}".replace("/", "-"))
    except BaseException:
        with plug.Lock(engine) as held:
            held.unpublish(record.id, [one.port for one in reserved], addresses)
        engine.networks.unpublish(record.id, [one.port for one in reserved])
        raise
    finally:
        _close(reserved)


def _unpublish(engine: Engine, record: ContainerRecord, pid: int, rows: Rows) -> None:
    """The forwarders end and one of those ports that are left begins: what goes through the kernel is not disturbed."""
    from ringfence.engine import forwarder

    addresses = _addresses(engine, record)
    present = [port for _, port in engine.networks.ports(record.id)]
    gone = [port for port in present if any(_is(row, port) for row in rows)]
    left = [port for port in present if port not in gone]
    with plug.Lock(engine) as held:
        held.unpublish(record.id, gone, addresses)
        engine.networks.unpublish(record.id, gone)
    reserved = forwarder.stop(engine, record.id, left)
    try:
        if reserved:
            forwarder.start(engine, record.id, pid, reserved, addresses)
    finally:
        _close(reserved)


def _addresses(engine: Engine, record: ContainerRecord) -> list[str]:
    known = {one.network.id: one.network for one in engine.networks.all()}
    found = plug.reachable(engine.networks.endpoints(container=record.id), known)
    if not found:
        raise Conflict(f"container {record.name} is in no network that this machine leads ports to")
    return found


def _means(asked: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether --publish-rm means this row: the same one, or its port of the container alone."""
    if (asked["port"], asked["protocol"]) != (row["port"], row["protocol"]):
        return False
    return not asked["first"] or (asked["first"], asked["ip"]) == (row["first"], row["ip"])


def _is(asked: Mapping[str, Any], port: Port) -> bool:
    if (asked["port"], asked["protocol"]) != (port.container_port, port.protocol):
        return False
    return not asked["first"] or (asked["first"], asked["ip"]) == (port.host_port, port.host_ip)


def _close(reserved: Sequence[Reserved]) -> None:
    for one in reserved:
        one.close()
