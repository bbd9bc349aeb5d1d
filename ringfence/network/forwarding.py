"""Forwarding of packets by this machine between its links, without which no container reaches further than it."""

from __future__ import annotations

from ringfence.errors import Denied
from ringfence.linux import rtroute, sysctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.rtnetlink import RouteConnection
    from ringfence.network.values import Network

_IPV4 = ("net", "ipv4", "ip_forward")
_IPV6 = ("net", "ipv6", "conf", "all", "forwarding")


def enable(connection: RouteConnection, network: Network) -> None:
    """Switch it on for the network's families where it is off. It stays on, as docker and podman leave it.

    A machine that forwards IPv6 forgets the routers that it has learnt from advertisements, but on links which accept
    these "even if forwarding" (ip-sysctl.rst, accept_ra); so links with such routes are told to.
    """
    for subnet in network.subnets:
        place = _IPV6 if subnet.ipv6 else _IPV4
        if sysctl.read(*place) == "0":
            if subnet.ipv6:
                _keep_advertised_routes(connection, network)
            _set(network, "1", *place)


def _keep_advertised_routes(connection: RouteConnection, network: Network) -> None:
    advertised = {route.link for route in connection.routes() if route.protocol == rtroute.ADVERTISED}
    for link in connection.links() if advertised else ():
        place = ("net", "ipv6", "conf", link.name, "accept_ra")
        if link.index in advertised and sysctl.read(*place) == "1":
            _set(network, "2", *place)


def _set(network: Network, value: str, *place: str) -> None:
    try:
        sysctl.write(value, *place)
    except OSError as error:
        name = ".".join(place)
        raise Denied(f"network {network.name}: {name} is {sysctl.read(*place)} and may not be changed",
                     hint=f"as the machine's administrator: sysctl -w {name}={value}; or make the network --internal",
                     ) from error  # fmt: skip
