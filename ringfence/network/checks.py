"""What is wrong with a network before anything is made of it: options, sizes, and addresses that are in use already."""

from __future__ import annotations

import os

from ringfence.errors import Conflict, InvalidInput
from ringfence.linux import rtlink
from ringfence.network import addresses, subnets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ringfence.linux.rtnetlink import RouteConnection
    from ringfence.network.values import Attachment, Network

BOOLEANS = ("true", "false")
_LEAST_MTU, _LEAST_IPV6_MTU, _MOST_MTU = 68, 1280, 65535  # RFC 791, RFC 8200, linux/if_ether.h


def check(network: Network, options: Mapping[str, Collection[str]]) -> None:
    """InvalidInput where a value cannot be right. `options` are the driver's, with what each may be; () is anything."""
    where = f"network {network.name}"
    for name, value in network.options.items():
        if name not in options:
            known = ", ".join(options) or "none"
            raise InvalidInput(f"{where}: unknown option {name!r} of driver {network.driver}", hint=f"it has {known}")
        if options[name] and value not in options[name]:
            raise InvalidInput(f"{where}: option {name}={value!r} is none of {', '.join(options[name])}")
    six = any(subnet.ipv6 for subnet in network.subnets)
    least = _LEAST_IPV6_MTU if six else _LEAST_MTU
    if network.mtu and not least <= network.mtu <= _MOST_MTU:
        what = f"{where}: an MTU of {network.mtu} is not in {least} to {_MOST_MTU}"
        raise InvalidInput(what, hint="1280 is the least of IPv6" if six and network.mtu >= _LEAST_MTU else "")
    if network.interface and not valid_name(network.interface):
        raise InvalidInput(f"{where}: {network.interface!r} is no interface name of 1 to {rtlink.LONGEST_NAME} bytes")
    subnets.check(where, network.subnets)
    for destination, gateway in network.routes:
        if addresses.parse_block(destination).bits != addresses.to_number(gateway)[0]:
            raise InvalidInput(f"{where}: route {destination} by {gateway} is of two families")


def check_attachment(network: Network, attachment: Attachment) -> None:
    """InvalidInput where the interface's name or the MAC address cannot be right."""
    where = f"network {network.name}, container {attachment.container[:12]}"
    if not valid_name(attachment.interface):
        raise InvalidInput(f"{where}: {attachment.interface!r} is no interface name of 1 to 15 bytes")
    if attachment.mac:
        try:
            packed = rtlink.packed_mac(attachment.mac)
        except OSError:
            packed = b""
        if not packed or packed[0] & 1 or not any(packed):
            raise InvalidInput(f"{where}: {attachment.mac!r} is no MAC address of one host (such as 02:42:0a:4e:00:02)")


def valid_name(interface: str) -> bool:
    """dev_valid_name() of the kernel."""
    name = os.fsencode(interface)
    blank = set(name) & set(b"/: \t\n\v\f\r\0")
    return 0 < len(name) <= rtlink.LONGEST_NAME and interface not in (".", "..") and not blank


def check_free(host: RouteConnection, network: Network) -> None:
    """Conflict if a link has an address in one of the network's subnets, or a route leads into one.

    A wider route (10.0.0.0/8 of a VPN, the default) does no harm: the narrower one is taken.
    """
    links = {link.index: link.name for link in host.links()}
    used = [(addresses.parse_block(f"{one.address}/{one.prefix}"), one.index, "address") for one in host.addresses()]
    for route in host.routes():
        if route.destination:
            used.append((addresses.parse_block(f"{route.destination}/{route.prefix}"), route.link, "route"))
    for subnet in network.subnets:
        block = addresses.parse_block(subnet.cidr)
        for other, index, kind in used:
            if other in block or (kind == "address" and block in other):
                raise Conflict(f"network {network.name}: subnet {subnet.cidr} overlaps with {other} of "
                               f"{links.get(index, 'a route of this host')}",
                               hint="choose another one with --subnet")  # fmt: skip
