"""Times: RFC 3339 with nanoseconds, Go's durations, what people read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import times
from ringfence.errors import InvalidInput

NOW = 1_800_000_000 * times.SECOND


@given(st.integers(min_value=1, max_value=4_000_000_000 * times.SECOND))
def test_a_written_time_is_read_to_the_nanosecond(moment: int) -> None:
    # Invariant: parse_rfc3339 is the inverse of rfc3339.
    assert times.parse_rfc3339(times.rfc3339(moment)) == moment


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_one_clear_error(text: str) -> None:
    # Invariant: parse_moment returns an int or raises InvalidInput that names the flag.
    try:
        assert isinstance(times.parse_moment("--since", text, NOW), int)
    except InvalidInput as error:
        assert str(error).startswith("--since: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", NOW - 600 * times.SECOND),
        ("1h30m", NOW - 5400 * times.SECOND),
        ("1.5s", NOW - 1_500_000_000),
        ("0", 0),
        ("1700000000", 1_700_000_000 * times.SECOND),
        ("1700000000.000000001", 1_700_000_000 * times.SECOND + 1),
        ("2023-11-14T22:13:20Z", 1_700_000_000 * times.SECOND),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000 * times.SECOND + 500_000_000),
    ],
)
def test_since_takes_what_docker_takes(text: str, expected: int) -> None:
    assert times.parse_moment("--since", text, NOW) == expected


def test_never_is_dockers_zero() -> None:
    assert times.rfc3339(0) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"), (150, "2 minutes"),
     (3600, "About an hour"), (2 * 3600, "2 hours"), (49 * 3600, "2 days"), (15 * 86400, "2 weeks"),
     (90 * 86400, "3 months"), (800 * 86400, "2 years")],
)  # fmt: skip
def test_a_span_is_said_as_docker_says_it(seconds: int, words: str) -> None:
    assert times.span(seconds * times.SECOND) == words
