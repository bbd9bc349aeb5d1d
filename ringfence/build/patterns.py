"""Patterns of paths: those of COPY's sources (Go's filepath.Match) and those of .dockerignore (with `**` and `!`)."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAGIC = frozenset("*?[\\")


def is_pattern(text: str) -> bool:
    return not MAGIC.isdisjoint(text)


def compiled(pattern: str, *, deep: bool = False) -> re.Pattern[str]:
    """A regular expression for a whole path; `deep`: `**` crosses directories. ValueError for a malformed pattern."""
    out, position = "", 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            stars = 1
            while pattern[position : position + 1] == "*":
                position, stars = position + 1, stars + 1
            if not deep or stars == 1:
                out += "[^/]*"
            elif pattern[position : position + 1] == "/":
                out, position = out + "(?:.*/)?", position + 1
            else:
                out += ".*"
        elif character == "?":
            out += "[^/]"
        elif character == "[":
            piece, position = _class(pattern, position)
            out += piece
        elif character == "\\":
            if position == len(pattern):
                raise ValueError(f"pattern {pattern}: ends with a backslash")
            out += re.escape(pattern[position])
            position += 1
        else:
            out += re.escape(character)
    return re.compile(out + r"\Z", re.DOTALL)


def _class(pattern: str, position: int) -> tuple[str, int]:
    """A character class behind its `[`: the regular expression, and the position behind its `]`."""
    negated = pattern[position : position + 1] == "^"
    position += negated
    ranges = ""
    while True:
        if position >= len(pattern) or (pattern[position] == "]" and not ranges):
            raise ValueError(f"pattern {pattern}: has a [ that is not closed, or encloses nothing")
        if pattern[position] == "]":
            return f"[{'^/' if negated else ''}{ranges}]", position + 1
        low, position = _class_character(pattern, position)
        high = low
        if pattern[position : position + 1] == "-":
            high, position = _class_character(pattern, position + 1)
        if high < low:
            raise ValueError(f"pattern {pattern}: the range {low}-{high} is empty")
        ranges += re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}"


def _class_character(pattern: str, position: int) -> tuple[str, int]:
    if pattern[position : position + 1] == "\\":
        position += 1
    if position >= len(pattern) or (pattern[position] == "]" and pattern[position - 1] != "\\"):
        raise ValueError(f"pattern {pattern}: has a [ that is not closed")
    return pattern[position], position + 1


def clean(path: str) -> str:
    """A path or pattern relative to the root of a tree, without `.`, `..` above the root, and double slashes."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


class Rules:
    """An ordered list of patterns, of which the last that matches a path or one of its parents decides.

    moby/patternmatcher's rules: a pattern names a file or a directory with all below; `!` makes an exception.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        self.has_exceptions = False
        for pattern in patterns:
            exception = pattern.startswith("!")
            cleaned = clean(pattern.removeprefix("!").strip())
            if cleaned:
                self._rules.append((compiled(cleaned, deep=True), exception))
                self.has_exceptions |= exception

    def __bool__(self) -> bool:
        return bool(self._rules)

    def excludes(self, path: str) -> bool:
        """Whether `path` (relative, without a slash at its end) is left out."""
        parts = path.split("/")
        candidates = ["/".join(parts[: number + 1]) for number in range(len(parts))]
        excluded = False
        for rule, exception in self._rules:
            if excluded == exception and any(rule.match(candidate) for candidate in candidates):
                excluded = not exception
        return excluded
