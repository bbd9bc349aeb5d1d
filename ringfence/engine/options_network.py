"""Options that choose a container's networks, its addresses and names there, and the ports that are published.

`--network` may be given several times, or be a list: interfaces are numbered in that order. A network's own settings
follow its name, as podman writes them (`net1:ip=10.0.0.9,interface=n3`) or as docker does (`name=net1,alias=db`).
"""

from __future__ import annotations

from ringfence.engine.options_kinds import Option, bad, each, switch, text, unsupported, word
from ringfence.engine.options_namespaces import address, container_of
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine.options import Options

MODES = ("none", "host")
DEFAULT = "bridge"
PROTOCOLS = ("tcp", "udp", "sctp")
_SETTINGS = {
    "ip": "ip", "ip6": "ip6", "mac": "mac", "mac-address": "mac", "mac_address": "mac", "alias": "aliases",
    "interface": "interface", "interface-name": "interface", "interface_name": "interface",
}  # fmt: skip
_LONGEST_LINK = 15
_LAST_PORT = 65535


def request(name: str, **settings: Any) -> dict[str, Any]:
    """What a container asks of one network; "" is the engine's choice."""
    return {"name": name, "ip": "", "ip6": "", "mac": "", "interface": "", "aliases": [], **settings}


def networks(flag: str, value: Any) -> list[dict[str, Any]]:
    """The networks in their order; one that is `none`, `host` or `container:NAME` is the only one."""
    words = [value] if isinstance(value, str) else list(value)
    found = [_network(flag, item) for item in words]
    names = [one["name"] for one in found]
    for name in names:
        alone = name in MODES or container_of(name)
        if len(names) > 1 and alone:
            raise InvalidInput(f"{flag}: {name} cannot be combined with other networks")
        if names.count(name) > 1:
            raise InvalidInput(f"{flag}: {name} is given twice")
        if alone and found[0] != request(name):
            raise InvalidInput(f"{flag}: {name} takes no settings: it is no network of the container's own")
    interfaces = [one["interface"] for one in found if one["interface"]]
    for interface in interfaces:
        if interfaces.count(interface) > 1:
            raise InvalidInput(f"{flag}: interface {interface} is given twice")
    return found


def _network(flag: str, value: Any) -> dict[str, Any]:
    whole = text(flag, value)
    if container_of(whole) or whole == "container:":
        if not container_of(whole):
            bad(flag, whole, "names no container")
        return request(whole)
    if whole.startswith("name=") or ",name=" in whole:
        name, settings = "", whole
    elif "=" in whole.partition(":")[0]:
        bad(flag, whole, "names no network (name=NETWORK)")
    else:
        name, _, settings = whole.partition(":")
    found = request(name)
    for setting in settings.split(",") if settings else ():
        key, _, content = setting.partition("=")
        if key == "name":
            found["name"] = content
        elif key not in _SETTINGS:
            bad(flag, whole, f"has an unknown setting {key!r}: there are ip, ip6, mac, alias and interface")
        elif not content:
            bad(flag, whole, f"has no value for {key}")
        elif _SETTINGS[key] == "aliases":
            found["aliases"].append(alias(flag, content))
        else:
            found[_SETTINGS[key]] = _READERS[_SETTINGS[key]](flag, content)
    if not found["name"]:
        bad(flag, whole, "names no network")
    if not is_name(found["name"]):
        bad(flag, whole, "is not the name of a network")
    return found


def is_name(name: str) -> bool:
    """Whether a network can have this name: letters, digits, `_`, `.` and `-`, as docker's."""
    return name.isascii() and name[:1].isalnum() and all(c.isalnum() or c in "_.-" for c in name) and len(name) <= 128


def ipv4(flag: str, value: Any) -> str:
    """An IPv4 address."""
    found = address(flag, value)
    return found if ":" not in found else bad(flag, value, "is not an IPv4 address")


def ipv6(flag: str, value: Any) -> str:
    """An IPv6 address."""
    found = address(flag, value)
    return found if ":" in found and "%" not in found else bad(flag, value, "is not an IPv6 address")


def mac(flag: str, value: Any) -> str:
    """A unicast Ethernet address, in lower case with colons."""
    parts = text(flag, value).lower().replace("-", ":").split(":")
    if len(parts) != 6 or any(len(part) != 2 or any(c not in "0123456789abcdef" for c in part) for part in parts):
        bad(flag, value, "is not a MAC address such as 02:42:0a:4e:00:02")
    if int(parts[0], 16) & 1:
        bad(flag, value, "is a multicast address: the last bit of its first byte must be 0")
    return ":".join(parts)


def alias(flag: str, value: Any) -> str:
    """A name under which a container is found in a network."""
    name = word(flag, value)
    if len(name) > 253 or any(not (c.isalnum() or c in "-_.") for c in name) or name[0] in ".-" or not name.isascii():
        bad(flag, value, "is not a host name")
    return name


def interface(flag: str, value: Any) -> str:
    """The name of a link inside the container."""
    name = word(flag, value)
    if len(name.encode()) > _LONGEST_LINK or "/" in name or ":" in name or name != "".join(name.split()):
        bad(flag, value, f"is not the name of an interface (1 to {_LONGEST_LINK} bytes without / and :)")
    if name in (".", "..", "lo", "all", "default"):
        bad(flag, value, "is a name that no interface can be given")
    return name


_READERS = {"ip": ipv4, "ip6": ipv6, "mac": mac, "interface": interface}


def publish(flag: str, value: Any) -> list[dict[str, Any]]:
    """`[[ADDRESS:]HOST_PORT:]PORT[/PROTOCOL]`, ports as numbers or ranges.

    → one row a container port: {"port", "protocol", "ip": "" for every address, "first", "last": of the host's ports to
    choose from, 0 for any}. What is said twice is meant once, as by podman.
    """
    words = [value] if isinstance(value, str) else list(value)
    rows: list[dict[str, Any]] = []
    for item in words:
        for row in _published(flag, text(flag, item)):
            if row in rows:
                continue
            if any(_same_port(row, other) for other in rows):
                bad(flag, text(flag, item), f"publishes port {row['first']}/{row['protocol']} of this machine again")
            rows.append(row)
    return rows


def _same_port(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both want one port of this machine, and can have no other."""
    if not row["first"] == row["last"] == other["first"] == other["last"] or row["protocol"] != other["protocol"]:
        return False
    return bool(row["first"]) and (row["ip"] == other["ip"] or "" in (row["ip"], other["ip"]))


def _published(flag: str, whole: str) -> list[dict[str, Any]]:
    ports, protocol = _protocol(flag, whole)
    host, _, inner = ports.rpartition(":")
    ip, outer = "", ""
    if host.startswith("["):
        ip, closed, outer = host[1:].partition("]")
        if not closed or (outer and not outer.startswith(":")):
            bad(flag, whole, "is not of the form [[ADDRESS:]HOST_PORT:]PORT[/PROTOCOL]")
        outer = outer.removeprefix(":")
    elif ":" in host:
        ip, _, outer = host.rpartition(":")
        if ":" in ip:
            bad(flag, whole, "has an IPv6 address, which must stand in [brackets]")
    elif "." in host:
        ip = host
    else:
        outer = host
    if ip:
        ip = address(flag, ip)
    first, last = _range(flag, whole, inner)
    begin, end = _range(flag, whole, outer) if outer.strip("0") else (0, 0)  # 0 is any, as none is
    count = last - first + 1
    if begin and count > 1 and end - begin + 1 != count:
        bad(flag, whole, "has ranges of different lengths")
    row = {"protocol": protocol, "ip": ip}
    if count == 1:
        return [{"port": first, **row, "first": begin, "last": end}]
    return [
        {"port": first + n, **row, "first": begin and begin + n, "last": begin and begin + n} for n in range(count)
    ]


def expose(flag: str, value: Any) -> list[str]:
    """`PORT[/PROTOCOL]`, numbers or ranges → each as PORT/PROTOCOL."""
    words = [value] if isinstance(value, str | int) else list(value)
    found = []
    for item in words:
        ports, protocol = _protocol(flag, str(item))
        first, last = _range(flag, str(item), ports)
        found += [f"{port}/{protocol}" for port in range(first, last + 1)]
    return found


def _protocol(flag: str, whole: str) -> tuple[str, str]:
    ports, slash, protocol = whole.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in PROTOCOLS:
        bad(flag, whole, f"has a protocol that is not one of {', '.join(PROTOCOLS)}")
    return ports, protocol


def _range(flag: str, whole: str, ports: str) -> tuple[int, int]:
    begin, dash, end = ports.partition("-")
    if not all(part.isascii() and part.isdigit() for part in ((begin, end) if dash else (begin,))):
        bad(flag, whole, "is not of the form [[ADDRESS:]HOST_PORT:]PORT[/PROTOCOL]")
    shortened = [part.lstrip("0")[:6] or "0" for part in (begin, end or begin)]  # int() refuses thousands of digits
    first, last = map(int, shortened)
    if first > last:
        bad(flag, whole, "has a range that ends before it begins")
    if not (first >= 1 and last <= _LAST_PORT):
        bad(flag, whole, f"has a port out of range: 1 to {_LAST_PORT}")
    return first, last


OPTIONS = (
    Option("network", "list", networks,
           "network of the container (none, host, container:NAME, or NAME[:ip=,ip6=,mac=,alias=,interface=]...)",
           aliases=("net",)),
    Option("network-alias", "list", each(alias), "a further name of the container in its first network",
           aliases=("net-alias",)),
    Option("ip", "value", ipv4, "IPv4 address in the first network"),
    Option("ip6", "value", ipv6, "IPv6 address in the first network"),
    Option("mac-address", "value", mac, "MAC address in the first network"),
    Option("publish", "list", publish, "publish a port ([[ADDRESS:]HOST_PORT:]PORT[/PROTOCOL])", short="p"),
    Option("publish-all", "flag", switch, "publish all exposed ports on free ports of the host", short="P"),
    Option("expose", "list", expose, "a port that --publish-all publishes (PORT[/PROTOCOL])"),
    Option("link", "list", unsupported("a network of your own finds containers by their names"), "not built"),
    Option("link-local-ip", "list", unsupported("the kernel gives IPv6 links theirs"), "not built"),
)  # fmt: skip
_OF_FIRST = {"ip": "ip", "ip6": "ip6", "mac_address": "mac", "network_alias": "aliases"}


def fold(values: dict[str, Any]) -> None:
    """Put --ip, --ip6, --mac-address and --network-alias into the first network's row, and name the mode by it."""
    given = {key: values.pop(key) for key in _OF_FIRST if key in values}
    if "network" not in values and not given:
        return
    rows = values.pop("network", None) or [request(DEFAULT)]
    mode = rows[0]["name"]
    if mode in MODES or container_of(mode):
        for key in given:
            raise InvalidInput(f"--{key.replace('_', '-')}: cannot be set with --network {mode}")
        values["network"] = mode
        return
    first = dict(rows[0])
    for key, value in given.items():
        first[_OF_FIRST[key]] = [*first["aliases"], *value] if key == "network_alias" else value
    values["network"], values["networks"] = mode, [first, *rows[1:]]


def requests(options: Options) -> Sequence[Mapping[str, Any]]:
    """The networks that a container of these options is in, in the order of its interfaces; see `request`."""
    if options.network in MODES or container_of(options.network):
        return ()
    return options.networks if options.given("networks") else (request(options.network),)


def check(options: Options) -> None:
    """Refuse published ports where the container has no network of its own; on the host's they are open anyway."""
    if options.network != "host" and not requests(options):
        for name in ("publish", "publish_all"):
            if getattr(options, name):
                raise InvalidInput(f"--{name.replace('_', '-')}: cannot be set with --network {options.network}")
