"""`--filter name=value`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.cli import filters
from ringfence.cli.parser import UsageError


def test_values_of_one_name_are_gathered() -> None:
    assert filters.parse(["status=running", "Status=exited", "label=a=b"]) == {
        "status": ["running", "exited"],
        "label": ["a=b"],
    }


@pytest.mark.parametrize("word", ["", "status", "=x", " =x"])
def test_a_filter_without_name_or_equals_sign_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="bad format of filter"):
        filters.parse([word])


@given(st.lists(st.text(max_size=8), max_size=5))
def test_any_words_become_filters_or_are_refused(words: list[str]) -> None:
    # Invariant: a dict of lists without doubles, whose names are not empty, or UsageError that quotes a word.
    try:
        parsed = filters.parse(words)
    except UsageError as error:
        assert any(f'"{word}"' in error.what for word in words)
        return
    assert all(name and len(values) == len(set(values)) for name, values in parsed.items())
