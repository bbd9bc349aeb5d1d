"""The readers of sizes, durations, numbers and switches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import options_kinds as kinds
from ringfence.errors import InvalidInput


@pytest.mark.parametrize(
    ("typed", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("64b", 64),
        ("32kb", 32 << 10),
        ("64m", 64 << 20),
        ("64M", 64 << 20),
        ("64MiB", 64 << 20),
        ("1.5g", 3 << 29),
        ("2 g", 2 << 30),
        (".5k", 512),
        ("1t", 1 << 40),
        (4096, 4096),
    ],
)
def test_a_size_is_read_as_docker_reads_it(typed: str | int, size: int) -> None:
    assert kinds.size("--memory", typed) == size


@pytest.mark.parametrize("typed", ["", "64q", "m", "-1", "1..5g", "1e3", "0x10", "64 m b", "١", "10ib", True, 1.5j])
def test_what_is_no_size_is_refused_in_a_line_that_names_flag_and_value(typed: Any) -> None:
    with pytest.raises(InvalidInput, match=r'^--memory: ".*" is not a size$'):
        kinds.size("--memory", typed)


def test_a_size_that_the_kernel_could_not_hold_is_refused() -> None:
    with pytest.raises(InvalidInput, match="does not fit into 64 bits"):
        kinds.size("--memory", "9999999p")


@pytest.mark.parametrize(
    ("typed", "nanoseconds"),
    [
        ("0", 0),
        ("1s", 10**9),
        ("1m30s", 90 * 10**9),
        ("1.5h", 5400 * 10**9),
        ("500ms", 5 * 10**8),
        ("10us", 10**4),
        ("10µs", 10**4),
        ("3ns", 3),
        (2, 2 * 10**9),
        (0.25, 250_000_000),
    ],
)
def test_a_duration_is_read_as_go_writes_it_and_a_number_means_seconds(typed: str | float, nanoseconds: int) -> None:
    assert kinds.duration("--health-interval", typed) == nanoseconds


@pytest.mark.parametrize("typed", ["", "5", "s", "1x", "-1s", "1s2", "..s", "1m 30s", -1, float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(typed: Any) -> None:
    with pytest.raises(InvalidInput, match=r'^--health-interval: ".*" is not a duration'):
        kinds.duration("--health-interval", typed)


@pytest.mark.parametrize("typed", ["", "a", "1.0", "0x1", "--1", "²", True, None, "9" * 30])
def test_what_is_no_number_is_refused(typed: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^--pids-limit: "):
        kinds.number("--pids-limit", typed)


def test_switches_take_the_words_that_go_takes() -> None:
    assert all(kinds.switch("--rm", word) for word in (True, "true", "T", "1"))
    assert not any(kinds.switch("--rm", word) for word in (False, "False", "0"))
    with pytest.raises(InvalidInput, match='--rm: "yes" is neither true nor false'):
        kinds.switch("--rm", "yes")


def test_a_nul_byte_is_refused_wherever_text_is_read() -> None:
    with pytest.raises(InvalidInput, match="--name: the value contains a NUL byte"):
        kinds.text("--name", "a\0b")


@given(st.integers(0, 2**63 - 1))
def test_every_number_of_bytes_is_the_size_it_says(number: int) -> None:
    # Invariant: a size without a unit is exact, whatever its magnitude.
    assert kinds.size("--memory", str(number)) == number


@given(st.integers(0, 2**30), st.sampled_from(list(kinds.SIZE_UNITS)), st.sampled_from(["", "b", "B"]))
def test_every_unit_multiplies_by_a_power_of_1024(number: int, unit: str, suffix: str) -> None:
    # Invariant: NUMBER UNIT is NUMBER times the unit, in either case of letters.
    if number * kinds.SIZE_UNITS[unit] < 2**63:
        assert kinds.size("--memory", f"{number}{unit.upper()}{suffix}") == number * kinds.SIZE_UNITS[unit]


@given(st.one_of(st.text(max_size=20), st.text("0123456789.kmgtpbiKMB -", max_size=12)))
def test_any_text_is_a_size_or_one_clear_line(typed: str) -> None:
    # Invariant: a reader returns a value in range or raises InvalidInput of one line that begins with the flag.
    try:
        assert 0 <= kinds.size("--memory", typed) < 2**63
    except InvalidInput as error:
        assert str(error).startswith("--memory: ")


@given(st.one_of(st.text(max_size=20), st.text("0123456789.hmsnuµ -", max_size=16)))
def test_any_text_is_a_duration_or_one_clear_line(typed: str) -> None:
    # Invariant: as for sizes.
    try:
        assert 0 <= kinds.duration("--timeout", typed) < 2**63
    except InvalidInput as error:
        assert str(error).startswith("--timeout: ")


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(list(kinds.DURATION_UNITS))), min_size=1, max_size=5))
def test_the_parts_of_a_duration_add_up(parts: list[tuple[int, str]]) -> None:
    # Invariant: a duration is the sum of its parts, in whatever order they stand.
    typed = "".join(f"{number}{unit}" for number, unit in parts)
    whole = sum(number * kinds.DURATION_UNITS[unit] for number, unit in parts)
    if whole > kinds.INT64_MAX:
        with pytest.raises(InvalidInput, match="does not fit into 64 bits"):
            kinds.duration("--timeout", typed)
        return
    assert kinds.duration("--timeout", typed) == whole
