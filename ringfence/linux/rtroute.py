"""Routes as rtnetlink(7) tells of them and is told: the value Route and the requests."""

from __future__ import annotations

import struct

from ringfence.linux import sockets
from ringfence.linux.netlink import Flag, Message, attribute_number, pack_attribute, parse_attributes

NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26

HEAD = struct.Struct("=BBBBBBBBI")  # struct rtmsg: family, dst, src, tos, table, protocol, scope, type, flags
_DST, _OIF, _GATEWAY, _PRIORITY, _PREFSRC, _TABLE = 1, 4, 5, 6, 7, 15  # RTA_*
MAIN_TABLE = 254
_STATIC = 4  # RTPROT_STATIC
ADVERTISED = 9  # RTPROT_RA: learnt from a router's advertisement
_UNIVERSE, _LINK = 0, 253  # RT_SCOPE_*
TYPES = {"unicast": 1, "blackhole": 6, "unreachable": 7, "prohibit": 8}
_ONLINK = 4  # RTNH_F_ONLINK


class Route:
    """A route: `destination` is "" for the default; `gateway`, `source` may be "", `link` (an index) 0."""

    __slots__ = ("destination", "family", "gateway", "link", "prefix", "priority", "protocol", "scope", "source",
                 "table", "type")  # fmt: skip

    def __init__(self, message: Message) -> None:
        self.family, self.prefix, _, _, table, self.protocol, self.scope, self.type, _ = HEAD.unpack_from(
            message.payload
        )
        values = dict(parse_attributes(message.payload[HEAD.size :]))
        self.destination = self._address(values, _DST)
        self.gateway = self._address(values, _GATEWAY)
        self.source = self._address(values, _PREFSRC)
        self.link = attribute_number(values, _OIF)
        self.priority = attribute_number(values, _PRIORITY)
        self.table = attribute_number(values, _TABLE) or table

    def _address(self, values: dict[int, bytes], type: int) -> str:
        value = values.get(type)
        return sockets.inet_ntop(self.family, value) if value else ""


def get_all(family: int) -> Message:
    return Message(GETROUTE, Flag.DUMP, HEAD.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))


def new(destination: str, prefix: int, *, gateway: str = "", link: int = 0, source: str = "", metric: int = 0,
        onlink: bool = False, keep: bool = False, type: str = "unicast") -> Message:  # fmt: skip
    """Add a route to the main table; the default one is ("0.0.0.0", 0) or ("::", 0).

    `onlink`: the gateway is reached through the link, though no route says so. With `keep` one that is there already is
    replaced. `type` "unreachable" refuses what goes there.
    """
    how = Flag.CREATE | (Flag.REPLACE if keep else Flag.EXCL)
    return Message(NEWROUTE, how, _packed(destination, prefix, gateway, link, source, metric, onlink, type))


def delete(destination: str, prefix: int, *, gateway: str = "", link: int = 0, metric: int = 0) -> Message:
    return Message(DELROUTE, 0, _packed(destination, prefix, gateway, link, "", metric, False, "unicast"))


def _packed(destination: str, prefix: int, gateway: str, link: int, source: str, metric: int, onlink: bool,
            type: str) -> bytes:  # fmt: skip
    family, packed = sockets.pack_address(destination)
    near = family == sockets.AF_INET and link and not gateway
    head = HEAD.pack(family, prefix, 0, 0, MAIN_TABLE, _STATIC, _LINK if near else _UNIVERSE, TYPES[type],
                     _ONLINK if onlink else 0)  # fmt: skip
    return b"".join(
        (
            head,
            pack_attribute(_DST, packed) if prefix else b"",
            pack_attribute(_GATEWAY, sockets.pack_address(gateway)[1]) if gateway else b"",
            pack_attribute(_OIF, link) if link else b"",
            pack_attribute(_PREFSRC, sockets.pack_address(source)[1]) if source else b"",
            pack_attribute(_PRIORITY, metric) if metric else b"",
        )
    )
