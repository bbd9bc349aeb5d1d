"""IP addresses and blocks of them as numbers. (`ipaddress` of the standard library takes 5 ms to import.)"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux import sockets


class Block:
    """A network such as 10.78.0.0/16: `bits` is 32 or 128, `first` its lowest address as a number."""

    __slots__ = ("bits", "first", "prefix")

    def __init__(self, bits: int, first: int, prefix: int) -> None:
        self.bits = bits
        self.prefix = prefix
        self.first = first >> (bits - prefix) << (bits - prefix)

    @property
    def last(self) -> int:
        return self.first | ((1 << (self.bits - self.prefix)) - 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and (self.bits, self.first, self.prefix) == (
            other.bits,
            other.first,
            other.prefix,
        )

    def __hash__(self) -> int:
        return hash((self.bits, self.first, self.prefix))

    def __str__(self) -> str:
        return f"{to_text(self.bits, self.first)}/{self.prefix}"

    __repr__ = __str__

    def __contains__(self, other: Block) -> bool:
        """Whether all of the other lies in this one."""
        return self.bits == other.bits and self.first <= other.first and other.last <= self.last

    def holds(self, address: str) -> bool:
        bits, number = to_number(address)
        return bits == self.bits and self.first <= number <= self.last

    def overlaps(self, other: Block) -> bool:
        return self in other or other in self


def to_number(address: str) -> tuple[int, int]:
    """(32 or 128, the number) of an address. InvalidInput."""
    try:
        _, packed = sockets.pack_address(address)
    except OSError:
        raise InvalidInput(f"{address!r} is not an IP address") from None
    return 8 * len(packed), int.from_bytes(packed, "big")


def to_text(bits: int, number: int) -> str:
    family = sockets.AF_INET if bits == 32 else sockets.AF_INET6
    return sockets.inet_ntop(family, number.to_bytes(bits // 8, "big"))


def parse_block(cidr: str) -> Block:
    """A Block of 10.78.0.0/16 or of any address in it with that prefix. InvalidInput."""
    address, slash, prefix = cidr.partition("/")
    bits, number = to_number(address)
    if not slash or not prefix.isascii() or not prefix.isdigit() or len(prefix) > 3 or int(prefix) > bits:
        raise InvalidInput(f"{cidr!r} is not a network (such as {'10.78.0.0/16' if bits == 32 else 'fd00:78::/64'})")
    return Block(bits, number, int(prefix))


def parse_interface(text: str) -> tuple[str, int]:
    """("10.78.0.2", 16) of 10.78.0.2/16. InvalidInput."""
    return text.partition("/")[0], parse_block(text).prefix
