"""Addresses of containers: never twice, always inside, the lowest first; blocks agree with the standard library."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Conflict, InvalidInput, RingfenceError
from ringfence.network import addresses
from ringfence.network.addresses import Block
from ringfence.network.values import Subnet


def networks(bits: int, least: int) -> st.SearchStrategy[Any]:
    kind = ipaddress.IPv4Network if bits == 32 else ipaddress.IPv6Network
    numbers, prefixes = st.integers(0, 2**bits - 1), st.integers(least, bits)
    return st.builds(lambda number, prefix: kind((number, prefix), strict=False), numbers, prefixes)


cidrs = networks(32, 0) | networks(128, 0)
small = networks(32, 27) | networks(128, 123)


@given(cidrs, cidrs)
def test_blocks_are_those_of_the_standard_library(one: Any, other: Any) -> None:
    first, second = addresses.parse_block(str(one)), addresses.parse_block(str(other))
    assert (first.first, first.last, first.prefix) == (
        int(one.network_address),
        int(one.broadcast_address),
        one.prefixlen,
    )
    assert ipaddress.ip_network(str(first)) == one
    same = one.version == other.version
    assert first.overlaps(second) == (same and one.overlaps(other))
    assert (first in second) == (same and one.subnet_of(other))
    assert (first == second) == (one == other)


@given(st.text(max_size=30) | st.from_regex(r"[0-9a-f:.]{1,20}/?[0-9]{0,4}", fullmatch=True))
def test_any_text_is_a_block_or_refused(text: str) -> None:
    # Invariant: what the standard library takes as a network (but for masks in place of prefixes), or InvalidInput.
    try:
        block = addresses.parse_block(text)
    except InvalidInput as error:
        assert "\n" not in str(error)
        return
    assert ipaddress.ip_network(text, strict=False) == ipaddress.ip_network(str(block))


@given(small, st.integers(0, 40), st.randoms(use_true_random=False), st.booleans())
def test_no_address_is_handed_out_twice_and_all_are_until_none_is_free(
    network: Any, gone: int, random: Any, rest: bool
) -> None:
    # Invariant: each is a usable host of the subnet, not its gateway, not taken; Conflict comes when all are taken.
    subnet = Subnet(str(network), addresses.gateway_of(str(network)) if network.num_addresses > 2 else "")
    hosts = {str(host) for host in network} if network.num_addresses <= 2 else {str(host) for host in network.hosts()}
    hosts -= {str(ipaddress.ip_address(subnet.gateway))} if subnet.gateway else set()
    if network.version == 4 and network.num_addresses > 2:
        assert str(network.broadcast_address) not in hosts
    taken: list[str] = []
    last = ""
    while True:
        try:
            chosen, _, prefix = addresses.choose(subnet, taken, last=last if rest else "").partition("/")
        except Conflict as error:
            assert set(taken) == hosts and str(network) in str(error)
            return
        chosen = str(ipaddress.ip_address(chosen))  # the C library writes ::1:2 as ::0.1.0.2
        assert chosen in hosts and chosen not in taken and int(prefix) == network.prefixlen
        taken.append(chosen)
        last = chosen
        if gone and random.random() < 0.3:  # a container goes
            gone -= 1
            taken.remove(random.choice(taken))


def test_the_lowest_is_first_and_one_that_came_free_is_next() -> None:
    subnet = Subnet("10.78.0.0/16", "10.78.0.1")
    assert addresses.choose(subnet, []) == "10.78.0.2/16"
    assert addresses.choose(subnet, ["10.78.0.2", "10.78.0.4"]) == "10.78.0.3/16"
    assert addresses.choose(subnet, ["10.78.0.2"], last="10.78.0.9") == "10.78.0.10/16"
    assert addresses.choose(subnet, ["10.78.0.2"], last="10.78.255.254") == "10.78.0.3/16"
    assert addresses.choose(subnet, ["10.78.0.2"], last="192.0.2.7") == "10.78.0.3/16"


def test_the_range_is_for_those_who_want_nothing() -> None:
    subnet = Subnet("10.78.0.0/16", "10.78.0.1", "10.78.5.0/30")
    chosen: list[str] = []
    for _ in range(4):
        chosen.append(addresses.choose(subnet, chosen).partition("/")[0])
    assert chosen == ["10.78.5.0", "10.78.5.1", "10.78.5.2", "10.78.5.3"]
    with pytest.raises(Conflict, match=r"range 10\.78\.5\.0/30"):
        addresses.choose(subnet, chosen)
    assert addresses.choose(subnet, chosen, wanted="10.78.9.9") == "10.78.9.9/16"


def test_a_large_ipv6_subnet_is_not_walked_through() -> None:
    subnet = Subnet("fd00:78::/64", "fd00:78::1")
    taken = [addresses.to_text(128, addresses.to_number("fd00:78::")[1] + number) for number in range(2, 1002)]
    assert addresses.choose(subnet, taken) == "fd00:78::3ea/64"
    assert addresses.choose(subnet, taken, last="fd00:78::ffff:ffff:ffff:ffff") == "fd00:78::3ea/64"
    assert addresses.choose(subnet, ["FD00:78:0::2"]) == "fd00:78::3/64"


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        ("10.78.0.1", InvalidInput, "is the gateway"),
        ("10.78.0.0", InvalidInput, "not one of a host"),
        ("10.78.255.255", InvalidInput, "not one of a host"),
        ("10.79.0.1", InvalidInput, "not one of a host"),
        ("fd00::1", InvalidInput, "not one of a host"),
        ("10.78.0", InvalidInput, "is not an IP address"),
        ("10.78.0.7", Conflict, "in use"),
    ],
)
def test_what_cannot_be_had_is_refused_by_its_name(wanted: str, error: type[RingfenceError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        addresses.choose(Subnet("10.78.0.0/16", "10.78.0.1"), ["10.78.0.7"], wanted=wanted)
    assert wanted in str(caught.value) and "\n" not in str(caught.value)


def test_blocks_are_values() -> None:
    assert len({Block(32, 10 << 24, 8), addresses.parse_block("10.1.2.3/8")}) == 1
    assert addresses.parse_block("10.0.0.0/8") != "10.0.0.0/8"
    assert repr(addresses.parse_block("fd00::/8")) == "fd00::/8"


def test_nothing_heavy_is_imported() -> None:
    command = (
        "import sys, ringfence.network.subnets; print(*({'ipaddress', 'hashlib', 're', 'socket'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
