"""The expressions that rules of nftables are made of (linux/netfilter/nf_tables.h); `nft --debug=netlink` shows them.

A rule is a list of them. Each reads registers and writes others, or ends the rule if what it compares is not so. A
register here is one of the sixteen of four bytes that the kernel has, by its number from 0.
"""

from __future__ import annotations

import struct

from ringfence.linux.netlink import pack_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Expression: TypeAlias = bytes

_FIRST_REGISTER = 8  # NFT_REG32_00
_VERDICT_REGISTER = 0
_META = {"iifname": 6, "oifname": 7, "nfproto": 15, "l4proto": 16}
_CT = {"state": 0, "status": 2}
_BASES = {"network": 1, "transport": 2}
_VERDICTS = {"drop": 0, "accept": 1, "jump": -3, "return": -5}
_DNAT = 1
_FIB_ADDRESS_TYPE, _FIB_DESTINATION = 3, 2


def meta(key: str, register: int = 0) -> Expression:
    """Load what is known beside the packet's bytes."""
    return _expression("meta", _number(2, _META[key]), _register(1, register))


def ct(key: str, register: int = 0) -> Expression:
    """Load what connection tracking knows."""
    return _expression("ct", _number(2, _CT[key]), _register(1, register))


def payload(base: str, offset: int, length: int, register: int = 0) -> Expression:
    """Load bytes of the network or the transport header."""
    place = _number(2, _BASES[base]), _number(3, offset), _number(4, length)
    return _expression("payload", _register(1, register), *place)


def destination_type(register: int = 0) -> Expression:
    """Load what kind of address the packet's destination is here, RTN_* of rtnetlink(7)."""
    return _expression("fib", _register(1, register), _number(2, _FIB_ADDRESS_TYPE), _number(3, _FIB_DESTINATION))


def mask(bits: bytes, register: int = 0) -> Expression:
    """Keep these bits of a register."""
    operands = pack_attribute(4, [pack_attribute(1, bits)]) + pack_attribute(5, [pack_attribute(1, bytes(len(bits)))])
    return _expression("bitwise", _register(1, register), _register(2, register), _number(3, len(bits)), operands)


def equal(value: bytes, register: int = 0) -> Expression:
    """Go on only if the register has this value."""
    return _expression("cmp", _register(1, register), _number(2, 0), pack_attribute(3, [pack_attribute(1, value)]))


def unequal(value: bytes, register: int = 0) -> Expression:
    return _expression("cmp", _register(1, register), _number(2, 1), pack_attribute(3, [pack_attribute(1, value)]))


def lookup(set: str, register: int = 0) -> Expression:
    """Go on only if the set has what is in the registers."""
    return _expression("lookup", pack_attribute(1, set), _register(2, register))


def find(map: str, register: int = 0, into: int = 0) -> Expression:
    """Go on only if the map has what is in the registers, and load what it has for that."""
    return _expression("lookup", pack_attribute(1, map), _register(2, register), _register(3, into))


def dnat(family: int, address: int, port: int) -> Expression:
    """Change the destination of the connection to what is in these registers."""
    return _expression("nat", _number(1, _DNAT), _number(2, family), _register(3, address), _register(5, port))


def masquerade() -> Expression:
    """Change the source of the connection to the address of the interface that it leaves by."""
    return _expression("masq")


def verdict(name: str, chain: str = "") -> Expression:
    """What becomes of the packet: accept, drop, return, jump."""
    code = pack_attribute(1, struct.pack(">i", _VERDICTS[name])) + (pack_attribute(2, chain) if chain else b"")
    return _expression("immediate", _number(1, _VERDICT_REGISTER), pack_attribute(2, [pack_attribute(2, [code])]))


def host_number(value: int) -> bytes:
    """A number as the processor has it in a register."""
    return struct.pack("=I", value)


def _expression(name: str, *attributes: bytes) -> Expression:
    return pack_attribute(1, name) + pack_attribute(2, attributes)


def _number(attribute: int, value: int) -> bytes:
    return pack_attribute(attribute, struct.pack(">I", value))


def _register(attribute: int, register: int) -> bytes:
    return _number(attribute, _FIRST_REGISTER + register)
