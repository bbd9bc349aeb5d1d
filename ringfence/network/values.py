"""What a network is, as values: Network, Subnet, Attachment, Port. The engine keeps them, drivers carry them out."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    class Driver(Protocol):
        """Carries a kind of network out in the kernel. Everything may be asked again: what is there already is kept.

        All raise InvalidInput for what the network's own options make impossible, Unsupported for what this kernel
        lacks, Failed for the rest; one line that names the interface and the remedy.
        """

        def check(self, network: Network) -> None:
            """InvalidInput for what no machine could make; `open` asks, too."""

        def open(self, network: Network) -> None:
            """Make what the network needs on this host (a bridge with the gateways' addresses); before each connect."""

        def connect(self, network: Network, attachment: Attachment, namespace: int) -> None:
            """Give the container whose network namespace is the descriptor `namespace` its link, addresses, routes.

            Fills in `attachment.host_link` and, where the driver chooses it, `attachment.mac`.
            """

        def disconnect(self, network: Network, attachment: Attachment, namespace: int | None) -> None:
            """Take the link away again; `namespace` is None when the container's has gone. No error if it is gone."""

        def close(self, network: Network) -> None:
            """Take away what `open` has made; no container is in the network any more."""


class Subnet:
    """`cidr` such as 10.78.0.0/16 or fd00:1::/64, `gateway` an address in it or "", `range` a part of it or ""."""

    __slots__ = ("cidr", "gateway", "range")

    def __init__(self, cidr: str, gateway: str = "", range: str = "") -> None:
        self.cidr = cidr
        self.gateway = gateway
        self.range = range

    @property
    def prefix(self) -> int:
        return int(self.cidr.partition("/")[2])

    @property
    def ipv6(self) -> bool:
        return ":" in self.cidr

    def to_json(self) -> dict[str, str]:
        return {"cidr": self.cidr, "gateway": self.gateway, "range": self.range}


class Network:
    """One network. `driver` is bridge, macvlan, ipvlan or ptp.

    `interface`: the bridge's name on the host, or the parent of macvlan and ipvlan. `subnets` has at most one of a
    family. `internal`: no way out. `mtu` 0 is the driver's choice. `options` are the driver's own, such as
    {"mode": "bridge"} of macvlan or {"isolate": "true"} of bridge. `routes` are static: (destination, gateway).
    `names`: whether containers find each other by name.
    """

    __slots__ = ("driver", "id", "interface", "internal", "mtu", "name", "names", "options", "routes", "subnets")

    def __init__(self, name: str, id: str, driver: str, interface: str, *, subnets: Sequence[Subnet] = (),
                 internal: bool = False, mtu: int = 0, options: Mapping[str, str] | None = None,
                 routes: Sequence[tuple[str, str]] = (), names: bool = True) -> None:  # fmt: skip
        self.name = name
        self.id = id
        self.driver = driver
        self.interface = interface
        self.subnets = list(subnets)
        self.internal = internal
        self.mtu = mtu
        self.options = dict(options or {})
        self.routes = [(destination, gateway) for destination, gateway in routes]
        self.names = names

    def to_json(self) -> dict[str, Any]:
        kept = {name: getattr(self, name) for name in self.__slots__ if name != "subnets"}
        return {**kept, "subnets": [subnet.to_json() for subnet in self.subnets]}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Network:
        return cls(**{**fields, "subnets": [Subnet(**subnet) for subnet in fields["subnets"]]})


class Attachment:
    """A container's place in a network.

    `container` is its id, `interface` the link's name inside (eth0), `addresses` with their prefixes ("10.78.0.2/16"),
    `mac` "" for the driver's choice, `aliases` the names that it is found by there. `default`: its default route of
    every family leads through this network. `host_link`: the other end's name on the host, "" if it has none.
    """

    __slots__ = ("addresses", "aliases", "container", "default", "host_link", "interface", "mac", "network")

    def __init__(self, network: str, container: str, interface: str, *, addresses: Sequence[str] = (), mac: str = "",
                 aliases: Sequence[str] = (), default: bool = True, host_link: str = "") -> None:  # fmt: skip
        self.network = network
        self.container = container
        self.interface = interface
        self.addresses = list(addresses)
        self.mac = mac
        self.aliases = list(aliases)
        self.default = default
        self.host_link = host_link

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Attachment:
        return cls(**fields)


class Port:
    """A published port: `host_ip` "" is every address of this machine, of both families; `protocol` tcp, udp, sctp."""

    __slots__ = ("container_port", "host_ip", "host_port", "protocol")

    def __init__(self, container_port: int, host_port: int, host_ip: str = "", protocol: str = "tcp") -> None:
        self.container_port = container_port
        self.host_port = host_port
        self.host_ip = host_ip
        self.protocol = protocol

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Port) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        host = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip or "*"
        return f"{host}:{self.host_port}->{self.container_port}/{self.protocol}"

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}
