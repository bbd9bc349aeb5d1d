"""Every request as a value is what pyroute2 makes of the same words, and what it reads in ours."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from pyroute2.netlink import nlmsg  # type: ignore[import-untyped]
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # type: ignore[import-untyped]
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg  # type: ignore[import-untyped]
from pyroute2.netlink.rtnl.rtmsg import rtmsg  # type: ignore[import-untyped]

from ringfence.linux import netlink, rtaddress, rtlink, rtroute
from ringfence.linux.netlink import Flag, Message

MAC = "02:42:0a:4e:00:02"
_CREATE = Flag.CREATE | Flag.EXCL


def read(kind: type[nlmsg], message: Message) -> dict[str, Any]:
    """A message as pyroute2 reads it: fields and attributes, nested ones as dictionaries, zeros left out."""
    oracle = kind(netlink.pack_message(message))
    oracle.decode()
    fields = {name: oracle[name] for name, _ in kind.fields if oracle[name]}
    fields.pop("__pad", None)
    return fields | attributes(oracle)


def attributes(oracle: Any) -> dict[str, Any]:
    found = {}
    for slot in oracle["attrs"]:
        name, value = slot[0], slot[1]
        found[name] = attributes(value) if isinstance(value, dict) and "attrs" in value else value
    return found


def information(kind: str, data: Any = None) -> dict[str, Any]:
    return {"IFLA_LINKINFO": {"IFLA_INFO_KIND": kind} | ({} if data is None else {"IFLA_INFO_DATA": data})}


LINKS: list[tuple[str, Message, int, int, dict[str, Any]]] = [
    ("get", rtlink.get("eth0"), rtlink.GETLINK, 0, {"IFLA_IFNAME": "eth0"}),
    (
        "bridge",
        rtlink.new("rf0", "bridge", mac=MAC, data=rtlink.bridge(stp=True)),
        rtlink.NEWLINK,
        _CREATE,
        {"IFLA_IFNAME": "rf0", "IFLA_ADDRESS": MAC} | information("bridge", {"IFLA_BR_STP_STATE": 1}),
    ),
    (
        "veth",
        rtlink.new("a", "veth", mtu=1400, master=7, up=True,
                   data=rtlink.veth("b", mtu=1400, mac=MAC, namespace=9)),
        rtlink.NEWLINK,
        _CREATE,
        {"flags": 1, "change": 1, "IFLA_IFNAME": "a", "IFLA_MTU": 1400, "IFLA_MASTER": 7}
        | information("veth", {"VETH_INFO_PEER": {"IFLA_IFNAME": "b", "IFLA_MTU": 1400,
                                                  "IFLA_ADDRESS": MAC, "IFLA_NET_NS_FD": 9}}),
    ),
    (
        "macvlan",
        rtlink.new("m", "macvlan", parent=3, namespace=9, index=11, data=rtlink.macvlan("bridge")),
        rtlink.NEWLINK,
        _CREATE,
        {"index": 11, "IFLA_IFNAME": "m", "IFLA_LINK": 3, "IFLA_NET_NS_FD": 9}
        | information("macvlan", {"IFLA_MACVLAN_MODE": "bridge"}),
    ),
    (
        "ipvlan",
        rtlink.new("i", "ipvlan", parent=3, data=rtlink.ipvlan("l3")),
        rtlink.NEWLINK,
        _CREATE,
        {"IFLA_IFNAME": "i", "IFLA_LINK": 3}
        | information("ipvlan", {"IFLA_IPVLAN_MODE": 1}),
    ),
    (
        "vlan",
        rtlink.new("eth0.100", "vlan", parent=3, data=rtlink.vlan(100)),
        rtlink.NEWLINK,
        _CREATE,
        {"IFLA_IFNAME": "eth0.100", "IFLA_LINK": 3} | information("vlan", {"IFLA_VLAN_ID": 100}),
    ),
    (
        "change",
        rtlink.change(5, name="new", mtu=9000, mac=MAC, alias="of app", master=0, up=False),
        rtlink.NEWLINK,
        0,
        {"index": 5, "change": 1, "IFLA_IFNAME": "new", "IFLA_MTU": 9000, "IFLA_ADDRESS": MAC, "IFLA_IFALIAS": "of app",
         "IFLA_MASTER": 0},
    ),
    (
        "port",
        rtlink.port("a", hairpin=True, isolated=True),
        rtlink.NEWLINK,
        0,
        {"IFLA_IFNAME": "a", "IFLA_LINKINFO": {"IFLA_INFO_SLAVE_KIND": "bridge", "IFLA_INFO_SLAVE_DATA":
            {"IFLA_BRPORT_MODE": 1, "IFLA_BRPORT_ISOLATED": 1}}},
    ),
    (
        "without link-local",
        rtlink.without_link_local("a"),
        rtlink.NEWLINK,
        0,
        {"IFLA_IFNAME": "a", "IFLA_AF_SPEC": {"AF_INET6": {"IFLA_INET6_ADDR_GEN_MODE": 1}}},
    ),
    ("delete", rtlink.delete("a"), rtlink.DELLINK, 0, {"IFLA_IFNAME": "a"}),
    ("delete by index", rtlink.delete(5), rtlink.DELLINK, 0, {"index": 5}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "type", "flags", "expected"), [one[1:] for one in LINKS], ids=[one[0] for one in LINKS]
)
def test_requests_about_links(message: Message, type: int, flags: int, expected: dict[str, Any]) -> None:
    assert (message.type, message.flags) == (type, flags)
    assert read(ifinfmsg, message) == expected


def test_an_ipvlans_flags_which_pyroute2_does_not_know() -> None:
    """IFLA_IPVLAN_FLAGS of linux/if_link.h is 2, a u16, IPVLAN_F_PRIVATE is 1."""
    assert netlink.parse_attributes(rtlink.ipvlan("l2", "private")) == [(1, b"\0\0"), (2, b"\1\0")]


ADDRESSES: list[tuple[Message, int, int, dict[str, Any]]] = [
    (rtaddress.new(3, "10.78.0.2", 16), 20, _CREATE,
     {"family": 2, "prefixlen": 16, "index": 3, "IFA_LOCAL": "10.78.0.2", "IFA_ADDRESS": "10.78.0.2"}),
    (rtaddress.new(3, "fd00::2", 64, keep=True), 20, Flag.CREATE | Flag.REPLACE,
     {"family": 10, "prefixlen": 64, "index": 3, "IFA_LOCAL": "fd00::2", "IFA_ADDRESS": "fd00::2", "IFA_FLAGS": 2}),
    (rtaddress.new(3, "10.0.0.1", 24, prefix_route=False), 20, _CREATE,
     {"family": 2, "prefixlen": 24, "index": 3, "IFA_LOCAL": "10.0.0.1",
      "IFA_ADDRESS": "10.0.0.1", "IFA_FLAGS": 0x200}),
    (rtaddress.delete(3, "10.0.0.1", 24), 21, 0,
     {"family": 2, "prefixlen": 24, "index": 3, "IFA_LOCAL": "10.0.0.1", "IFA_ADDRESS": "10.0.0.1"}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "type", "flags", "expected"), ADDRESSES)
def test_requests_about_addresses(message: Message, type: int, flags: int, expected: dict[str, Any]) -> None:
    assert (message.type, message.flags) == (type, flags)
    assert read(ifaddrmsg, message) == expected


_ROUTE = {"family": 2, "table": 254, "proto": 4, "type": 1}
ROUTES: list[tuple[Message, int, int, dict[str, Any]]] = [
    (rtroute.new("0.0.0.0", 0, gateway="10.78.0.1", link=3, metric=100), 24, _CREATE,
     _ROUTE | {"RTA_GATEWAY": "10.78.0.1", "RTA_OIF": 3, "RTA_PRIORITY": 100}),
    (rtroute.new("10.9.0.0", 16, link=3, source="10.78.0.2", keep=True), 24, Flag.CREATE | Flag.REPLACE,
     _ROUTE | {"dst_len": 16, "scope": 253, "RTA_DST": "10.9.0.0", "RTA_OIF": 3, "RTA_PREFSRC": "10.78.0.2"}),
    (rtroute.new("::", 0, gateway="fe80::1", link=3, onlink=True), 24, _CREATE,
     _ROUTE | {"family": 10, "flags": 4, "RTA_GATEWAY": "fe80::1", "RTA_OIF": 3}),
    (rtroute.new("10.9.0.0", 16, type="unreachable"), 24, _CREATE,
     _ROUTE | {"dst_len": 16, "type": 7, "RTA_DST": "10.9.0.0"}),
    (rtroute.delete("10.9.0.0", 16, gateway="10.78.0.1"), 25, 0,
     _ROUTE | {"dst_len": 16, "RTA_DST": "10.9.0.0", "RTA_GATEWAY": "10.78.0.1"}),
]  # fmt: skip


@pytest.mark.parametrize(("message", "type", "flags", "expected"), ROUTES)
def test_requests_about_routes(message: Message, type: int, flags: int, expected: dict[str, Any]) -> None:
    assert (message.type, message.flags) == (type, flags)
    assert read(rtmsg, message) == expected


@pytest.mark.parametrize("mac", ["", "02:42", "02:42:0a:4e:00:0g", "02:42:0a:4e:00:02:03", "é"])
def test_what_is_no_mac_address_is_refused(mac: str) -> None:
    with pytest.raises(OSError) as caught:
        rtlink.packed_mac(mac)
    assert caught.value.errno == errno.EINVAL
