"""The rules of the engine's table (ringfence/network/firewall.py): chains, sets, and each rule with its reason.

What nft(8) would say stands beside each rule; `nft list table inet ringfence` shows the same with the reasons.
"""

from __future__ import annotations

from ringfence.linux.nftables import NFPROTO_IPV4, NFPROTO_IPV6, Hook, SetFlag, Type
from ringfence.linux.nftexpressions import (
    ct,
    destination_type,
    dnat,
    equal,
    find,
    host_number,
    lookup,
    mask,
    masquerade,
    meta,
    payload,
    unequal,
    verdict,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.nftexpressions import Expression

# Name: fields of the key, fields of a map's data, flags.
SETS = {
    "bridges": ([Type.INTERFACE], [], 0),  # of all open networks
    "inside": ([Type.INTERFACE, Type.INTERFACE], [], 0),  # each of them twice: from itself to itself
    "internal": ([Type.INTERFACE], [], 0),
    "isolated": ([Type.INTERFACE], [], 0),
    "subnets4": ([Type.IPV4], [], SetFlag.INTERVAL),  # whose containers are not known outside
    "subnets6": ([Type.IPV6], [], SetFlag.INTERVAL),
    # published on every address of the host, and on one alone
    "ports4": ([Type.PROTOCOL, Type.PORT], [Type.IPV4, Type.PORT], 0),
    "ports6": ([Type.PROTOCOL, Type.PORT], [Type.IPV6, Type.PORT], 0),
    "addressed4": ([Type.IPV4, Type.PROTOCOL, Type.PORT], [Type.IPV4, Type.PORT], 0),
    "addressed6": ([Type.IPV6, Type.PROTOCOL, Type.PORT], [Type.IPV6, Type.PORT], 0),
}
# Name: type, hook, priority (nft(8): dstnat is -100, filter 0, srcnat 100); only jumped to if it has none.
CHAINS: dict[str, tuple[str, int, int] | tuple[()]] = {
    "published": (),
    "prerouting": ("nat", Hook.PREROUTING, -100),
    "output": ("nat", Hook.OUTPUT, -100),
    "forward": ("filter", Hook.FORWARD, 0),
    "postrouting": ("nat", Hook.POSTROUTING, 100),
}
_RTN_LOCAL = host_number(2)
_ESTABLISHED_OR_RELATED = host_number(0x6)
_TRANSLATED_DESTINATION = host_number(0x20)  # IPS_DST_NAT
_LOOPBACK = b"lo".ljust(16, b"\0")
_FAMILIES = {"ip": NFPROTO_IPV4, "ip6": NFPROTO_IPV6}


def _address(family: str, which: str) -> list[Expression]:
    """`ip saddr`, `ip6 daddr`, ...: in register 0, and in the three that follow for IPv6."""
    offset, size = {"ip": (12, 4), "ip6": (8, 16)}[family]
    return [*_family(family), payload("network", offset + (size if which == "daddr" else 0), size)]


def _family(family: str) -> list[Expression]:
    return [meta("nfproto"), equal(bytes((_FAMILIES[family],)))]


def _protocol_and_port(register: int) -> list[Expression]:
    """`meta l4proto . th dport`; what has no ports has no element with its protocol either."""
    return [meta("l4proto", register), payload("transport", 2, 2, register + 1)]


def _into(family: str, map: str) -> list[Expression]:
    """`dnat ip to ... map @MAP`."""
    return [find(map), dnat(_FAMILIES[family], 0, 1 if family == "ip" else 4)]


def _has(bits: bytes) -> list[Expression]:
    """Of what was loaded last, one of these bits is set."""
    return [mask(bits), unequal(bytes(len(bits)))]


# Chain, reason, expressions.
RULES: list[tuple[str, str, list[Expression]]] = [
    # fib daddr type local jump published
    ("prerouting", "to an address of this machine", [
        destination_type(), equal(_RTN_LOCAL), verdict("jump", "published"),
    ]),
    ("output", "to an address of this machine, by itself", [
        destination_type(), equal(_RTN_LOCAL), verdict("jump", "published"),
    ]),
    # ip daddr 127.0.0.0/8 return
    ("published", "the forwarder serves the loopback", [
        *_address("ip", "daddr"), mask(b"\xff\0\0\0"), equal(b"\x7f\0\0\0"), verdict("return"),
    ]),
    # ip6 daddr ::1 return
    ("published", "the forwarder serves the loopback", [
        *_address("ip6", "daddr"), equal(bytes(15) + b"\1"), verdict("return"),
    ]),
    # ip6 daddr fe80::/10 return
    ("published", "the forwarder serves link-local addresses, which are not forwarded", [
        *_address("ip6", "daddr"), mask(b"\xff\xc0" + bytes(14)), equal(b"\xfe\x80" + bytes(14)), verdict("return"),
    ]),
    # dnat ip to ip daddr . meta l4proto . th dport map @addressed4
    ("published", "on this address", [*_address("ip", "daddr"), *_protocol_and_port(1), *_into("ip", "addressed4")]),
    # meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports4
    ("published", "on every address", [*_family("ip"), *_protocol_and_port(0), *_into("ip", "ports4")]),
    ("published", "on this address", [*_address("ip6", "daddr"), *_protocol_and_port(4), *_into("ip6", "addressed6")]),
    ("published", "on every address", [*_family("ip6"), *_protocol_and_port(0), *_into("ip6", "ports6")]),

    # ct state established,related accept
    ("forward", "answers", [ct("state"), *_has(_ESTABLISHED_OR_RELATED), verdict("accept")]),
    # iifname . oifname @inside accept
    ("forward", "inside one bridge, which br_netfilter brings here", [
        meta("iifname"), meta("oifname", 4), lookup("inside"), verdict("accept"),
    ]),
    # iifname @internal drop
    ("forward", "no way out of an internal network", [meta("iifname"), lookup("internal"), verdict("drop")]),
    ("forward", "no way into an internal network", [meta("oifname"), lookup("internal"), verdict("drop")]),
    # ct status dnat accept
    ("forward", "through a published port", [ct("status"), *_has(_TRANSLATED_DESTINATION), verdict("accept")]),
    # oifname @isolated drop
    ("forward", "no other way into an isolated network", [meta("oifname"), lookup("isolated"), verdict("drop")]),

    # ip saddr @subnets4 ct status dnat masquerade
    *(("postrouting", "from a container through a published port: the answer must come by here", [
        *_address(family, "saddr"), lookup(subnets), ct("status"), *_has(_TRANSLATED_DESTINATION), masquerade(),
    ]) for family, subnets in (("ip", "subnets4"), ("ip6", "subnets6"))),
    # oifname @bridges accept
    ("postrouting", "to a container: the source stays as it is", [
        meta("oifname"), lookup("bridges"), verdict("accept"),
    ]),
    # oifname "lo" accept
    ("postrouting", "from this machine to itself", [meta("oifname"), equal(_LOOPBACK), verdict("accept")]),
    # ip saddr @subnets4 masquerade
    *(("postrouting", "out of this machine", [*_address(family, "saddr"), lookup(subnets), masquerade()])
      for family, subnets in (("ip", "subnets4"), ("ip6", "subnets6"))),
]  # fmt: skip
