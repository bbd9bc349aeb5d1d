"""The parser of one verb's command line, of `ringfence` and of `ringrun`: docker's grammar, driven by a table of flags.

Not argparse: importing it costs 7 ms and declaring the flags of `run` 3 ms more, on a path that takes some 20 ms in
all; and its grammar is another one (abbreviations, no `--flag=false`, `-e=A=1`, other words for errors).

The grammar: `--name value`, `--name=value`; `--switch`, `--switch=false`; short ones alone or in a cluster whose last
may take a value (`-it`, `-m64m`, `-m 64m`, `-m=64m`); `--` ends the flags; `-` is an operand. Flags and operands may be
mixed, but for verbs that run another program (`interspersed=False`) the first operand ends the flags.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


class UsageError(InvalidInput):
    """The command line itself is wrong. `status` is docker's exit code: 125 for a flag, 1 for operands and verbs."""

    def __init__(self, what: str, *, status: int = 125) -> None:
        super().__init__(what)
        self.status = status


class Flag:
    """One flag: its long name, the short one or "", what it takes, what it does, and its default.

    `kind` is "flag" (a switch), "value" (a text), "int" (a whole number) or "list" (may be repeated: a list of texts).
    `metavar` is what the help shows for the value. A `hidden` one is not shown there; `alias_of` is the flag whose
    other name (never shown) this one is.
    """

    __slots__ = ("alias_of", "default", "doc", "hidden", "kind", "metavar", "name", "short")

    def __init__(
        self,
        name: str,
        doc: str,
        short: str = "",
        kind: str = "flag",
        *,
        metavar: str = "",
        default: bool | int | str | None = None,
        alias_of: str = "",
        hidden: bool = False,
    ) -> None:
        self.name = name
        self.doc = doc
        self.short = short
        self.kind = kind
        self.metavar = metavar or {"flag": "", "value": "string"}.get(kind, kind)
        self.default = default
        self.alias_of = alias_of
        self.hidden = hidden or bool(alias_of)

    def __repr__(self) -> str:
        return f"Flag({self.shown}, {self.kind})"

    @property
    def shown(self) -> str:
        """How messages name it: `-m, --memory`."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


class Arguments:
    """What was typed: `given` holds only the flags that were there, by long name; `operands` is the rest."""

    __slots__ = ("_flags", "given", "operands")

    def __init__(self, flags: dict[str, Flag]) -> None:
        self._flags = flags
        self.given: dict[str, bool | int | str | list[str]] = {}
        self.operands: list[str] = []

    def on(self, name: str) -> bool:
        """The switch `name`, or its default."""
        return bool(self.given.get(name, self._flags[name].default))

    def text(self, name: str) -> str:
        """The value of `name`, its default, or ""."""
        value = self.given.get(name, self._flags[name].default)
        return "" if value is None else str(value)

    def number(self, name: str) -> int | None:
        """The whole number `name`, or its default."""
        value = self.given.get(name, self._flags[name].default)
        return value if isinstance(value, int) else None

    def options(self, *without: str) -> dict[str, Any]:
        """What was given, but for the flags `without`, as keyword arguments of the engine, which checks them."""
        return {name.replace("-", "_"): value for name, value in self.given.items() if name not in without}

    def many(self, name: str) -> list[str]:
        """All values of the repeated flag `name`, in order."""
        value = self.given.get(name)
        return value if isinstance(value, list) else []


def parse(flags: Sequence[Flag], words: Sequence[str], *, interspersed: bool = True) -> Arguments:
    """Sort `words` into flags and operands by the table `flags`; UsageError (125) names the word that does not fit."""
    long = {flag.name: flag for flag in flags}
    short = {flag.short: flag for flag in flags if flag.short}
    arguments = Arguments(long)
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "--":
            arguments.operands += words[position:]
            break
        if len(word) < 2 or word[0] != "-":
            arguments.operands.append(word)
            if not interspersed:
                arguments.operands += words[position:]
                break
        elif word[1] == "-":
            position += _long(arguments, long, word, words, position)
        else:
            position += _cluster(arguments, long, short, word, words, position)
    return arguments


def _long(arguments: Arguments, long: dict[str, Flag], word: str, words: Sequence[str], position: int) -> int:
    """Take the long flag `word`; return how many of the words that follow it took."""
    name, equals, value = word[2:].partition("=")
    if not name or name[0] == "-":
        raise UsageError(f"bad flag syntax: {word}")
    flag = long.get(name)
    if flag is None:
        if name == "help":
            raise HelpWanted
        raise UsageError(f"unknown flag: --{name}")
    if equals or flag.kind == "flag":
        _store(arguments, long, flag, value if equals else "true")
        return 0
    if position == len(words):
        raise UsageError(f"flag needs an argument: --{name}")
    _store(arguments, long, flag, words[position])
    return 1


def _cluster(
    arguments: Arguments, long: dict[str, Flag], short: dict[str, Flag], word: str, words: Sequence[str], position: int
) -> int:
    """Take the short flags of `word`, as `-it` or `-m64m`; return how many of the words that follow they took."""
    for at in range(1, len(word)):
        letter, rest = word[at], word[at + 1 :]
        flag = short.get(letter)
        if flag is None:
            if letter == "h":
                raise HelpWanted
            raise UsageError(f"unknown shorthand flag: {letter!r} in {word}")
        if rest.startswith("="):
            _store(arguments, long, flag, rest[1:])
            return 0
        if flag.kind == "flag":
            _store(arguments, long, flag, "true")
        elif rest:
            _store(arguments, long, flag, rest)
            return 0
        elif position == len(words):
            raise UsageError(f"flag needs an argument: {letter!r} in {word}")
        else:
            _store(arguments, long, flag, words[position])
            return 1
    return 0


def _store(arguments: Arguments, long: dict[str, Flag], flag: Flag, value: str) -> None:
    name = flag.alias_of or flag.name
    kind = long[name].kind if name in long else flag.kind
    if kind == "flag":
        if value not in TRUE and value not in FALSE:
            raise UsageError(f'invalid argument "{value}" for "{flag.shown}" flag: neither true nor false')
        arguments.given[name] = value in TRUE
    elif kind == "list":
        earlier = arguments.given.setdefault(name, [])
        assert isinstance(earlier, list)
        earlier.append(value)
    elif kind == "int":
        number = _number(value)
        if number is None:
            raise UsageError(f'invalid argument "{value}" for "{flag.shown}" flag: not a whole number')
        arguments.given[name] = number
    else:
        arguments.given[name] = value


def _number(value: str) -> int | None:
    """A whole number of 64 bits; None for anything else."""
    try:
        number = int(value) if value.isascii() and len(value) <= 20 else None
    except ValueError:
        return None
    return number if number is not None and -(1 << 63) <= number < 1 << 63 else None


class HelpWanted(Exception):
    """`--help` was among the flags."""
