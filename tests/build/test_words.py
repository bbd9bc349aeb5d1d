"""Words: quotes, escapes and substitution, as the Dockerfile reference describes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.build.words import expand, expand_heredoc, expand_words

VARIABLES = {"x": "value", "empty": "", "path": "/usr/lib/a.tar.gz", "two": "a b", "n": "1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$x", "value"),
        ("${x}y", "valuey"),
        ("$xy", ""),
        ("$", "$"),
        ("a$", "a$"),
        ("$-", ""),
        ("'$x'", "$x"),
        ('"$x"', "value"),
        ('"a \\"b\\" \\$x \\n"', 'a "b" $x \\n'),
        ("\\$x", "$x"),
        ("a\\ b", "a b"),
        ("''", ""),
        ("${missing:-d}", "d"),
        ("${empty:-d}", "d"),
        ("${empty-d}", ""),
        ("${missing-d}", "d"),
        ("${x:+set}", "set"),
        ("${empty:+set}", ""),
        ("${empty+set}", "set"),
        ("${missing:-${x:-y}z}", "valuez"),
        ("${missing:-'a}b'}", "a}b"),
        ("${path#*/}", "usr/lib/a.tar.gz"),
        ("${path##*/}", "a.tar.gz"),
        ("${path%.*}", "/usr/lib/a.tar"),
        ("${path%%.*}", "/usr/lib/a"),
        ("${path%nothing}", "/usr/lib/a.tar.gz"),
        ("${path/lib/LIB}", "/usr/LIB/a.tar.gz"),
        ("${path//a/A}", "/usr/lib/A.tAr.gz"),
        ("${path//\\//_}", "_usr_lib_a.tar.gz"),
        ("${x/v*/$n}", "1"),
        ("${x?must be}", "value"),
    ],
)
def test_a_word_is_expanded(text: str, expected: str) -> None:
    assert expand(text, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("'open", "single quote"),
        ('"open', "double quote"),
        ("${x", "does not end"),
        ("${}", "followed by a name"),
        ("${x^}", "unsupported modifier"),
        ("${missing:?needed}", "missing: needed"),
        ("${empty:?}", "not set or empty"),
        ("${x/a}", "has no /"),
        ("${x:-" * 60 + "}" * 60, "nested too deeply"),
    ],
)
def test_what_cannot_be_expanded_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        expand(text, {} if "nested" in why else VARIABLES)


def test_a_variable_may_become_several_words_but_not_within_quotes() -> None:
    assert expand_words('1 $two "$two" $empty ""', VARIABLES) == ["1", "a", "b", "a b", ""]
    assert expand_words("x${two}y", VARIABLES) == ["xa", "by"]


def test_with_a_backtick_as_escape_a_backslash_is_text() -> None:
    assert expand("c:\\x`$y", VARIABLES, "`") == "c:\\x$y"


def test_a_here_document_keeps_its_quotes_and_escapes_only_what_a_shell_does() -> None:
    text = "\"$x\" '${x}' \\$x \\\\ \\n\n"
    assert expand_heredoc(text, VARIABLES) == "\"value\" 'value' $x \\ \\n\n"


words = st.text("ab'\"\\$${}:-+?#%/* xn_1`", max_size=30)


@given(words, st.sampled_from("\\`"))
def test_any_text_is_a_word_or_a_value_error(text: str, escape: str) -> None:
    # Invariant: no text crashes, hangs or needs more than its own length; single-quoted it is itself.
    for form in (expand, expand_words):
        try:
            form(text, VARIABLES, escape)
        except ValueError:
            continue
    if "'" not in text:
        assert expand(f"'{text}'", VARIABLES, escape) == text


@given(words)
def test_any_text_is_a_here_document(text: str) -> None:
    # Invariant: a text without $ and backslash stays as it is; any other is a text or a ValueError.
    try:
        expanded = expand_heredoc(text, VARIABLES)
    except ValueError:
        assert "${" in text
        return
    if "$" not in text and "\\" not in text:
        assert expanded == text
