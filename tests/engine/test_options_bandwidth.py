"""Rates and bursts: what is read, what is refused, and with which line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import bandwidth, options_resources
from ringfence.engine.options import parse
from ringfence.errors import InvalidInput

from .test_options import refusal


@pytest.mark.parametrize(
    ("typed", "bits"),
    [("50mbit", 50_000_000), ("1.5Gbit", 1_500_000_000), ("8000", 8000), (10**6, 10**6), ("64kibit", 65536),
     ("1 tbit", 10**12), ("0", 0), ("9600bit", 9600)],
)  # fmt: skip
def test_a_rate_is_in_bits_per_second(typed: object, bits: int) -> None:
    assert parse({"network_egress": typed}).network_egress == bits


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("network_egress", "50mbps", '--network-egress: "50mbps" is not a rate in bits per second, such as 50mbit'),
        ("network_egress", "-1", '--network-egress: "-1" is not a rate in bits per second, such as 50mbit'),
        ("network_ingress", "1kbit", '--network-ingress: "1kbit" is below the minimum of 8kbit'),
        ("network_burst", "1k", '--network-burst: "1k" is out of range: 2000 bytes to 2 GiB'),
    ],
)
def test_what_is_none_is_refused(name: str, value: object, message: str) -> None:
    assert refusal(**{name: value}) == message


def test_a_container_without_links_of_its_own_cannot_be_limited() -> None:
    for mode in ("none", "host", "container:web"):
        line = f"--network-egress: a container of --network {mode} has no link of its own to be limited"
        with pytest.raises(InvalidInput, match=line):
            bandwidth.admit(parse({"network": mode, "network_egress": "1mbit"}))
    bandwidth.admit(parse({"network": "none"}))


@pytest.mark.parametrize(
    ("bits", "text"), [(0, "-"), (9600, "9.6Kbit"), (50_000_000, "50Mbit"), (1_500_000_000, "1.5Gbit")]
)
def test_a_rate_is_shown_as_it_is_typed(bits: int, text: str) -> None:
    assert bandwidth.rate_text(bits) == text
    assert not bits or options_resources.rate("--network-egress", text) == bits


@given(st.one_of(st.text(max_size=20), st.text("0123456789.kmgtbi ", max_size=12)))
def test_any_text_is_a_rate_or_one_clear_line(typed: str) -> None:
    # Invariant: 0, or at least 8000 bits per second; or InvalidInput that begins with the flag.
    try:
        found = options_resources.rate("--network-egress", typed)
        assert found == 0 or found >= 8000
    except InvalidInput as error:
        assert str(error).startswith("--network-egress: ")
