"""A network device's way into another network namespace, with its addresses, and back as if nothing had been.

The kernel takes down what it moves and forgets its addresses and routes, so that they are read beforehand.
Source: runtime-spec, config-linux.md "Network Devices"; rtnetlink(7).
"""

from __future__ import annotations

import struct

from ringfence.linux import rtaddress, rtroute
from ringfence.linux.netlink import Flag, pack_attribute, parse_attributes
from ringfence.linux.rtnetlink import RouteConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.netlink import Message

_ADDRESS, _LOCAL, _BROADCAST, _FLAGS = 1, 2, 4, 8  # IFA_*
_OIF, _CACHEINFO = 4, 12  # RTA_*
_ADDRESS_HEAD = struct.Struct("=BBBBi")  # struct ifaddrmsg
_ROUTE_HEAD = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_GLOBAL, _BY_KERNEL = 0, 2  # RT_SCOPE_UNIVERSE, RTPROT_KERNEL
_NO_DETECTION, _LASTING = 0x02, 0x10 | 0x100 | 0x200  # IFA_F_NODAD; HOMEADDRESS, MANAGETEMPADDR, NOPREFIXROUTE


class NetDevice:
    """A device of our network namespace; `inside` is its name in the other, or a template with %d. OSError ENODEV."""

    __slots__ = ("_addresses", "_link", "_moved", "_routes", "inside", "name")

    def __init__(self, here: RouteConnection, name: str, inside: str) -> None:
        self.name = name
        self.inside = inside
        self._moved = 0  # its index in the other namespace while it is there
        self._link = here.link(name)
        self._addresses = [
            one
            for one in here.dump(rtaddress.GETADDR, bytes(_ADDRESS_HEAD.size))
            if _index(one) == self._link.index and _permanent(one)
        ]
        self._routes = [
            one for one in here.dump(rtroute.GETROUTE, bytes(_ROUTE_HEAD.size)) if _leads_to(one, self._link.index)
        ]

    def move(self, here: RouteConnection, namespace: int) -> None:
        """Into the namespace of that descriptor, where it gets its global addresses and is up. OSError EEXIST."""
        with RouteConnection(namespace) as there:
            before = {link.index for link in there.links()}
            here.move_link(self._link.index, namespace, self.inside)
            self._moved = next(link.index for link in there.links() if link.index not in before)
            for address in self._addresses:
                if _scope(address) == _GLOBAL:
                    _give(there, self._moved, address)
            there.set_up(self._moved)

    def take_back(self, here: RouteConnection, namespace: int, own: int) -> None:
        """Undo `move`: name, addresses of every scope, routes, up or down. `own`: our namespace's descriptor."""
        if not self._moved:
            return
        with RouteConnection(namespace) as there:
            there.move_link(self._moved, own, self.name)
        self._moved = 0
        index = here.link(self.name).index
        for address in self._addresses:
            _give(here, index, address)
        if self._link.up:
            here.set_up(index)
            for route in self._routes:
                _lead(here, index, route)


def _index(address: Message) -> int:
    return int(_ADDRESS_HEAD.unpack_from(address.payload)[4])


def _scope(address: Message) -> int:
    return int(_ADDRESS_HEAD.unpack_from(address.payload)[3])


def _flags(address: Message) -> int:
    values = dict(parse_attributes(address.payload[_ADDRESS_HEAD.size :]))
    return int.from_bytes(values.get(_FLAGS, b""), "little") or int(_ADDRESS_HEAD.unpack_from(address.payload)[2])


def _permanent(address: Message) -> bool:
    """Not given for a time only, as by IPv6 autoconfiguration."""
    return bool(_flags(address) & rtaddress.PERMANENT)


def _give(network: RouteConnection, index: int, address: Message) -> None:
    family, prefix, _, scope, _ = _ADDRESS_HEAD.unpack_from(address.payload)
    values = dict(parse_attributes(address.payload[_ADDRESS_HEAD.size :]))
    kept = b"".join(pack_attribute(type, values[type]) for type in (_ADDRESS, _LOCAL, _BROADCAST) if type in values)
    kept += pack_attribute(_FLAGS, _flags(address) & _LASTING | _NO_DETECTION)
    head = _ADDRESS_HEAD.pack(family, prefix, 0, scope, index)
    network.request(rtaddress.NEWADDR, Flag.CREATE | Flag.REPLACE, head + kept)


def _leads_to(route: Message, link: int) -> bool:
    """Whether somebody has made it for that link: the kernel's own come back with the addresses."""
    protocol = _ROUTE_HEAD.unpack_from(route.payload)[5]
    values = dict(parse_attributes(route.payload[_ROUTE_HEAD.size :]))
    return protocol != _BY_KERNEL and int.from_bytes(values.get(_OIF, b""), "little") == link


def _lead(network: RouteConnection, index: int, route: Message) -> None:
    values = dict(parse_attributes(route.payload[_ROUTE_HEAD.size :])) | {_OIF: index.to_bytes(4, "little")}
    kept = b"".join(pack_attribute(type, value) for type, value in values.items() if type != _CACHEINFO)
    head = route.payload[: _ROUTE_HEAD.size - 4] + bytes(4)  # the flags are the kernel's to say
    network.request(rtroute.NEWROUTE, Flag.CREATE | Flag.REPLACE, head + kept)
