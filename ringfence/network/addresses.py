"""IP addresses and blocks of them, and which address a container gets: numbers and no state.

(`ipaddress` of the standard library takes 5 ms to import.)
"""

from __future__ import annotations

from ringfence.errors import Conflict, InvalidInput
from ringfence.linux import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.network.values import Subnet


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

    @property
    def usable(self) -> tuple[int, int]:
        """The lowest and the highest address that a host can have.

        Not the network's own (in IPv6 that of its routers, RFC 4291) nor IPv4's broadcast; where there are two
        addresses or one, each is a host's (RFC 3021, RFC 6164).
        """
        if self.bits - self.prefix < 2:
            return self.first, self.last
        return self.first + 1, self.last - (self.bits == 32)

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


def gateway_of(cidr: str) -> str:
    """The gateway where nobody chose one: the lowest address."""
    block = parse_block(cidr)
    return to_text(block.bits, block.usable[0])


def choose(subnet: Subnet, taken: Iterable[str], *, wanted: str = "", last: str = "") -> str:
    """An address of the subnet that nobody has, with its prefix: "10.78.0.2/16".

    It is the lowest one of the subnet's range, as with docker, or with `last`, the one that was handed out before, the
    next above that, which lets an address rest before it is used again. `wanted` may lie outside of the range.
    InvalidInput if what is wanted cannot be had there, Conflict if it is taken or nothing is free.
    """
    block = parse_block(subnet.cidr)
    low, high = block.usable
    used = {number for bits, number in map(to_number, taken) if bits == block.bits}
    gateway = to_number(subnet.gateway)[1] if subnet.gateway else None
    if wanted:
        bits, number = to_number(wanted)
        if bits != block.bits or not low <= number <= high:
            raise InvalidInput(f"address {wanted} is not one of a host in subnet {subnet.cidr}")
        if number == gateway:
            raise InvalidInput(f"address {wanted} is the gateway of subnet {subnet.cidr}")
        if number in used:
            raise Conflict(f"address {wanted} is in use", hint="leave it out, and a free one is chosen")
        return f"{to_text(bits, number)}/{block.prefix}"
    if subnet.range:
        part = parse_block(subnet.range)
        low, high = max(low, part.first), min(high, part.last)
    used |= {gateway} if gateway is not None else set()
    start = min(max(to_number(last)[1] + 1, low), high + 1) if last else low
    for first, end in ((start, high), (low, start - 1)):
        for number in range(first, end + 1):  # no longer than there are used ones
            if number not in used:
                return f"{to_text(block.bits, number)}/{block.prefix}"
    place = f"range {subnet.range} of subnet {subnet.cidr}" if subnet.range else f"subnet {subnet.cidr}"
    raise Conflict(f"no address is free in {place}", hint="remove containers, or make a larger network")
