"""network create, ls, inspect, rm: networks in docker's shape, and which containers are plugged into them."""

from __future__ import annotations

import os
import time

from ringfence.content.database import transaction
from ringfence.engine import document, events, places, plug, subnets, times
from ringfence.engine import filters as common
from ringfence.engine.networks import NetworkRecord
from ringfence.engine.options_network import DEFAULT, MODES, interface, is_name, requests
from ringfence.engine.options_process import labels as read_labels
from ringfence.errors import Conflict, InvalidInput, NotFound, Unsupported
from ringfence.linux import namespaces
from ringfence.network import drivers
from ringfence.network.values import Network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine

FILTERS = ("id", "name", "label", "driver", "dangling", "type")
DRIVERS = (*drivers.NAMES, drivers.CNI)
DEFAULT_INTERFACE = "ringfence0"
_MTU = ("mtu", "com.docker.network.driver.mtu")
_BRIDGE_NAME = ("com.docker.network.bridge.name", "interface_name")
# docker's names of what has one of ours
_OPTIONS = {
    "com.docker.network.bridge.enable_icc": "icc",
    "com.docker.network.bridge.enable_ip_masquerade": "masquerade",
    "macvlan_mode": "mode",
    "ipvlan_mode": "mode",
    "ipvlan_flag": "flag",
}
_KNOWN = {
    "bridge": ("icc", "masquerade", "isolate"),
    "macvlan": ("mode", "parent"),
    "ipvlan": ("mode", "flag", "parent"),
    "ptp": ("masquerade", "isolate"),
    "cni": ("config",),
}


def create(engine: Engine, name: str, *, driver: str, subnet: Sequence[str], gateway: Sequence[str],
           ip_range: Sequence[str], internal: bool, ipv6: bool, opt: Sequence[str], label: Sequence[str],
           route: Sequence[str], interface_name: str, disable_dns: bool) -> dict[str, Any]:  # fmt: skip
    """See Engine.network_create."""
    if name in (*MODES, DEFAULT) or name.startswith("container:") or not is_name(name):
        raise InvalidInput(f'network create: "{name}" cannot be the name of a network',
                           hint="letters, digits, _, . and -, and not bridge, host or none")  # fmt: skip
    if driver not in DRIVERS:
        raise Unsupported(f"--driver: {driver}: there is no such driver of networks",
                          hint=f"there are: {', '.join(DRIVERS)}")  # fmt: skip
    if not namespaces.privileged():
        raise Unsupported("network create: networks of one's own need root")
    options, mtu, link = _options(driver, opt)
    id = os.urandom(32).hex()
    link = link or interface_name or options.pop("parent", "")
    if driver in drivers.PARENTED and not link:
        raise InvalidInput(f"network create: a {driver} network needs -o parent=INTERFACE of this machine")
    if driver == "bridge":
        link = interface("--opt", link) if link else f"rf-{id[:12]}"
    if driver == drivers.CNI:
        if subnet or gateway or ip_range or ipv6 or internal or route:
            raise InvalidInput("network create: the configuration of a CNI network says what it is like",
                               hint="-o config=FILE, and none of --subnet, --gateway, ...")  # fmt: skip
        network = _of_file(name, options.get("config") or name)
        engine.networks.add(_record(network, label))
        return _created(engine, network)
    networks = engine.networks  # its tables are made outside of a transaction that may be rolled back
    with transaction(engine.database):  # so that nobody chooses the same subnet before ours is written down
        given = subnets.find(engine, id, subnet, gateway, ip_range, ipv6=ipv6, shared=driver in drivers.PARENTED)
        network = Network(name, id, driver, link, subnets=given, internal=internal, mtu=mtu, options=options,
                          routes=_routes(route), names=driver in ("bridge", "ptp") and not disable_dns)  # fmt: skip
        drivers.find(driver).check(network)
        _check_interface(engine, network)
        networks.add(_record(network, label))
    return _created(engine, network)


def _record(network: Network, label: Sequence[str]) -> NetworkRecord:
    return NetworkRecord(network, time.time_ns(), labels=read_labels("--label", label))


def _created(engine: Engine, network: Network) -> dict[str, Any]:
    events.emit(engine, "network", "create", network.name, {"type": network.driver})
    return inspect(engine, network.name)


def _of_file(name: str, given: str) -> Network:
    """The network of a CNI configuration: of a file, or of a name in /etc/cni/net.d. NotFound, InvalidInput."""
    from ringfence.network.cni import configuration

    path = os.path.abspath(given) if "/" in given else configuration.path_of(given)
    found = configuration.load(path)
    return Network(name, os.urandom(32).hex(), drivers.CNI, path, options={"name": found.name}, names=False)


def ls(engine: Engine, *, filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """See Engine.network_ls."""
    common.known(filters, FILTERS)
    plug.sweep(engine)
    found = [_document(engine, record) for record in records(engine)]
    found += [_mode(name) for name in MODES]
    users = _users(engine) if "dangling" in filters else {}
    return [one for one in sorted(found, key=lambda one: str(one["Name"])) if _matches(one, filters, users)]


def inspect(engine: Engine, name: str) -> dict[str, Any]:
    """See Engine.network_inspect."""
    plug.sweep(engine)
    if name in MODES:
        return _mode(name)
    return _document(engine, find(engine, name))


def rm(engine: Engine, name: str, *, force: bool) -> None:
    """See Engine.network_rm. `force` removes the containers that are in it, too."""
    if name in (*MODES, DEFAULT):
        raise Conflict(f"network {name} is always there: it cannot be removed")
    plug.sweep(engine)
    record = engine.networks.find(name)
    if force:
        for id in _users(engine).get(record.network.name, ()):
            engine.rm(id, force=True)
    with plug.Lock(engine) as held, transaction(engine.database):  # in this order, as everybody takes them
        used = _users(engine).get(record.network.name, ())
        if used:
            raise Conflict(f"network {record.network.name} is in use by container {', '.join(id[:12] for id in used)}",
                           hint="disconnect or remove them first")  # fmt: skip
        engine.networks.delete(record.network.name)
        plug.close(held, record.network)
    events.emit(engine, "network", "destroy", record.network.name, {"type": record.network.driver})


def prune(engine: Engine, filters: Mapping[str, Sequence[str]]) -> list[str]:
    """See Engine.network_prune: the names of the networks that were removed because no container has them."""
    from ringfence.engine import idle

    common.known(filters, ("label",))
    plug.sweep(engine)
    removed: list[str] = []
    present = engine.networks.all()
    if not present:
        return removed
    with plug.Lock(engine) as held:
        idle.close(held)
    for record in present:
        name = record.network.name
        if name == DEFAULT or ("label" in filters and not common.labels(record.labels, filters["label"])):
            continue
        try:
            rm(engine, name, force=False)
        except (Conflict, NotFound):
            continue  # in use, or gone meanwhile
        removed.append(name)
    return removed


def find(engine: Engine, name: str) -> NetworkRecord:
    """The network of this name or id; `bridge` is made when it is first asked for. NotFound, Conflict."""
    try:
        return engine.networks.find(name)
    except NotFound:
        if name != DEFAULT:
            return _of_administrator(engine, name)
    id = os.urandom(32).hex()
    link = DEFAULT_INTERFACE if engine.root == places.DATA else f"rf-{id[:12]}"
    with transaction(engine.database):  # see create
        network = Network(DEFAULT, id, "bridge", link, subnets=subnets.for_default(engine, link), names=False)
        record = NetworkRecord(network, time.time_ns(), automatic=True)
        try:
            engine.networks.add(record)
        except Conflict:
            return engine.networks.find(name)  # another process has just made it
    return record


def _of_administrator(engine: Engine, name: str) -> NetworkRecord:
    """A network of /etc/cni/net.d, taken up when it is first asked for. NotFound if there is none, either."""
    try:
        network = _of_file(name, name)
    except NotFound:
        raise NotFound(f"no such network: {name}", hint=f"ringfence network create {name}") from None
    record = NetworkRecord(network, time.time_ns())
    try:
        engine.networks.add(record)
    except Conflict:
        return engine.networks.find(name)  # another process has just done so
    return record


def records(engine: Engine) -> list[NetworkRecord]:
    """All of them, `bridge` among them."""
    find(engine, DEFAULT)
    return engine.networks.all()


def _users(engine: Engine) -> dict[str, list[str]]:
    """The ids of the containers that are in each network, running or not, by the network's name.

    Those that are plugged in are among them, though their record may not say so: a `connect` may have been cut off.
    """
    from ringfence.engine.options import Options

    names = {record.network.id: record.network.name for record in engine.networks.all()}
    found: dict[str, list[str]] = {}
    for record in engine.records.all():
        for asked in requests(Options.from_json(record.options)):
            found.setdefault(names.get(asked["name"], asked["name"]), []).append(record.id)
    for endpoint in engine.networks.endpoints():
        users = found.setdefault(names.get(endpoint.attachment.network, ""), [])
        if endpoint.attachment.container not in users:
            users.append(endpoint.attachment.container)
    return found


def _options(driver: str, given: Sequence[str]) -> tuple[dict[str, str], int, str]:
    """The driver's options under our names, the MTU (0: the driver's choice) and the name of the bridge, or ""."""
    found: dict[str, str] = {}
    mtu, link = 0, ""
    for entry in given:
        key, equals, value = entry.partition("=")
        if not equals or not value:
            raise InvalidInput(f'--opt: "{entry}" is not of the form KEY=VALUE')
        if key in _MTU:
            if not (value.isascii() and value.isdigit() and len(value) <= 5 and 68 <= int(value) <= 65535):
                raise InvalidInput(f"--opt: {entry}: an MTU is a number from 68 to 65535")
            mtu = int(value)
        elif key in _BRIDGE_NAME and driver == "bridge":
            link = value
        elif _OPTIONS.get(key, key) in _KNOWN[driver]:
            found[_OPTIONS.get(key, key)] = value
        else:
            known = ", ".join((*_KNOWN[driver], "mtu"))
            raise InvalidInput(f"--opt: {key}: a {driver} network has no such option", hint=f"there are: {known}")
    return found, mtu, link


def _routes(given: Sequence[str]) -> list[tuple[str, str]]:
    """`DESTINATION,GATEWAY`, as podman has it."""
    found = []
    for entry in given:
        destination, comma, gateway = entry.partition(",")
        if not comma:
            raise InvalidInput(f'--route: "{entry}" is not of the form DESTINATION,GATEWAY')
        found.append(subnets.route("--route", destination, gateway))
    return found


def _check_interface(engine: Engine, network: Network) -> None:
    if network.driver != "bridge":
        return
    for record in engine.networks.all():
        if record.network.driver == "bridge" and record.network.interface == network.interface:
            raise Conflict(f"--opt: the bridge {network.interface} is that of network {record.network.name}")


def _document(engine: Engine, record: NetworkRecord) -> dict[str, Any]:
    network = record.network
    config = [_without_empty({"Subnet": subnet.cidr, "IPRange": subnet.range, "Gateway": subnet.gateway})
              for subnet in network.subnets]  # fmt: skip
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": times.rfc3339(record.created),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": any(not subnet.ipv6 for subnet in network.subnets),
        "EnableIPv6": any(subnet.ipv6 for subnet in network.subnets),
        "IPAM": {"Driver": "default", "Options": {}, "Config": config},
        "Internal": network.internal,
        "Attachable": False,
        "Ingress": False,
        "Containers": _containers(engine, network),
        "Options": {**network.options, **({"mtu": str(network.mtu)} if network.mtu else {})},
        "Labels": record.labels,
        "Interface": network.interface,
        "Routes": [{"Destination": destination, "Gateway": gateway} for destination, gateway in network.routes],
    }


def _without_empty(fields: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in fields.items() if value}


def _containers(engine: Engine, network: Network) -> dict[str, dict[str, str]]:
    names = {record.id: record.name for record in engine.records.all()}
    found = {}
    for endpoint in engine.networks.endpoints(network=network.id):
        attachment = endpoint.attachment
        found[attachment.container] = {
            "Name": names.get(attachment.container, ""),
            "EndpointID": document.endpoint_id(attachment),
            "MacAddress": attachment.mac,
            "IPv4Address": next((one for one in attachment.addresses if ":" not in one), ""),
            "IPv6Address": next((one for one in attachment.addresses if ":" in one), ""),
        }
    return found


def _mode(name: str) -> dict[str, Any]:
    """`none` and `host`, which are networks to docker."""
    ipam = {"Driver": "default", "Options": {}, "Config": []}
    return {"Name": name, "Id": "", "Created": times.rfc3339(0), "Scope": "local",
            "Driver": "null" if name == "none" else name, "EnableIPv4": False, "EnableIPv6": False, "IPAM": ipam,
            "Internal": False, "Attachable": False, "Ingress": False, "Containers": {}, "Options": {}, "Labels": {},
            "Interface": "", "Routes": []}  # fmt: skip


def _matches(one: dict[str, Any], wanted: Mapping[str, Sequence[str]], users: Mapping[str, Sequence[str]]) -> bool:
    custom = one["Name"] not in (*MODES, DEFAULT)
    tests = {
        "id": lambda values: any(str(one["Id"]).startswith(value) for value in values),
        "name": lambda values: any(value in one["Name"] for value in values),
        "label": lambda values: common.labels(one["Labels"], values),
        "driver": lambda values: one["Driver"] in values,
        "dangling": lambda values: common.boolean("dangling", values) == (custom and one["Name"] not in users),
        "type": lambda values: _type(values) == custom,
    }
    return all(tests[key](values) for key, values in wanted.items())


def _type(values: Sequence[str]) -> bool:
    for value in values:
        if value not in ("custom", "builtin"):
            raise InvalidInput(f'--filter: type: "{value}" is neither custom nor builtin')
    return "custom" in values


