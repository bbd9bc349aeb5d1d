"""Words of a Dockerfile: quotes, escapes and the substitution of variables.

Docker's "Dockerfile reference", section "Environment replacement": $x, ${x}, ${x:-w}, ${x:+w}, ${x:?w} (and without the
colon), ${x#p}, ${x##p}, ${x%p}, ${x%%p}, ${x/p/w}, ${x//p/w}. Errors are ValueError: who knows the line quotes it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NAME = _LETTERS | frozenset("0123456789")
_SPECIAL = frozenset("0123456789@*#?-$!")
_DEEPEST = 50  # substitutions inside one another


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """`text` as one word: variables replaced, quotes and escapes gone."""
    return " ".join(_Expander(text, variables, escape, split=False).words())


def expand_words(text: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """`text` as words; a variable outside of quotes may become several."""
    return _Expander(text, variables, escape, split=True).words()


def expand_heredoc(text: str, variables: Mapping[str, str]) -> str:
    """The text of a here-document: variables replaced; quotes are text; a backslash escapes $, itself and a newline."""
    out: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\\" and text[position : position + 1] in ("$", "\\", "\n"):
            out.append(text[position].strip("\n"))
            position += 1
        elif character == "$":
            rest = _Expander(text[position:], variables, "\\", split=False)
            out.append(rest.dollar())
            position += rest.position
        else:
            out.append(character)
    return "".join(out)


class _Expander:
    """One pass over a text. `_parts` is the word being made, None before it has begun (an empty quote begins one)."""

    def __init__(self, text: str, variables: Mapping[str, str], escape: str, *, split: bool, depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise ValueError("substitutions are nested too deeply")
        self._text = text
        self._variables = variables
        self._escape = escape
        self._split = split
        self._depth = depth
        self.position = 0
        self._words: list[str] = []
        self._parts: list[str] | None = None if split else []

    def words(self) -> list[str]:
        while self.position < len(self._text):
            character = self._take()
            if character == "'":
                self._add(self._single_quoted())
            elif character == '"':
                self._add(self._double_quoted())
            elif character == "$":
                self._add_value(self.dollar())
            elif character == self._escape:
                self._add(self._take())
            elif self._split and character.isspace():
                self._end_word()
            else:
                self._add(character)
        self._end_word()
        return self._words

    def _take(self) -> str:
        """The next character, "" at the end."""
        character = self._text[self.position : self.position + 1]
        self.position += 1
        return character

    def _add(self, text: str) -> None:
        if self._parts is None:
            self._parts = []
        self._parts.append(text)

    def _add_value(self, value: str) -> None:
        """A variable's value outside of quotes: its spaces separate words."""
        if not self._split:
            self._add(value)
            return
        pieces = value.split()
        if value and (value[:1].isspace() or not pieces):
            self._end_word()
        for number, piece in enumerate(pieces):
            if number:
                self._end_word()
            self._add(piece)
        if pieces and value[-1].isspace():
            self._end_word()

    def _end_word(self) -> None:
        if self._parts is not None:
            self._words.append("".join(self._parts))
        self._parts = None

    def _single_quoted(self) -> str:
        end = self._text.find("'", self.position)
        if end < 0:
            raise ValueError("a single quote does not end")
        quoted, self.position = self._text[self.position : end], end + 1
        return quoted

    def _double_quoted(self) -> str:
        out = ""
        while True:
            character = self._take()
            if not character:
                raise ValueError("a double quote does not end")
            if character == '"':
                return out
            if character == "$":
                out += self.dollar()
            elif character == self._escape:
                following = self._take()
                out += following if following in ('"', "$", self._escape) else character + following
            else:
                out += character

    def dollar(self) -> str:
        """The value of what follows a `$`; a `$` before nothing of a name is itself."""
        if self._text[self.position : self.position + 1] != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self.position += 1
        name = self._name()
        if not name:
            raise ValueError("${ must be followed by a name")
        operator = self._take()
        if operator == "}":
            return self._variables.get(name, "")
        if operator == ":":
            operator += self._take()
        if operator in (":-", ":+", ":?", "-", "+", "?"):
            return self._conditional(name, operator)
        if operator in ("#", "%"):
            return self._trimmed(name, operator)
        if operator == "/":
            return self._replaced(name)
        raise ValueError(f"unsupported modifier ({operator}) in substitution" if operator else "${ does not end")

    def _name(self) -> str:
        start = self.position
        first = self._text[start : start + 1]
        if first in _SPECIAL:
            self.position += 1
            return first
        if first not in _LETTERS:
            return ""
        while self._text[self.position : self.position + 1] in _NAME:
            self.position += 1
        return self._text[start : self.position]

    def _conditional(self, name: str, operator: str) -> str:
        word = self._nested(self._until("}"))
        value = self._variables.get(name)
        there = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return word if there else ""
        if there:
            return value or ""
        if operator.endswith("?"):
            raise ValueError(f"{name}: {word or 'is not set or empty'}")
        return word

    def _trimmed(self, name: str, operator: str) -> str:
        import re

        longest = self._text[self.position : self.position + 1] == operator
        self.position += longest
        pattern = self._pattern(self._until("}"), greedy=longest)
        value = self._variables.get(name, "")
        if operator == "#":
            found = re.match(pattern, value, re.DOTALL)
            return value[found.end() :] if found else value
        # the shortest (longest) suffix is the match that begins last (first)
        starts = range(len(value) + 1) if longest else range(len(value), -1, -1)
        matcher = re.compile(pattern + r"\Z", re.DOTALL)
        return next((value[:start] for start in starts if matcher.match(value, start)), value)

    def _replaced(self, name: str) -> str:
        import re

        every = self._text[self.position : self.position + 1] == "/"
        self.position += every
        pattern = self._pattern(self._until("/"), greedy=True)
        replacement = self._nested(self._until("}"))
        value = self._variables.get(name, "")
        return re.sub(pattern, lambda _: replacement, value, count=0 if every else 1, flags=re.DOTALL)

    def _pattern(self, text: str, *, greedy: bool) -> str:
        """A shell's pattern as a regular expression; an escaped character is itself."""
        import re

        out, position = "", 0
        while position < len(text):
            character = text[position]
            if character == "\\" and position + 1 < len(text):
                position += 1
                out += re.escape(text[position])
            elif character == "*":
                out += ".*" if greedy else ".*?"
            elif character == "?":
                out += "."
            elif character == "$":
                rest = text[position + 1 :]
                inner = _Expander(rest, self._variables, self._escape, split=False, depth=self._depth + 1)
                out += re.escape(inner.dollar())
                position += inner.position
            else:
                out += re.escape(character)
            position += 1
        return out

    def _nested(self, text: str) -> str:
        return "".join(_Expander(text, self._variables, self._escape, split=False, depth=self._depth + 1).words())

    def _until(self, end: str) -> str:
        """The raw text up to `end`, which is taken too; substitutions, quotes and escapes in it are passed over."""
        start, depth, quote = self.position, 0, ""
        while True:
            character = self._take()
            if not character:
                raise ValueError("${ does not end")
            if character == self._escape and quote != "'":
                self._take()
            elif character == quote:
                quote = ""
            elif not quote and character in "'\"":
                quote = character
            elif quote:
                continue
            elif character == "$" and self._text[self.position : self.position + 1] == "{":
                self._take()
                depth += 1
            elif character == end and not depth:
                return self._text[start : self.position - 1]
            elif character == "}":
                if not depth:
                    raise ValueError(f"a substitution has no {end}")
                depth -= 1
