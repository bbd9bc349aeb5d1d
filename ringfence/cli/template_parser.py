"""The grammar of Go templates: text in, a tree out (see template.py for what the tree means).

Nodes are tuples whose first item is their kind:
  ("text", text)   ("do", pipeline)   ("break",)   ("continue",)
  ("if", pipeline, body, else body)   ("with", …)   ("range", …)
A pipeline is (declared variables, "" or ":=" or "=", commands); a command is a list of operands; an operand is
(kind, value, fields that follow it, place in the source), its kind one of dot, variable, constant, function, pipeline.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from typing import Any

    Operand = tuple[str, Any, list[str], int]
    Pipeline = tuple[list[str], str, list[list[Operand]]]
    Node = tuple[Any, ...]
    Token = tuple[str, str, int]

UNSUPPORTED = frozenset(("define", "template", "block"))
KEYWORDS = frozenset(("if", "else", "end", "range", "with", "break", "continue")) | UNSUPPORTED
CONSTANTS = {"true": True, "false": False, "nil": None}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
DEPTH = 40  # blocks and parentheses in each other: more than anybody writes, less than Python's stack


class TemplateError(InvalidInput):
    """The template cannot be parsed, or asks for what the data do not have; in the words of Go's text/template."""


def _error(source: str, place: int, what: str) -> TemplateError:
    return TemplateError(f"template: :{source.count(chr(10), 0, place) + 1}: {what}")


def tokens(source: str) -> Iterator[Token]:
    """Cut `source` into (kind, text, place): text, open, close, field, name, variable, string, number, punctuation.

    A field that touches what stands before it is a "chain": `.A.B` is one operand, `.A .B` are two.
    """
    place = 0
    while True:
        start = source.find("{{", place)
        text = source[place:] if start < 0 else source[place:start]
        if place and _trims_left(source, place):
            text = text.lstrip()
        if start < 0:
            yield "text", text, place
            return
        trim = source.startswith("- ", start + 2) or source.startswith(("-\t", "-\n"), start + 2)
        yield "text", text.rstrip() if trim else text, place
        place = start + 2 + 2 * trim
        if source.startswith("/*", place):
            end = source.find("*/", place)
            close = source.find("}}", end)
            if end < 0 or source[end + 2 : close].strip() not in ("", "-"):
                raise _error(source, start, "unclosed comment")
            place = close + 2
            continue
        yield "open", "{{", start
        for token in _action(source, place):
            yield token
            place = token[2] + 2
    # the last token of an action is its close, so that `place` is behind it


def _trims_left(source: str, place: int) -> bool:
    return source.startswith("-}}", place - 3) and source[place - 4 : place - 3].isspace()


def _action(source: str, place: int) -> Iterator[Token]:
    """The tokens of one action from `place` to its close."""
    before = -1  # where the token before this one ended
    while True:
        while source[place : place + 1].isspace():
            place += 1
        if source.startswith("}}", place):
            yield "close", "}}", place
            return
        if source.startswith("-}}", place) and source[place - 1].isspace():
            yield "close", "}}", place + 1
            return
        if place >= len(source):
            raise _error(source, place, "unclosed action")
        kind, end = _one(source, place)
        if kind == "field" and place == before:
            kind = "chain"
        yield kind, source[place:end], place
        place = before = end


def _one(source: str, place: int) -> tuple[str, int]:
    """Kind and end of the token at `place`."""
    letter = source[place]
    if letter in '"`':
        return "string", _string_end(source, place)
    if letter in "()|,":
        return letter, place + 1
    if source.startswith(":=", place):
        return ":=", place + 2
    if letter == "=":
        return "=", place + 1
    end = place + (letter in ".$-+")
    while source[end : end + 1].isalnum() or source[end : end + 1] == "_":
        end += 1
    word = source[place:end]
    if letter == "." and not word[1:2].isdigit():
        return "field", end
    if letter == "$":
        return "variable", end
    if letter.isalpha() or letter == "_":
        return "name", end
    if source[end : end + 1] == "." and word[-1:].isdigit():
        end += 1
        while source[end : end + 1].isdigit():
            end += 1
    if end > place + (letter in "-+"):
        return "number", end
    raise _error(source, place, f"unexpected {letter!r} in command")


def _string_end(source: str, place: int) -> int:
    quote = source[place]
    end = place + 1
    while end < len(source) and source[end] != quote and (quote == "`" or source[end] != "\n"):
        end += 2 if quote == '"' and source[end] == "\\" else 1
    if source[end : end + 1] != quote:
        raise _error(source, place, "unterminated quoted string")
    return end + 1


class Parser:
    """Recursive descent over the tokens. `used` collects the names taken from the top-level value."""

    def __init__(self, source: str, functions: Container[str]) -> None:
        self.used: set[str] = set()
        self._source = source
        self._functions = functions
        self._tokens = list(tokens(source))
        self._at = 0
        self._variables = ["$"]
        self._ranges = 0
        self._depth = 0

    def whole(self) -> list[Node]:
        """The tree of the whole template."""
        body, end = self._body()
        if end:
            raise self._unexpected("{{" + end + "}}")
        return body

    def _unexpected(self, what: str = "", where: str = "") -> TemplateError:
        place = self._tokens[min(self._at, len(self._tokens) - 1)][2]
        shown = what or repr(self._peek()[1]).replace("'", '"')
        return _error(self._source, place, f"unexpected {shown}{where}")

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "EOF", len(self._source))

    def _take(self, *kinds: str) -> Token | None:
        """The next token if it is of one of these kinds."""
        token = self._peek()
        if token[0] not in kinds:
            return None
        self._at += 1
        return token

    def _nest(self) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise _error(self._source, self._peek()[2], "nested too deeply")

    def _body(self) -> tuple[list[Node], str]:
        """Nodes up to `{{end}}`, `{{else…` or the end of the text, and which of these it was ("end", "else", "")."""
        body: list[Node] = []
        known = len(self._variables)
        while (token := self._take("text", "open")) is not None:
            if token[0] == "text":
                body.append(("text", token[1]))
                continue
            word = self._peek()[1]
            if self._peek()[0] != "name" or word not in KEYWORDS:
                body.append(("do", self._pipeline("close")))
                continue
            if word in UNSUPPORTED:
                raise _error(self._source, token[2], f"{{{{{word}}}}} is not supported")
            self._at += 1
            if word in ("end", "else"):
                del self._variables[known:]
                return body, word
            body.append(self._block(word))
        return body, ""

    def _block(self, word: str) -> Node:
        """The rest of an action that began with `word`, and its bodies."""
        if word in ("break", "continue"):
            if not self._ranges:
                raise self._unexpected("{{" + word + "}}", " outside {{range}}")
            self._close(word)
            return (word,)
        self._nest()
        known = len(self._variables)
        pipeline = self._pipeline("close", block=word)
        self._ranges += word == "range"
        body, end = self._body()
        self._ranges -= word == "range"
        other: list[Node] = []
        if end == "else":
            if (again := self._take("name")) is not None:
                if again[1] not in ("if", "with") or word == "range":
                    raise self._unexpected(f'"{again[1]}"', " in else")
                other, end = [self._block(again[1])], "end"
                self._at -= 1  # the end of the inner block is this one's as well
            else:
                self._close("else")
                other, end = self._body()
        if end != "end":
            raise self._unexpected("EOF" if not end else "{{" + end + "}}")
        self._close("end")
        del self._variables[known:]
        self._depth -= 1
        return word, pipeline, body, other

    def _close(self, word: str) -> None:
        if self._take("close") is None:
            raise self._unexpected(where=f" in {word}")

    def _pipeline(self, closing: str, block: str = "") -> Pipeline:
        """Commands between pipes, up to the token `closing`, perhaps with `$x :=` or, in a range, `$k, $v :=` first."""
        declared, sign = self._declaration(block)
        commands: list[list[Operand]] = []
        while True:
            command: list[Operand] = []
            while (operand := self._operand()) is not None:
                command.append(operand)
            if not command:
                raise self._unexpected("missing value for " + (block or "command"))
            if commands and command[0][0] == "constant":
                raise self._unexpected("non executable command in pipeline")
            if len(command) > 1 and command[0][0] in ("constant", "variable", "pipeline") and not command[0][2]:
                raise self._unexpected("can't give argument to non-function")
            commands.append(command)
            if self._take(closing) is not None:
                self._variables += declared if sign == ":=" else ()
                return declared, sign, commands
            if self._take("|") is None:
                raise self._unexpected(where=" in operand")

    def _declaration(self, block: str) -> tuple[list[str], str]:
        start = self._at
        declared: list[str] = []
        while (token := self._take("variable")) is not None:
            declared.append(token[1])
            if len(declared) == 1 and block == "range" and self._take(",") is not None:
                continue
            sign = self._take(":=", "=")
            if sign is None or len(declared) > 2:
                break
            for name in declared:
                if sign[0] == "=" and name not in self._variables:
                    raise _error(self._source, token[2], f'undefined variable "{name}"')
            return declared, sign[0]
        self._at = start
        return [], ""

    def _operand(self) -> Operand | None:
        token = self._take("field", "variable", "name", "string", "number", "(")
        if token is None:
            return None
        kind, text, place = token
        operand: Operand
        if kind == "field":
            operand = ("dot", None, [text[1:]] if text != "." else [], place)
        elif kind == "variable":
            if text not in self._variables:
                raise _error(self._source, place, f'undefined variable "{text}"')
            operand = ("variable", text, [], place)
        elif kind == "(":
            self._nest()
            operand = ("pipeline", self._pipeline(")"), [], place)
            self._depth -= 1
        elif kind == "name" and text not in CONSTANTS:
            if text not in self._functions:
                raise _error(self._source, place, f'function "{text}" not defined')
            operand = ("function", text, [], place)
        else:
            operand = ("constant", self._constant(kind, text, place), [], place)
        while (token := self._take("chain")) is not None:
            if kind in ("string", "number", "name") or text == ".":
                raise _error(self._source, place, f"unexpected <{token[1]}> after {text}")
            operand[2].append(token[1][1:])
        if operand[2] and (operand[0] == "dot" or operand[1] == "$"):
            self.used.add(operand[2][0])
        return operand

    def _constant(self, kind: str, text: str, place: int) -> object:
        if kind == "name":
            return CONSTANTS[text]
        if kind == "string":
            return text[1:-1] if text[0] == "`" else self._unquote(text[1:-1], place)
        try:
            return float(text) if "." in text else int(text, 0)
        except ValueError:
            raise _error(self._source, place, f"bad number syntax: {text}") from None

    def _unquote(self, text: str, place: int) -> str:
        out, rest = "", text
        while "\\" in rest:
            plain, _, rest = rest.partition("\\")
            if rest[:1] not in ESCAPES:
                raise _error(self._source, place, f'unknown escape "\\{rest[:1]}" in string')
            out += plain + ESCAPES[rest[0]]
            rest = rest[1:]
        return out + rest
