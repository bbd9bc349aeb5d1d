"""The Dockerfile as stages of instructions: every instruction with its flags, words and here-documents, checked as far
as it can be before anything is built. Variables are not replaced here: their values come with the build.

Docker's "Dockerfile reference"; the grammar of one instruction is a row of `GRAMMAR`.
"""

from __future__ import annotations

from ringfence import json
from ringfence.build.lines import Line, Lines, raw_words
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from ringfence.build.lines import Heredoc

_STAGE_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.")


class Grammar:
    """What an instruction may have: its flags (True: may be repeated), and how its arguments are read."""

    __slots__ = ("flags", "read")

    def __init__(self, read: Callable[[Instruction, str], None], flags: dict[str, bool] | None = None) -> None:
        self.read = read
        self.flags = flags or {}


class Instruction:
    """One instruction. `name` is in capitals; `text` its arguments as written, without flags.

    `words`: the arguments of those that take words (not replaced, quotes kept; of the JSON form: the texts). `exec`:
    the JSON form was used. `pairs`: NAME and value of ENV, LABEL, ARG (None: ARG without a default). `inner`: what
    ONBUILD and HEALTHCHECK hold. `flags`: values by name; a flag without a value is "".
    """

    __slots__ = ("exec", "flags", "inner", "line", "name", "pairs", "text", "words")

    def __init__(self, name: str, line: Line) -> None:
        self.name = name
        self.line = line
        self.text = ""
        self.exec = False
        self.words: list[str] = []
        self.pairs: list[tuple[str, str | None]] = []
        self.flags: dict[str, list[str]] = {}
        self.inner: Instruction | None = None

    @property
    def heredocs(self) -> list[Heredoc]:
        return self.line.heredocs

    def flag(self, name: str) -> str | None:
        """The value of a flag, None if it was not given."""
        values = self.flags.get(name)
        return values[-1] if values else None

    def switch(self, name: str) -> bool:
        """A flag that may stand alone."""
        value = self.flag(name)
        if value not in (None, "", "true", "false", "1", "0"):
            self.refuse(f"--{name}={value}: is neither true nor false")
        return value in ("", "true", "1")

    def refuse(self, why: str, *, hint: str = "") -> NoReturn:
        self.line.refuse(why, hint=hint)

    def __repr__(self) -> str:
        return f"Instruction({self.name}, {self.text!r})"


class Stage:
    """A stage: `base` as written behind FROM, its name (or ""), its place, and its instructions without FROM."""

    __slots__ = ("base", "index", "instructions", "name", "origin")

    def __init__(self, index: int, origin: Instruction, base: str, name: str) -> None:
        self.index = index
        self.origin = origin
        self.base = base
        self.name = name
        self.instructions: list[Instruction] = []

    def __repr__(self) -> str:
        return f"Stage({self.index}, {self.base!r}, {self.name!r})"


class Dockerfile:
    """`arguments`: the ARGs before the first FROM. `stages`: at least one. `escape`, `directives`: see lines.Lines."""

    def __init__(self, content: bytes, file: str = "Dockerfile") -> None:
        read = Lines(content, file)
        self.file = file
        self.escape = read.escape
        self.directives = read.directives
        self.arguments: list[Instruction] = []
        self.stages: list[Stage] = []
        for line in read.lines:
            self._add(parse_instruction(line, self.escape))
        if not self.stages:
            raise InvalidInput(f"{file}: has no FROM: there is nothing to build")

    def _add(self, instruction: Instruction) -> None:
        if instruction.name == "FROM":
            self.stages.append(self._stage(instruction))
        elif self.stages:
            self.stages[-1].instructions.append(instruction)
        elif instruction.name == "ARG":
            self.arguments.append(instruction)
        else:
            instruction.refuse("only ARG may stand before the first FROM")

    def _stage(self, instruction: Instruction) -> Stage:
        words = instruction.words
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            instruction.refuse("FROM takes an image, or an image AS a name")
        name = words[2].lower() if len(words) == 3 else ""
        if name and not (name[0].isalpha() and _STAGE_NAME.issuperset(name)):
            instruction.refuse(f'"{name}" is no name for a stage: it must match [a-z][a-z0-9-_.]*')
        if name and any(stage.name == name for stage in self.stages):
            instruction.refuse(f"there is a stage {name} already")
        return Stage(len(self.stages), instruction, words[0], name)

    def stage(self, name: str, before: int | None = None) -> Stage | None:
        """The stage of that name or number (among the first `before`), None if there is none."""
        stages = self.stages[:before]
        for stage in reversed(stages):
            if stage.name and stage.name == name.lower():
                return stage
        if name.isascii() and name.isdecimal() and int(name[:6]) < len(stages):
            return stages[int(name[:6])]
        return None


def parse_instruction(line: Line, escape: str = "\\") -> Instruction:
    """The instruction of a logical line; InvalidInput quotes the line."""
    word, *rest = line.text.split(None, 1)
    instruction = Instruction(word.upper(), line)
    grammar = GRAMMAR.get(instruction.name)
    if grammar is None:
        line.refuse(f"unknown instruction {word}", hint=_nearest(instruction.name))
    text = _take_flags(instruction, rest[0] if rest else "", grammar, escape)
    instruction.text = text.strip()
    if not instruction.text:
        line.refuse(f"{instruction.name} needs an argument")
    try:
        grammar.read(instruction, escape)
    except ValueError as error:
        line.refuse(str(error))
    return instruction


def _nearest(word: str) -> str:
    import difflib

    found = difflib.get_close_matches(word, GRAMMAR, 1)
    return f"did you mean {found[0]}?" if found else ""


def _take_flags(instruction: Instruction, text: str, grammar: Grammar, escape: str) -> str:
    """Read `--name=value` words off the beginning of the arguments; the rest."""
    while True:
        text = text.lstrip()
        if not text.startswith("--"):
            return text
        word = raw_words(text, escape)[0]
        if word == "--":
            return text[2:]
        if instruction.name not in FLAGGED:
            return text  # not a flag but an argument: `CMD --help`
        text = text[len(word) :]
        name, equals, value = word[2:].partition("=")
        if name not in grammar.flags:
            known = " ".join(f"--{flag}" for flag in grammar.flags)
            instruction.refuse(f"unknown flag --{name}", hint=f"{instruction.name} has: {known}")
        if not equals and name not in ALONE:
            instruction.refuse(f"--{name} needs a value")
        if name in instruction.flags and not grammar.flags[name]:
            instruction.refuse(f"--{name} is there twice")
        instruction.flags.setdefault(name, []).append(value)


# How arguments are read ----------------------------------------------------------------------------------------------


def _json_form(text: str) -> list[str] | None:
    """The texts of a JSON array; None for anything else, which then is the shell's (as docker does, with a warning)."""
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        return None
    return found


def _command(instruction: Instruction, _escape: str) -> None:
    """RUN, CMD, ENTRYPOINT: JSON, or a text for the shell."""
    words = _json_form(instruction.text)
    instruction.exec = words is not None
    instruction.words = [instruction.text] if words is None else words
    if instruction.name == "RUN" and instruction.exec and not words:
        raise ValueError("RUN needs a command")


def _paths(instruction: Instruction, escape: str) -> None:
    """COPY, ADD: at least a source and a destination; VOLUME: at least one path."""
    words = _json_form(instruction.text)
    instruction.exec = words is not None
    instruction.words = raw_words(instruction.text, escape) if words is None else words
    least = 1 if instruction.name == "VOLUME" else 2
    if len(instruction.words) < least or not all(instruction.words):
        raise ValueError("VOLUME needs a path" if least == 1 else "needs a source and a destination")


def _shell(instruction: Instruction, _escape: str) -> None:
    words = _json_form(instruction.text)
    if not words:
        raise ValueError('SHELL needs the JSON form, like ["/bin/bash", "-c"]')
    instruction.exec, instruction.words = True, words


def _several(instruction: Instruction, escape: str) -> None:
    instruction.words = raw_words(instruction.text, escape)


def _single(instruction: Instruction, escape: str) -> None:
    instruction.words = raw_words(instruction.text, escape)
    if len(instruction.words) != 1:
        raise ValueError(f"{instruction.name} takes one argument")


def _whole(instruction: Instruction, _escape: str) -> None:
    """WORKDIR, MAINTAINER: everything is one value."""
    instruction.words = [instruction.text]


def _settings(instruction: Instruction, escape: str) -> None:
    """ENV, LABEL: `A=1 B="x y"`, or the old form `A the rest`."""
    words = raw_words(instruction.text, escape)
    if "=" not in words[0]:
        value = instruction.text[len(words[0]) :].strip()
        if not value:
            raise ValueError(f"{instruction.name} needs NAME=VALUE")
        instruction.pairs = [(words[0], value)]
        return
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"{word} is not NAME=VALUE")
        instruction.pairs.append((name, value))


def _arguments(instruction: Instruction, escape: str) -> None:
    for word in raw_words(instruction.text, escape):
        name, equals, value = word.partition("=")
        if not name:
            raise ValueError(f"{word} is not NAME or NAME=VALUE")
        instruction.pairs.append((name, value if equals else None))


def _trigger(instruction: Instruction, escape: str) -> None:
    """ONBUILD: another instruction, kept as text and checked now."""
    line = Line(instruction.line.file, instruction.line.number, instruction.text)
    line.heredocs = instruction.line.heredocs
    inner = parse_instruction(line, escape)
    if inner.name in ("ONBUILD", "FROM", "MAINTAINER"):
        raise ValueError(f"{inner.name} is not allowed as an ONBUILD trigger")
    instruction.inner = inner


def _health_check(instruction: Instruction, _escape: str) -> None:
    """NONE, or CMD and a command."""
    word, *rest = instruction.text.split(None, 1)
    if word.upper() == "NONE" and not rest and not instruction.flags:
        return
    if word.upper() != "CMD" or not rest:
        raise ValueError("HEALTHCHECK needs NONE, or CMD and a command")
    inner = instruction.inner = Instruction("CMD", instruction.line)
    inner.text = rest[0]
    _command(inner, _escape)


FLAGGED = ("ADD", "COPY", "FROM", "HEALTHCHECK", "RUN")
ALONE = ("link", "parents", "keep-git-dir", "unpack")  # flags that need no value
_COPY_FLAGS = {"chown": False, "chmod": False, "link": False, "exclude": True}

GRAMMAR = {
    "ADD": Grammar(_paths, {**_COPY_FLAGS, "checksum": False, "keep-git-dir": False, "unpack": False}),
    "ARG": Grammar(_arguments),
    "CMD": Grammar(_command),
    "COPY": Grammar(_paths, {**_COPY_FLAGS, "from": False, "parents": False}),
    "ENTRYPOINT": Grammar(_command),
    "ENV": Grammar(_settings),
    "EXPOSE": Grammar(_several),
    "FROM": Grammar(_several, {"platform": False}),
    "HEALTHCHECK": Grammar(
        _health_check,
        dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), False),
    ),
    "LABEL": Grammar(_settings),
    "MAINTAINER": Grammar(_whole),
    "ONBUILD": Grammar(_trigger),
    "RUN": Grammar(_command, {"mount": True, "network": False, "security": False}),
    "SHELL": Grammar(_shell),
    "STOPSIGNAL": Grammar(_single),
    "USER": Grammar(_single),
    "VOLUME": Grammar(_paths),
    "WORKDIR": Grammar(_whole),
}
