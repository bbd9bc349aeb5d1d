"""network connect, disconnect: a container comes into a network or leaves it, while it runs or before it is started."""

from __future__ import annotations

from ringfence.content.database import transaction
from ringfence.engine import bandwidth, dns, events, network, places, plug, repair, spec_files, status, subnets
from ringfence.engine.lock import Lock
from ringfence.engine.networks import Endpoint
from ringfence.engine.options import Options
from ringfence.engine.options_network import networks as read_networks
from ringfence.engine.options_network import requests
from ringfence.errors import Conflict, NotFound
from ringfence.linux import namespaces, processes
from ringfence.network.values import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.network.values import Network


def connect(engine: Engine, network_name: str, container: str, *, alias: Sequence[str], interface: str, ip: str,
            ip6: str, mac_address: str) -> None:  # fmt: skip
    """See Engine.network_connect."""
    settings = [("ip", ip), ("ip6", ip6), ("mac", mac_address), ("interface", interface)]
    words = [f"{key}={value}" for key, value in settings if value] + [f"alias={name}" for name in alias]
    found = network.find(engine, network_name).network
    (asked,) = read_networks("network connect", f"{found.name}:{','.join(words)}" if words else found.name)
    record = repair.find(engine, container)
    with Lock(engine, record.id):
        record = repair.fresh(engine, record)
        options = _own(record)
        rows = [dict(row) for row in requests(options)]
        if any(row["name"] in (found.name, found.id) for row in rows):
            raise Conflict(f"container {record.name} is in network {found.name} already")
        live = status.of(engine, record)
        if live.live:
            _unplug(engine, record, found.id, live.pid)  # what a connect that was killed has left of itself
            _plug_in(engine, record, options, asked, live.pid)
        _write(engine, record, [*rows, asked])
    events.emit(engine, "network", "connect", found.name, {"container": record.id, "type": found.driver})


def disconnect(engine: Engine, network_name: str, container: str, *, force: bool) -> None:
    """See Engine.network_disconnect."""
    try:
        found = network.find(engine, network_name).network
        record = repair.find(engine, container)
    except NotFound:
        if force:
            return
        raise
    with Lock(engine, record.id):
        record = repair.fresh(engine, record)
        options = _own(record)
        left = [dict(row) for row in requests(options) if row["name"] not in (found.name, found.id)]
        live = status.of(engine, record)
        if live.live:
            _unplug(engine, record, found.id, live.pid)  # also if a connect was killed before it was written down
        if len(left) == len(requests(options)):
            if force:
                return
            raise NotFound(f"container {record.name} is not in network {found.name}")
        _write(engine, record, left)  # it is out of the network, whether others can be told of it or not
        if live.live:
            _told(engine, record, options, live.pid)
    events.emit(engine, "network", "disconnect", found.name, {"container": record.id, "type": found.driver})


def _own(record: ContainerRecord) -> Options:
    """The options of a container whose network namespace is its own, and not shared or empty for good."""
    options = Options.from_json(record.options)
    if options.network == "host" or options.network.startswith("container:"):
        raise Conflict(f"container {record.name} has --network {options.network}: it can be in no network of its own")
    return options


def _write(engine: Engine, record: ContainerRecord, rows: Sequence[Mapping[str, Any]]) -> None:
    record.options = {**record.options, "network": rows[0]["name"] if rows else "none", "networks": list(rows)}
    engine.records.save(record)


def _plug_in(engine: Engine, record: ContainerRecord, options: Options, asked: Mapping[str, Any], pid: int) -> None:
    present = engine.networks.endpoints(container=record.id)
    with transaction(engine.database):
        kept = subnets.network_of(engine, asked["name"]).network
        taken = [endpoint.attachment.interface for endpoint in present]
        if asked["interface"] in taken:
            raise Conflict(f"container {record.name} has an interface {asked['interface']} already")
        attachment = Attachment(kept.id, record.id, asked["interface"] or plug.interface(taken), mac=asked["mac"],
                                aliases=asked["aliases"], addresses=subnets.allot(engine, kept, asked))  # fmt: skip
        attachment.default = not kept.internal and not any(endpoint.attachment.default for endpoint in present)
        endpoint = Endpoint(attachment, 1 + max((one.position for one in present), default=-1), pid,
                            processes.start_time(pid))  # fmt: skip
        engine.networks.plug(endpoint)
    with namespaces.open(pid, "network") as namespace:
        try:
            with plug.Lock(engine) as held:
                plug.join(held, kept, endpoint, namespace)
                engine.networks.plug(endpoint)
            _told(engine, record, options, pid)
        except BaseException:
            with plug.Lock(engine) as held:
                plug.leave(held, kept, attachment, namespace)
                engine.networks.unplug(record.id, kept.id)
            dns.tell(engine, record, options, pid, *_plugged(engine, record))
            raise


def _unplug(engine: Engine, record: ContainerRecord, id: str, pid: int) -> None:
    kept = engine.networks.find(id).network
    for endpoint in engine.networks.endpoints(container=record.id, network=id):
        with namespaces.open(pid, "network") as namespace, plug.Lock(engine) as held:
            plug.leave(held, kept, endpoint.attachment, namespace)
            engine.networks.unplug(record.id, id)
            if endpoint.attachment.default:
                _lead_out(held, record, namespace)


def _lead_out(held: plug.Lock, record: ContainerRecord, namespace: int) -> None:
    """The default route leads through the first of the networks that are left and that is not internal."""
    known = {one.network.id: one.network for one in held.engine.networks.all()}
    for endpoint in held.engine.networks.endpoints(container=record.id):
        network = known[endpoint.attachment.network]
        if not network.internal:
            endpoint.attachment.default = True
            plug.join(held, network, endpoint, namespace)
            held.engine.networks.plug(endpoint)
            return


def _told(engine: Engine, record: ContainerRecord, options: Options, pid: int) -> None:
    """What depends on the networks that a running container is in by now: names, its files in /etc, bandwidth."""
    endpoints, known = _plugged(engine, record)
    dns.publish(engine, record, options, pid, endpoints, known)
    bandwidth.connect(engine, record, pid)
    spec_files.rewrite(record.id, options, places.bundle(engine, record.id), plug.place_of(endpoints, known))


def _plugged(engine: Engine, record: ContainerRecord) -> tuple[list[Endpoint], dict[str, Network]]:
    """Where it is plugged in now, and all networks by their ids."""
    networks = {one.network.id: one.network for one in engine.networks.all()}
    return engine.networks.endpoints(container=record.id), networks
