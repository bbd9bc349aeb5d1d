"""Subnets of new networks are free ones; those that people choose are looked at first."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Conflict, InvalidInput
from ringfence.network import addresses, subnets
from ringfence.network.values import Subnet


def blocks(*cidrs: str) -> list[addresses.Block]:
    return [addresses.parse_block(cidr) for cidr in cidrs]


def test_the_first_of_the_first_pool_is_first() -> None:
    assert subnets.choose([]) == "10.89.0.0/24"
    assert subnets.choose(blocks("10.89.0.0/24", "0.0.0.0/0")) == "10.89.1.0/24"
    assert subnets.choose(blocks("10.89.0.5/32", "10.89.1.128/25", "10.89.2.0/23")) == "10.89.4.0/24"
    assert subnets.choose(blocks("10.89.0.0/16")) == "10.90.0.0/24"
    assert subnets.choose(blocks("10.0.0.0/8")) == "172.16.0.0/24"
    with pytest.raises(Conflict, match="--subnet"):
        subnets.choose(blocks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@given(st.lists(st.tuples(st.integers(0, 2**13 - 1), st.integers(19, 32)), max_size=60))
def test_it_overlaps_with_nothing_and_is_the_first_that_does_not(used: list[tuple[int, int]]) -> None:
    # Invariant: of the sixteen /23 of the pool, the first that overlaps with nothing, as the standard library sees it.
    theirs = [ipaddress.ip_network((0x0A590000 + number, prefix), strict=False) for number, prefix in used]
    free = [
        candidate
        for candidate in ipaddress.ip_network("10.89.0.0/19").subnets(new_prefix=23)
        if not any(candidate.overlaps(one) for one in theirs)
    ]
    try:
        chosen = subnets.choose(blocks(*map(str, theirs)), ["10.89.0.0/19"], 23)
    except Conflict:
        assert not free
        return
    assert chosen == str(free[0])


@given(st.text(max_size=20), st.text(max_size=20))
def test_an_ipv6_subnet_is_the_networks_own(one: str, other: str) -> None:
    # Invariant: a /64 of fd00::/8, the same for the same seed, never one in use.
    first = subnets.choose_ipv6([], one)
    assert ipaddress.IPv6Network(first).subnet_of(ipaddress.IPv6Network("fd00::/8"))
    assert first == subnets.choose_ipv6([], one)
    assert not ipaddress.IPv6Network(subnets.choose_ipv6(blocks(first, "::/0"), other)).overlaps(
        ipaddress.IPv6Network(first)
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([Subnet("10.78.0.5/16")], r"10\.78\.0\.5/16 does not begin there \(is it 10\.78\.0\.0/16\?\)"),
        ([Subnet("10.78.0.0")], "'10.78.0.0' is not a network"),
        ([Subnet("10.78.0.0/33")], "is not a network"),
        ([Subnet("10.78.0.0/16"), Subnet("10.79.0.0/16")], "second subnet of its family"),
        ([Subnet("10.78.0.0/16", "10.79.0.1")], "gateway 10.79.0.1 is not one"),
        ([Subnet("10.78.0.0/16", "10.78.0.0")], "gateway 10.78.0.0 is not one"),
        ([Subnet("10.78.0.0/16", "10.78.255.255")], "gateway 10.78.255.255 is not one"),
        ([Subnet("10.78.0.0/16", "fd00::1")], "gateway fd00::1 is not one"),
        ([Subnet("10.78.0.0/16", "", "10.79.0.0/24")], "range 10.79.0.0/24 is not in"),
        ([Subnet("10.78.0.0/16", "", "10.0.0.0/8")], "range 10.0.0.0/8 is not in"),
    ],
)
def test_a_subnet_that_cannot_be_is_refused_in_one_line(given: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        subnets.check("network net", given)
    assert "\n" not in str(caught.value)
