"""Sizes and ages in docker's words."""

from __future__ import annotations

import time

import pytest

from ringfence.cli import units


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (7_340_032, "7.34MB"), (1.5e9, "1.5GB"), (123e6, "123MB")],
)
def test_sizes_are_decimal_with_three_digits(count: float, text: str) -> None:
    assert units.size(count) == text


def test_memory_is_binary() -> None:
    assert units.binary_size(7_340_032) == "7MiB"


def test_ages_end_in_ago() -> None:
    assert units.ago(int(time.time()) - 250) == "4 minutes ago"
    assert units.ago(0) == "N/A"


def test_an_ellipsis_keeps_the_length() -> None:
    assert units.ellipsis("abcdef", 4) == "abc…"
    assert units.ellipsis("abcd", 4) == "abcd"
