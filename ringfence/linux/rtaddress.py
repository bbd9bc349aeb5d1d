"""IP addresses of links as rtnetlink(7) tells of them and is told: the value Address and the requests."""

from __future__ import annotations

import struct

from ringfence.linux import sockets
from ringfence.linux.netlink import Flag, Message, attribute_number, attribute_text, pack_attribute, parse_attributes

NEWADDR, DELADDR, GETADDR = 20, 21, 22

HEAD = struct.Struct("=BBBBi")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_ADDRESS, _LOCAL, _LABEL, _FLAGS = 1, 2, 3, 8  # IFA_*
_UNIVERSE = 0  # RT_SCOPE_UNIVERSE; of IPv6 addresses the kernel finds it out
_NO_DETECTION, _NO_PREFIX_ROUTE = 0x02, 0x200  # IFA_F_NODAD, IFA_F_NOPREFIXROUTE
PERMANENT = 0x80  # IFA_F_PERMANENT: not given for a time only, as by IPv6 autoconfiguration


class Address:
    """An IP address of a link; `scope` is 0 (global), 253 (link) or 254 (host), `flags` holds PERMANENT and others."""

    __slots__ = ("address", "flags", "index", "label", "prefix", "scope")

    def __init__(self, message: Message) -> None:
        family, self.prefix, flags, self.scope, self.index = HEAD.unpack_from(message.payload)
        values = dict(parse_attributes(message.payload[HEAD.size :]))
        # On a point-to-point link ADDRESS is the other end; LOCAL, where there is one, is always this end.
        self.address = sockets.inet_ntop(family, values.get(_LOCAL) or values[_ADDRESS])
        self.label = attribute_text(values.get(_LABEL, b""))
        self.flags = attribute_number(values, _FLAGS) or flags


def get_all(index: int = 0) -> Message:
    """All, or with NETLINK_GET_STRICT_CHK those of one link."""
    return Message(GETADDR, Flag.DUMP, HEAD.pack(0, 0, 0, 0, index))


def new(index: int, address: str, prefix: int, *, keep: bool = False, prefix_route: bool = True) -> Message:
    """Give a link an address; an IPv6 one is usable at once (no duplicate address detection).

    With `keep` one that it has is no error; without `prefix_route` no route to its network comes with it.
    """
    flags = (_NO_DETECTION if ":" in address else 0) | (0 if prefix_route else _NO_PREFIX_ROUTE)
    attributes = pack_attribute(_FLAGS, flags) if flags else b""
    how = Flag.CREATE | (Flag.REPLACE if keep else Flag.EXCL)
    return Message(NEWADDR, how, _packed(index, address, prefix) + attributes)


def delete(index: int, address: str, prefix: int) -> Message:
    return Message(DELADDR, 0, _packed(index, address, prefix))


def _packed(index: int, address: str, prefix: int) -> bytes:
    family, packed = sockets.pack_address(address)
    head = HEAD.pack(family, prefix, 0, _UNIVERSE, index)
    return head + pack_attribute(_LOCAL, packed) + pack_attribute(_ADDRESS, packed)
