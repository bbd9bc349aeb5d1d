"""Subnets for new networks: chosen where nothing else on this host is, and checked where somebody else chose."""

from __future__ import annotations

from _blake2 import blake2b  # as in naming.py

from ringfence.errors import Conflict, InvalidInput
from ringfence.network import addresses
from ringfence.network.addresses import Block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ringfence.network.values import Subnet

POOLS = ("10.89.0.0/16", "10.90.0.0/15", "10.92.0.0/14", "10.96.0.0/11", "172.16.0.0/12", "192.168.0.0/16")
"""Podman's, and what is left of the private networks (RFC 1918) that docker takes."""
PREFIX = 24  # of each subnet
_IPV6_PREFIX = 64
_LOCAL = 0xFD << 120  # fd00::/8, RFC 4193


def choose(used: Iterable[Block], pools: Sequence[str] = POOLS, prefix: int = PREFIX) -> str:
    """The first IPv4 subnet of that size in the pools which overlaps with nothing in use. Conflict if there is none."""
    others = [one for one in used if one.bits == 32 and one.prefix]
    for pool in map(addresses.parse_block, pools):
        size = 1 << (pool.bits - prefix)
        start = pool.first
        while start <= pool.last:
            candidate = Block(pool.bits, start, prefix)
            over = [one for one in others if candidate.overlaps(one)]
            if not over:
                return str(candidate)
            start = max(start + size, *(one.last + 1 for one in over))
    raise Conflict("no subnet is free for a new network", hint="choose one with --subnet, or remove networks")


def choose_ipv6(used: Iterable[Block], seed: str) -> str:
    """A /64 of its own in fd00::/8, as random as RFC 4193 wants it and the same for the same seed (a network's ID)."""
    others = [one for one in used if one.bits == 128 and one.prefix]
    for attempt in range(1 << 16):
        digest = blake2b(f"{seed} {attempt}".encode(), digest_size=5).digest()
        candidate = Block(128, _LOCAL | int.from_bytes(digest, "big") << 80, _IPV6_PREFIX)
        if not any(candidate.overlaps(one) for one in others):
            return str(candidate)
    raise Conflict("no IPv6 subnet is free for a new network", hint="choose one with --subnet")


def check(where: str, subnets: Sequence[Subnet]) -> None:
    """InvalidInput unless each is the network of its family, with gateway and range inside. `where` begins the line."""
    families = set()
    for subnet in subnets:
        block = addresses.parse_block(subnet.cidr)
        if addresses.to_number(subnet.cidr.partition("/")[0])[1] != block.first:
            raise InvalidInput(f"{where}: subnet {subnet.cidr} does not begin there", hint=f"is it {block}?")
        if block.bits in families:
            raise InvalidInput(f"{where}: {subnet.cidr} is a second subnet of its family", hint="make another network")
        families.add(block.bits)
        low, high = block.usable
        if subnet.gateway:
            bits, number = addresses.to_number(subnet.gateway)
            if bits != block.bits or not low <= number <= high:
                raise InvalidInput(f"{where}: gateway {subnet.gateway} is not one of a host in subnet {subnet.cidr}")
        if subnet.range and addresses.parse_block(subnet.range) not in block:
            raise InvalidInput(f"{where}: range {subnet.range} is not in subnet {subnet.cidr}")
