"""Signals are known by every name that docker, runc and kill take."""

from __future__ import annotations

import signal
import subprocess

import pytest

from ringfence.errors import InvalidInput
from ringfence.linux import signals


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SIGTERM", 15),
        ("TERM", 15),
        ("term", 15),
        ("sigterm", 15),
        ("15", 15),
        (" KILL ", 9),
        ("CLD", 17),
        ("SIGPOLL", 29),
        ("RTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("rtmax-2", 62),
        ("SIGRTMAX", 64),
        ("64", 64),
    ],
)
def test_a_name_or_number_is_parsed(text: str, number: int) -> None:
    assert signals.parse(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "0", "65", "-9", "SIG", "SIGSIGTERM", "FOO", "RTMIN+31", "RTMIN+", "RTMAX-0x1", "9.0", "1e1", "٣", "+9"],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        signals.parse(text)
    assert str(caught.value) == f'invalid signal: "{text}"'


def test_names_are_those_of_kill() -> None:
    listed = subprocess.run(["bash", "-c", "kill -l"], capture_output=True, text=True, check=True).stdout.split()
    known = {int(number.rstrip(")")): name for number, name in zip(listed[::2], listed[1::2], strict=True)}
    assert {number: signals.name(number) for number in known} == known


def test_every_number_has_a_name_that_leads_back() -> None:
    for number in signal.valid_signals():
        assert signals.parse(signals.name(number)) == number


def test_numbers_that_are_no_signals_have_no_name() -> None:
    for number in (0, -1, 65):
        with pytest.raises(InvalidInput):
            signals.name(number)
