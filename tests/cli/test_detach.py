"""Detach keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.cli.detach import Detector, parse
from ringfence.cli.parser import UsageError


@pytest.mark.parametrize(
    ("text", "sequence"),
    [("ctrl-p,ctrl-q", b"\x10\x11"), ("a,b", b"ab"), ("ctrl-@,ctrl-[,ctrl-\\,ctrl-_", b"\x00\x1b\x1c\x1f"),
     ("ctrl-P", b"\x10"), ("", b"")],
)  # fmt: skip
def test_keys_are_written_as_for_docker(text: str, sequence: bytes) -> None:
    assert parse(text) == sequence


@pytest.mark.parametrize("text", ["ctrl-1", "ab", "ctrl-", "a,,b", "é", "shift-a"])
def test_an_unknown_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="unknown key"):
        parse(text)


def test_a_beginning_of_the_sequence_is_held_back_until_it_is_clear() -> None:
    detector = Detector(b"\x10\x11")

    assert detector.feed(b"ls\x10") == (b"ls", False)
    assert detector.feed(b"x") == (b"\x10x", False)
    assert detector.feed(b"\x10\x10") == (b"\x10", False)
    assert detector.feed(b"\x11") == (b"", True)


@given(st.lists(st.binary(max_size=4), max_size=8), st.sampled_from([b"", b"a", b"ab", b"aab", b"aba"]))
def test_cutting_what_is_typed_changes_nothing(pieces: list[bytes], sequence: bytes) -> None:
    # Invariant: however input arrives in pieces, the same comes through: all up to the first sequence, or all but a
    # beginning of the sequence at the end.
    typed = b"".join(pieces)
    detector, passed, detached = Detector(sequence), b"", False
    for piece in pieces:
        some, detached = detector.feed(piece)
        passed += some
        if detached:
            break
    assert detached == (bool(sequence) and sequence in typed)
    if detached:
        assert passed == typed[: typed.index(sequence)]
    else:
        assert typed.startswith(passed)
        assert sequence.startswith(typed[len(passed) :])
