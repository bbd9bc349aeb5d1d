"""Bandwidth of containers and groups: which limits hold for whom, and when they are put into the kernel.

A container's links are found by their ends: those of its network namespace whose other end is in ours (veth(4)),
whoever has made them. They are sent through the pipes of the highest of its groups, or its own (network/shaping.py).
"""

from __future__ import annotations

import os

from ringfence.engine import status
from ringfence.engine.options import Options
from ringfence.errors import InvalidInput, Unsupported
from ringfence.network import shaping
from ringfence.network.shaping import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.groups import GroupRecord
    from ringfence.engine.records import ContainerRecord
    from ringfence.linux.traffic import TrafficConnection

FLAGS = ("network_egress", "network_ingress", "network_burst")
NEEDS = "shaping needs ifb, htb, mirred and bpf of the kernel's traffic control"


def limits(options: Options) -> Limits:
    return Limits(options.network_egress, options.network_ingress, options.network_burst)


def admit(options: Options) -> None:
    """InvalidInput for limits that cannot hold: of a container without links of its own, or a burst of nothing."""
    given = next((name for name in FLAGS if getattr(options, name)), "")
    if not given:
        return
    flag = f"--{given.replace('_', '-')}"
    if options.network in ("none", "host") or options.network.startswith("container:"):
        raise InvalidInput(f"{flag}: a container of --network {options.network} has no link of its own to be limited")
    if not limits(options):
        raise InvalidInput(f"{flag}: needs --network-egress or --network-ingress to be set too")


def wanted(engine: Engine, options: Options) -> bool:
    """Whether any limit holds for a container of these options."""
    groups = engine.groups.line(options.group) if options.group else []
    return bool(limits(options)) or any(limits(Options.from_json(group.options)) for group in groups)


def connect(engine: Engine, record: ContainerRecord, pid: int) -> None:
    """Limit the links of a container that are plugged in by now; `pid` is of a process in its network namespace."""
    options = Options.from_json(record.options)
    if not wanted(engine, options):
        return
    with _connection() as connection:
        links = _outer_ends(connection, pid)
        if not links and limits(options):
            raise Unsupported("--network-egress and --network-ingress: no link of the container ends on this host")
        _shape(engine, connection, record, options, links)


def disconnect(engine: Engine, record: ContainerRecord) -> None:
    """Take out of the kernel what was made for a container that does not run any more. It may be asked repeatedly."""
    options = Options.from_json(record.options)
    first = engine.groups.line(options.group)[0].id if options.group else record.id
    if not os.path.exists(f"{_ledgers(engine)}/{first}"):
        return
    kept = set[str]()
    if options.group:
        for other in _inside(engine, options.group.partition("/")[0]):
            if other.id != record.id and status.of(engine, other).live:
                kept.update(id for id, _ in _line(engine, other, Options.from_json(other.options)))
    with _connection() as connection:
        shaping.forget(connection, _ledgers(engine), first, kept)


def change(engine: Engine, record: ContainerRecord) -> None:
    """Put a live container's limits of now into the kernel."""
    _refresh(engine, [record])


def change_group(engine: Engine, group: GroupRecord) -> None:
    """Put a group's limits of now into the kernel, for all live containers in it."""
    _refresh(engine, _inside(engine, group.name))


def _refresh(engine: Engine, records: Iterable[ContainerRecord]) -> None:
    live = [(record, found.pid) for record in records if (found := status.of(engine, record)).live]
    if not live:
        return
    with _connection() as connection:
        for record, pid in live:
            links = _outer_ends(connection, pid)
            if links:
                _shape(engine, connection, record, Options.from_json(record.options), links)


def counters(engine: Engine, id: str, first: str) -> dict[str, dict[str, int]]:
    """What has passed for a group or container whose pipes are those of `first`; see shaping.counters."""
    with _connection() as connection:
        return shaping.counters(connection, _ledgers(engine), first, id)


def document(options: Options) -> dict[str, Any]:
    """The keys of HostConfig and of a group's Limits: bits per second, and bytes."""
    return {"NetworkEgress": options.network_egress, "NetworkIngress": options.network_ingress,
            "NetworkBurst": options.network_burst}  # fmt: skip


def text(options: Options) -> str:
    """Both limits for people: `50Mbit / 100Mbit`, sent and received; a dash for none."""
    return " / ".join(rate_text(rate) for rate in (options.network_egress, options.network_ingress))


def rate_text(rate: int) -> str:
    """A rate as `--network-egress` takes it: `1.5Gbit`; a dash for none."""
    for unit, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K")):
        if rate >= unit:
            return f"{rate / unit:.4g}{letter}bit"
    return f"{rate}bit" if rate else "-"


def _shape(engine: Engine, connection: TrafficConnection, record: ContainerRecord, options: Options,
           links: Iterable[int]) -> None:  # fmt: skip
    try:
        shaping.shape(connection, _ledgers(engine), _line(engine, record, options), links)
    except OSError as error:
        raise Unsupported(f"bandwidth of container {record.name}: {error.strerror}", hint=NEEDS) from error


def _line(engine: Engine, record: ContainerRecord, options: Options) -> list[tuple[str, Limits]]:
    groups = engine.groups.line(options.group) if options.group else []
    above = [(group.id, limits(Options.from_json(group.options))) for group in groups]
    return [*above, (record.id, limits(options))]


def _inside(engine: Engine, name: str) -> list[ContainerRecord]:
    from ringfence.engine import group

    return [record for record in engine.records.all() if group.is_inside(record, name)]


def _outer_ends(connection: TrafficConnection, pid: int) -> list[int]:
    """The indexes of links of ours whose other ends are in that process's network namespace."""
    from ringfence.linux import namespaces
    from ringfence.linux.rtnetlink import RouteConnection

    if namespaces.same_as_host(pid)["network"]:
        return []
    with namespaces.open(pid, "network") as there, RouteConnection(there) as inside:
        inner = {(link.peer, link.index) for link in inside.links() if link.kind == "veth"}
    return [link.index for link in connection.links() if link.kind == "veth" and (link.index, link.peer) in inner]


def _connection() -> TrafficConnection:
    from ringfence.linux.traffic import TrafficConnection

    return TrafficConnection()


def _ledgers(engine: Engine) -> str:
    return f"{engine.state}/bandwidth"
