"""Patterns: .dockerignore's rules as moby's, and COPY's wildcards as Go's filepath.Match."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.build.ignore import parse
from ringfence.build.patterns import clean, compiled
from ringfence.errors import InvalidInput


@pytest.mark.parametrize(
    ("rules", "left_out", "kept"),
    [
        ("*.log", ["a.log"], ["b/a.log", "a.log.txt"]),
        ("**/*.log", ["a.log", "b/c/a.log"], ["a.txt"]),
        ("/node_modules", ["node_modules", "node_modules/a/b"], ["x/node_modules"]),
        ("node_modules/", ["node_modules/a"], []),
        ("a/*/c", ["a/b/c", "a/b/c/d"], ["a/c", "a/b/b/c"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("**/b", ["b", "a/b", "a/c/b/d"], ["bb"]),
        ("*\n!README.md", ["a", "a/README.md"], ["README.md"]),
        ("docs\n!docs/keep", ["docs/a"], ["docs/keep", "docs/keep/b"]),
        ("!a\na", ["a"], []),
        ("# comment\n\n a \n", ["a"], ["# comment"]),
        ("./x/../y", ["y"], ["x"]),
        ("[a-c].txt", ["b.txt"], ["d.txt"]),
        ("[^a-c].txt", ["d.txt"], ["b.txt", "/.txt"]),
        ("\\*", ["*"], ["a"]),
        ("?", ["a"], ["ab", "a?"]),
    ],
)
def test_the_last_rule_that_matches_decides(rules: str, left_out: list[str], kept: list[str]) -> None:
    found = parse(rules.encode())
    assert [path for path in left_out if not found.excludes(path)] == []
    assert [path for path in kept if found.excludes(path)] == []


@pytest.mark.parametrize("pattern", ["[", "[]", "[a-", "a\\", "[z-a]", "!"])
def test_a_malformed_pattern_is_refused_with_its_line(pattern: str) -> None:
    with pytest.raises(InvalidInput, match=r"^\.dockerignore:2: "):
        parse(b"ok\n" + pattern.encode())


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not UTF-8"):
        parse(b"\xff")


names = st.text("ab.*?[]!-\\^/", max_size=12)
paths = st.lists(st.text("ab.-", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


@given(st.lists(names, max_size=5), paths)
def test_any_text_is_rules_or_one_clear_line(lines: list[str], path: str) -> None:
    # Invariant: any text is refused in one line, or decides about every path; a path below one that is left out is left
    # out too, unless there is an exception; rules twice are the rules once.
    text = "\n".join(lines)
    try:
        rules = parse(text.encode())
    except InvalidInput as error:
        assert str(error).startswith(".dockerignore:")
        return
    excluded = rules.excludes(path)
    if excluded and not rules.has_exceptions:
        assert rules.excludes(f"{path}/below")
    assert parse(f"{text}\n{text}".encode()).excludes(path) in (excluded, True)
    if not rules:
        assert not excluded


@given(st.text("ab*?", min_size=1, max_size=6), st.text("ab", min_size=1, max_size=6))
def test_wildcards_match_as_those_of_python(pattern: str, name: str) -> None:
    # Invariant: without classes and slashes, what pathlib says of one name is what we say.
    if "**" not in pattern:
        assert bool(compiled(pattern).match(name)) == PurePosixPath(name).match(pattern)


@given(st.text("ab./", max_size=12))
def test_a_clean_path_stays_inside(path: str) -> None:
    # Invariant: it is relative, has no . and .. in it, and cleaning it again changes nothing.
    found = clean(path)
    assert not found.startswith("/")
    assert not {".", ".."}.intersection(found.split("/"))
    assert clean(found) == found
