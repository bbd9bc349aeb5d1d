"""Links, addresses and routes of a network namespace (rtnetlink(7)): listed, made, changed, removed.

IP addresses are text ("10.78.0.2", "fd00::2"), a prefix length is a number beside it, a link is named by its index.
"""

from __future__ import annotations

import errno
import os
import struct
import sys

from ringfence.linux import namespaces, sockets
from ringfence.linux.netlink import Connection, Flag, pack_attribute, parse_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from ringfence.linux.netlink import Message
    from ringfence.linux.traffic import Qdisc, Redirection, TrafficClass

    Object = TypeVar("Object", "Link", "Address", "Route", Qdisc, TrafficClass, Redirection)

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26

_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBi")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg: family, dst, src, tos, table, protocol, scope, type, flags
_IFLA = {"ADDRESS": 1, "IFNAME": 3, "MTU": 4, "LINK": 5, "MASTER": 10, "LINKINFO": 18, "NET_NS_FD": 28}
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_IFA = {"ADDRESS": 1, "LOCAL": 2, "LABEL": 3, "FLAGS": 8}
_RTA = {"DST": 1, "OIF": 4, "GATEWAY": 5, "PRIORITY": 6, "PREFSRC": 7, "TABLE": 15}
_UP = 1  # IFF_UP
_LONGEST_NAME = 15
_MAIN_TABLE = 254
_PROTOCOL_STATIC = 4
_UNICAST = 1
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
PERMANENT = 0x80  # IFA_F_PERMANENT: not given for a time only, as by IPv6 autoconfiguration


class Link:
    """A network device: `kind` is "veth", "bridge", ..., "" for hardware and lo; `master` its bridge's index or 0.

    `peer` is the index of the other end of a veth, in that one's network namespace.
    """

    __slots__ = ("flags", "index", "kind", "mac", "master", "mtu", "name", "peer")

    def __init__(self, message: Message) -> None:
        _, _, self.index, self.flags, _ = _LINK.unpack_from(message.payload)
        values = dict(parse_attributes(message.payload[_LINK.size :]))
        self.name = _text(values[_IFLA["IFNAME"]])
        self.mtu = _number(values, _IFLA["MTU"])
        self.master = _number(values, _IFLA["MASTER"])
        self.peer = _number(values, _IFLA["LINK"])
        self.mac = values.get(_IFLA["ADDRESS"], b"").hex(":")
        information = dict(parse_attributes(values.get(_IFLA["LINKINFO"], b"")))
        self.kind = _text(information.get(_INFO_KIND, b""))

    @property
    def up(self) -> bool:
        return bool(self.flags & _UP)


class Address:
    """An IP address of a link; `scope` is 0 (global), 253 (link) or 254 (host), `flags` holds PERMANENT and others."""

    __slots__ = ("address", "flags", "index", "label", "prefix", "scope")

    def __init__(self, message: Message) -> None:
        family, self.prefix, flags, self.scope, self.index = _ADDRESS.unpack_from(message.payload)
        values = dict(parse_attributes(message.payload[_ADDRESS.size :]))
        # On a point-to-point link ADDRESS is the other end; LOCAL, where there is one, is always this end.
        self.address = sockets.inet_ntop(family, values.get(_IFA["LOCAL"]) or values[_IFA["ADDRESS"]])
        self.label = _text(values.get(_IFA["LABEL"], b""))
        self.flags = _number(values, _IFA["FLAGS"]) or flags


class Route:
    """A route: `destination` is "" for the default; `gateway`, `source` may be "", `link` (an index) 0."""

    __slots__ = (
        "destination",
        "family",
        "gateway",
        "link",
        "prefix",
        "priority",
        "protocol",
        "scope",
        "source",
        "table",
    )

    def __init__(self, message: Message) -> None:
        self.family, self.prefix, _, _, table, self.protocol, self.scope, _, _ = _ROUTE.unpack_from(message.payload)
        values = dict(parse_attributes(message.payload[_ROUTE.size :]))
        self.destination = self._address(values, "DST")
        self.gateway = self._address(values, "GATEWAY")
        self.source = self._address(values, "PREFSRC")
        self.link = _number(values, _RTA["OIF"])
        self.priority = _number(values, _RTA["PRIORITY"])
        self.table = _number(values, _RTA["TABLE"]) or table

    def _address(self, values: dict[int, bytes], name: str) -> str:
        value = values.get(_RTA[name])
        return sockets.inet_ntop(self.family, value) if value else ""


class RouteConnection(Connection):
    """A connection to the rtnetlink of our network namespace, or of the one whose descriptor is given.

    Every method raises OSError with the kernel's errno: ENODEV, EEXIST, EPERM, ...
    """

    __slots__ = ()

    def __init__(self, namespace: int | None = None) -> None:
        def connect() -> None:
            if namespace is not None:
                namespaces.enter(namespace, "network")
            super(RouteConnection, self).__init__(sockets.NETLINK_ROUTE)

        connect() if namespace is None else namespaces.on_own_thread(connect)

    def links(self) -> list[Link]:
        return objects(Link, self.dump(GETLINK, _link()))

    def link(self, name: str) -> Link:
        """OSError ENODEV if there is no such link."""
        return objects(Link, self.request(GETLINK, 0, _link() + _name(name)))[0]

    def new_link(self, name: str, kind: str, mtu: int = 0) -> None:
        """Make a link of a kind that needs no more than a name: "bridge", "ifb", ..."""
        information = pack_attribute(_IFLA["LINKINFO"], [pack_attribute(_INFO_KIND, kind)])
        self.request(NEWLINK, Flag.CREATE | Flag.EXCL, _link() + _name(name) + _mtu(mtu) + information)

    def new_veth(self, name: str, peer: str, peer_namespace: int | None = None, mtu: int = 0) -> None:
        """Make a pair of links, the peer in the network namespace of that descriptor or in this one."""
        other = _link() + _name(peer) + _mtu(mtu)
        if peer_namespace is not None:
            other += pack_attribute(_IFLA["NET_NS_FD"], int(peer_namespace))
        data = pack_attribute(_INFO_DATA, [pack_attribute(_VETH_PEER, other)])
        information = pack_attribute(_IFLA["LINKINFO"], [pack_attribute(_INFO_KIND, "veth"), data])
        self.request(NEWLINK, Flag.CREATE | Flag.EXCL, _link() + _name(name) + _mtu(mtu) + information)

    def delete_link(self, index: int) -> None:
        self.request(DELLINK, 0, _link(index))

    def set_up(self, index: int, up: bool = True) -> None:
        self.request(NEWLINK, 0, _link(index, _UP if up else 0, _UP))

    def set_master(self, index: int, master: int) -> None:
        """Make the link a port of a bridge, or with 0 of none."""
        self.request(NEWLINK, 0, _link(index) + pack_attribute(_IFLA["MASTER"], master))

    def move_link(self, index: int, namespace: int, name: str = "") -> None:
        """Move a link into another network namespace, under a new name if one is given (`%d` in it is a free number).

        It arrives down and without addresses. EEXIST if the name is taken there: asked beforehand, because the kernel
        finds that out when it has moved the link already.
        """
        if name:
            with RouteConnection(namespace) as there:
                if name in [link.name for link in there.links()]:
                    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), name)
        attributes = pack_attribute(_IFLA["NET_NS_FD"], int(namespace)) + (_name(name) if name else b"")
        self.request(NEWLINK, 0, _link(index) + attributes)

    def addresses(self, index: int = 0) -> list[Address]:
        """All addresses, or those of one link."""
        found = objects(Address, self.dump(GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)))
        return [address for address in found if index in (0, address.index)]

    def new_address(self, index: int, address: str, prefix: int) -> None:
        """Give a link an address; an IPv6 one is usable at once (no duplicate address detection)."""
        no_detection = pack_attribute(_IFA["FLAGS"], 0x02) if ":" in address else b""  # IFA_F_NODAD
        self.request(NEWADDR, Flag.CREATE | Flag.EXCL, _address(index, address, prefix) + no_detection)

    def delete_address(self, index: int, address: str, prefix: int) -> None:
        self.request(DELADDR, 0, _address(index, address, prefix))

    def routes(self, table: int = _MAIN_TABLE) -> list[Route]:
        """The routes of both families in one table."""
        found = []
        for family in (sockets.AF_INET, sockets.AF_INET6):
            found += objects(Route, self.dump(GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)))
        return [route for route in found if route.table == table]

    def new_route(self, destination: str, prefix: int, *, gateway: str = "", link: int = 0, source: str = "") -> None:
        """Add a route to the main table; the default one is ("0.0.0.0", 0) or ("::", 0)."""
        self.request(NEWROUTE, Flag.CREATE | Flag.EXCL, _route(destination, prefix, gateway, link, source))

    def delete_route(self, destination: str, prefix: int, *, gateway: str = "", link: int = 0) -> None:
        self.request(DELROUTE, 0, _route(destination, prefix, gateway, link, ""))


def objects(kind: type[Object], messages: list[Message]) -> list[Object]:
    try:
        return [kind(message) for message in messages]
    except (struct.error, KeyError, ValueError, OSError) as error:
        raise OSError(errno.EBADMSG, f"malformed rtnetlink {kind.__name__.lower()}") from error


def _link(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return _LINK.pack(0, 0, index, flags, change)


def _name(name: str) -> bytes:
    if not 0 < len(os.fsencode(name)) <= _LONGEST_NAME:
        raise OSError(errno.EINVAL, f"link names have 1 to {_LONGEST_NAME} bytes", name)
    return pack_attribute(_IFLA["IFNAME"], name)


def _mtu(mtu: int) -> bytes:
    return pack_attribute(_IFLA["MTU"], mtu) if mtu else b""


def _address(index: int, address: str, prefix: int) -> bytes:
    family, packed = _packed(address)
    head = _ADDRESS.pack(family, prefix, 0, _SCOPE_UNIVERSE, index)
    return head + pack_attribute(_IFA["LOCAL"], packed) + pack_attribute(_IFA["ADDRESS"], packed)


def _route(destination: str, prefix: int, gateway: str, link: int, source: str) -> bytes:
    family, packed = _packed(destination)
    scope = _SCOPE_UNIVERSE if gateway or family == sockets.AF_INET6 else _SCOPE_LINK
    head = _ROUTE.pack(family, prefix, 0, 0, _MAIN_TABLE, _PROTOCOL_STATIC, scope, _UNICAST, 0)
    return b"".join(
        (
            head,
            pack_attribute(_RTA["DST"], packed) if prefix else b"",
            pack_attribute(_RTA["GATEWAY"], _packed(gateway)[1]) if gateway else b"",
            pack_attribute(_RTA["OIF"], link) if link else b"",
            pack_attribute(_RTA["PREFSRC"], _packed(source)[1]) if source else b"",
        )
    )


def _packed(address: str) -> tuple[int, bytes]:
    family = sockets.AF_INET6 if ":" in address else sockets.AF_INET
    try:
        return family, sockets.inet_pton(family, address)
    except OSError:
        raise OSError(errno.EINVAL, "not an IP address", address) from None


def _number(values: dict[int, bytes], type: int) -> int:
    value = values.get(type)
    return int.from_bytes(value, sys.byteorder) if value else 0


def _text(value: bytes) -> str:
    return os.fsdecode(value.rstrip(b"\0"))
