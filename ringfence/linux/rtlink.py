"""Links (network devices) as rtnetlink(7) tells of them and is told: the value Link, and the requests that make, change
and remove one.

A request names a link by its index or by its name. MAC addresses are text ("02:42:0a:4e:00:02"); what a kind of link is
made with beyond that is its `data`: `veth`, `bridge`, `macvlan`, `ipvlan` and `vlan` pack it.
"""

from __future__ import annotations

import errno
import os
import struct

from ringfence.linux.netlink import Flag, Message, attribute_number, attribute_text, pack_attribute, parse_attributes

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19

HEAD = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
_STATISTICS = struct.Struct("=8Q")  # the first of struct rtnl_link_stats64
_ADDRESS, _NAME, _MTU, _LINK, _MASTER, _STATE, _LINKINFO, _ALIAS, _STATS64, _AF_SPEC, _NAMESPACE = (
    1, 3, 4, 5, 10, 16, 18, 20, 23, 26, 28)  # IFLA_*  # fmt: skip
_KIND, _DATA, _PORT_KIND, _PORT_DATA = 1, 2, 4, 5  # IFLA_INFO_*
_VETH_PEER = 1
_STP_STATE = 5  # IFLA_BR_STP_STATE
_HAIRPIN, _ISOLATED = 4, 33  # IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED
_MACVLAN_MODE = 1
_IPVLAN_MODE, _IPVLAN_FLAGS = 1, 2
_VLAN_ID = 1
_IPV6, _GENERATE, _GENERATE_NONE = 10, 8, 1  # AF_INET6, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE
_UP = 1  # IFF_UP
_STATE_UP = 6  # IF_OPER_UP
LONGEST_NAME = 15

MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}


class Link:
    """A network device: `kind` is "veth", "bridge", ..., "" for hardware and lo; `master` its bridge's index or 0.

    `peer` is the index of the other end of a veth, in that one's network namespace; of a macvlan, ipvlan or vlan it is
    the parent's. `alias` is free text for people. `data` are the attributes of its kind, as bytes.
    """

    __slots__ = ("_statistics", "alias", "data", "flags", "index", "kind", "mac", "master", "mtu", "name", "peer",
                 "state")  # fmt: skip

    def __init__(self, message: Message) -> None:
        _, _, self.index, self.flags, _ = HEAD.unpack_from(message.payload)
        values = dict(parse_attributes(message.payload[HEAD.size :]))
        self.name = attribute_text(values[_NAME])
        self.mtu = attribute_number(values, _MTU)
        self.master = attribute_number(values, _MASTER)
        self.peer = attribute_number(values, _LINK)
        self.mac = values.get(_ADDRESS, b"").hex(":")
        self.state = attribute_number(values, _STATE)
        self.alias = attribute_text(values.get(_ALIAS, b""))
        information = dict(parse_attributes(values.get(_LINKINFO, b"")))
        self.kind = attribute_text(information.get(_KIND, b""))
        self.data = dict(parse_attributes(information.get(_DATA, b""))) if self.kind else {}
        self._statistics = values.get(_STATS64, b"")

    @property
    def up(self) -> bool:
        return bool(self.flags & _UP)

    @property
    def ready(self) -> bool:
        """Whether it carries packets. One that has a carrier just now still loses them until the kernel has noticed."""
        return self.state == _STATE_UP

    @property
    def statistics(self) -> Statistics:
        return Statistics(self._statistics)

    @property
    def vlan(self) -> int:
        """The id of a vlan."""
        return attribute_number(self.data, _VLAN_ID)

    @property
    def macvlan_mode(self) -> int:
        return attribute_number(self.data, _MACVLAN_MODE)

    @property
    def ipvlan_mode(self) -> int:
        return attribute_number(self.data, _IPVLAN_MODE)


class Statistics:
    """What has passed a link since it was made, as that link sees it: received (rx) and transmitted (tx)."""

    __slots__ = ("rx_bytes", "rx_dropped", "rx_errors", "rx_packets", "tx_bytes", "tx_dropped", "tx_errors",
                 "tx_packets")  # fmt: skip

    def __init__(self, counters: bytes) -> None:
        whole = counters[: _STATISTICS.size].ljust(_STATISTICS.size, b"\0")
        (self.rx_packets, self.tx_packets, self.rx_bytes, self.tx_bytes, self.rx_errors, self.tx_errors,
         self.rx_dropped, self.tx_dropped) = _STATISTICS.unpack(whole)  # fmt: skip


def get(link: int | str) -> Message:
    return Message(GETLINK, 0, _head(link))


def get_all() -> Message:
    return Message(GETLINK, Flag.DUMP, HEAD.pack(0, 0, 0, 0, 0))


def new(name: str, kind: str, *, mtu: int = 0, mac: str = "", parent: int = 0, master: int = 0,
        namespace: int | None = None, data: bytes = b"", up: bool = False, index: int = 0) -> Message:  # fmt: skip
    """Make a link, `parent` below it or `master` above it, or in the network namespace of that descriptor."""
    attributes = _named(name) + _attributes("", mtu, mac, namespace)
    if parent:
        attributes += pack_attribute(_LINK, parent)
    if master:
        attributes += pack_attribute(_MASTER, master)
    information = [pack_attribute(_KIND, kind)]
    if data:
        information.append(pack_attribute(_DATA, data))
    head = HEAD.pack(0, 0, index, _UP if up else 0, _UP if up else 0)
    return Message(NEWLINK, Flag.CREATE | Flag.EXCL, head + attributes + pack_attribute(_LINKINFO, information))


def veth(peer: str, *, mtu: int = 0, mac: str = "", namespace: int | None = None) -> bytes:
    """What a veth is made with: its other end, which cannot be up yet."""
    return pack_attribute(_VETH_PEER, HEAD.pack(0, 0, 0, 0, 0) + _named(peer) + _attributes("", mtu, mac, namespace))


def bridge(*, stp: bool = False) -> bytes:
    return pack_attribute(_STP_STATE, int(stp))


def macvlan(mode: str) -> bytes:
    return pack_attribute(_MACVLAN_MODE, MACVLAN_MODES[mode])


def ipvlan(mode: str, flag: str = "bridge") -> bytes:
    """The flags came with Linux 4.15 and are left out where they say nothing new."""
    flags = pack_attribute(_IPVLAN_FLAGS, struct.pack("=H", IPVLAN_FLAGS[flag])) if IPVLAN_FLAGS[flag] else b""
    return pack_attribute(_IPVLAN_MODE, struct.pack("=H", IPVLAN_MODES[mode])) + flags


def vlan(id: int) -> bytes:
    return pack_attribute(_VLAN_ID, struct.pack("=H", id))


def change(link: int | str, *, name: str = "", mtu: int = 0, mac: str = "", alias: str | None = None,
           master: int | None = None, namespace: int | None = None, up: bool | None = None) -> Message:  # fmt: skip
    """Change what is given. A `link` that is said by name cannot be renamed; `master` 0 makes it nobody's port."""
    attributes = _attributes(name, mtu, mac, namespace)
    if alias is not None:
        attributes += pack_attribute(_ALIAS, os.fsencode(alias))
    if master is not None:
        attributes += pack_attribute(_MASTER, master)
    flags = (_UP if up else 0, _UP) if up is not None else (0, 0)
    return Message(NEWLINK, 0, _head(link, *flags) + attributes)


def port(link: int | str, *, hairpin: bool = False, isolated: bool = False) -> Message:
    """How a bridge's port forwards: back to where a packet came from (`hairpin`), not to other isolated ports."""
    flags = pack_attribute(_HAIRPIN, bytes([hairpin])) + pack_attribute(_ISOLATED, bytes([isolated]))
    information = [pack_attribute(_PORT_KIND, "bridge"), pack_attribute(_PORT_DATA, flags)]
    return Message(NEWLINK, 0, _head(link) + pack_attribute(_LINKINFO, information))


def without_link_local(link: int | str) -> Message:
    """Let the link make no IPv6 address by itself when it comes up. EAFNOSUPPORT where the kernel has no IPv6."""
    mode = pack_attribute(_GENERATE, bytes([_GENERATE_NONE]))
    return Message(NEWLINK, 0, _head(link) + pack_attribute(_AF_SPEC, [pack_attribute(_IPV6, mode)]))


def delete(link: int | str) -> Message:
    return Message(DELLINK, 0, _head(link))


def _head(link: int | str, flags: int = 0, change: int = 0) -> bytes:
    if isinstance(link, int):
        return HEAD.pack(0, 0, link, flags, change)
    return HEAD.pack(0, 0, 0, flags, change) + _named(link)


def _attributes(name: str, mtu: int, mac: str, namespace: int | None) -> bytes:
    return b"".join(
        (
            _named(name) if name else b"",
            pack_attribute(_MTU, mtu) if mtu else b"",
            pack_attribute(_ADDRESS, packed_mac(mac)) if mac else b"",
            pack_attribute(_NAMESPACE, int(namespace)) if namespace is not None else b"",
        )
    )


def packed_mac(mac: str) -> bytes:
    """Six bytes. OSError EINVAL."""
    try:
        packed = bytes.fromhex(mac.replace(":", "").replace("-", ""))
    except ValueError:
        packed = b""
    if len(packed) != 6:
        raise OSError(errno.EINVAL, "not a MAC address", mac)
    return packed


def _named(name: str) -> bytes:
    if not 0 < len(os.fsencode(name)) <= LONGEST_NAME:
        raise OSError(errno.EINVAL, f"link names have 1 to {LONGEST_NAME} bytes", name)
    return pack_attribute(_NAME, name)
