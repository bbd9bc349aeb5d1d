"""The Plan: everything that turns a bundle into a running process, computed as data before anything is done.

A plan is a flat list of typed operations, executed strictly in order by native/ringinit.c in two processes: the
`runtime` actor in the host's namespaces and the `container` actor that becomes the program. Nothing is decided while
executing. `describe()` is for people, `encode()` for the executor.
"""

from __future__ import annotations

from ringfence.runtime import operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Argument = int | str | bytes | Sequence[str]
    Position = tuple[int, int]

RUNTIME, CONTAINER = 0, 1
ACTORS = ("runtime", "container")
SLOTS = 512
STDIO = {"inherit": 0, "pipes": 1, "terminal": 2}
PARENTS = {"monitor": 0, "reaper": 1, "caller": 2}

_MAGIC = b"RFP%c" % len(operations.CODES)  # a helper built for another table of operations refuses the plan
_HEADER = 32  # bytes: the magic, and seven words
_COMMON = 16  # where in the header begins what a first part has in common with the whole: descriptors, stdio, parent


class Operation:
    """One step: its name in the table, who executes it, its arguments in order, and why it is there."""

    __slots__ = ("actor", "arguments", "name", "reason")

    def __init__(self, actor: int, name: str, arguments: tuple[Argument, ...], reason: str) -> None:
        self.actor = actor
        self.name = name
        self.arguments = arguments
        self.reason = reason

    def __repr__(self) -> str:
        return f"<{ACTORS[self.actor]} {self.name} {self.arguments!r}>"


class Plan:
    """An ordered list of operations, with labels for the descriptor slots that they hand on."""

    __slots__ = ("_compile", "_first_size", "_operations", "failed_at", "first", "slots", "stretches")

    def __init__(self) -> None:
        self.failed_at = -1  # the number of the operation that the executor reported
        self._first_size = 0
        self.first = 0  # how many operations, from the beginning, can be executed before the rest is known
        self._operations: list[Operation] = []
        self._compile: Callable[[], Plan] | None = None
        self.slots: list[str] = []
        self.stretches: list[tuple[Position, Position]] = []  # see repeat.py

    @property
    def operations(self) -> list[Operation]:
        """All of them, in order."""
        if self._compile is not None:
            compiled, self._compile = self._compile(), None
            self._operations, self.slots = compiled._operations, compiled.slots
        return self._operations

    @property
    def position(self) -> Position:
        """Where the next operation is added: how many there are, and how many slots."""
        return len(self._operations), len(self.slots)

    def like(self, compile: Callable[[], Plan]) -> Plan:
        """One that is encoded already, with as long a first part as this one: compiled if somebody asks for it."""
        plan = Plan()
        plan.first, plan._first_size, plan._compile = self.first, self._first_size, compile
        return plan

    def slot(self, label: str) -> int:
        """A new descriptor slot; `label` names it in descriptions."""
        self.slots.append(label)
        return len(self.slots) - 1

    def runtime(self, name: str, *arguments: Argument, reason: str = "") -> None:
        """Append an operation for the actor in the host's namespaces."""
        self._operations.append(Operation(RUNTIME, name, arguments, reason))

    def container(self, name: str, *arguments: Argument, reason: str = "") -> None:
        """Append an operation for the actor in the container's namespaces."""
        self._operations.append(Operation(CONTAINER, name, arguments, reason))

    def describe(self, number: int) -> str:
        """Operation `number` in words, as `explain` and error messages print it."""
        operation = self.operations[number]
        _code, arguments, text = operations.of(operation.name)
        values = {name: _show(value) for (_kind, name), value in zip(arguments, operation.arguments, strict=True)}
        slot = values.get("slot")
        if slot is not None:
            values["slot"] = self.slots[int(slot)]
        return text.format_map(values)

    def to_json(self) -> list[dict[str, object]]:
        """The plan for programs: number, actor, operation, arguments by name, words, reason."""
        return [
            {
                "number": number,
                "actor": ACTORS[operation.actor],
                "operation": operation.name.lower(),
                "arguments": {
                    name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                    for (_kind, name), value in zip(operations.of(operation.name)[1], operation.arguments, strict=True)
                    if operation.name not in ("SECCOMP", "CGROUP_DEVICES") or not isinstance(value, bytes)
                },
                "description": self.describe(number),
                "reason": operation.reason,
            }
            for number, operation in enumerate(self.operations)
        ]

    def encode(
        self,
        *,
        stdio: str = "inherit",
        stdin: bool = False,
        parent: str = "reaper",
        preserve: int = 0,
        fault: tuple[int, int] = (-1, 0),
    ) -> bytes:
        """The bytes that native/ringinit.c reads: a header, then each operation with its length (little endian)."""
        header = _header(len(self.operations), *fault, preserve, STDIO[stdio], stdin, PARENTS[parent])
        first = _encode_all(self.operations[: self.first])
        self._first_size = len(first)
        return header + first + _encode_all(self.operations[self.first :])

    def between_stretches(self, encoded: bytes) -> list[bytes]:
        """What in `encoded`, which `encode` returned, lies before, between and after the stretches."""
        parts, done, offset = [], 0, 0
        for (begin, _), (end, _) in self.stretches:
            size = len(_encode_all(self.operations[done:begin])) + (0 if done else _HEADER)
            parts.append(encoded[offset : offset + size])
            offset += size + len(_encode_all(self.operations[begin:end]))
            done = end
        return [*parts, encoded[offset:]]

    def encode_operations(self) -> bytes:
        """The operations alone, without a header."""
        return _encode_all(self.operations)

    def first_of(self, encoded: bytes) -> bytes:
        """What in `encoded`, which `encode` returned, the first part depends on; `await_rest` makes a plan of it."""
        return encoded[_COMMON : _HEADER + self._first_size]


def await_rest(first: bytes, count: int, patience: int) -> bytes:
    """The encoded plan of a first part of `count` operations, which then waits `patience` milliseconds for the rest.

    With a count of 0 it waits for all of them.
    """
    wait = _encode_all([Operation(RUNTIME, "AWAIT", (patience,), "")])
    if not count:
        first = first[: _HEADER - _COMMON]
    return _header(count + 1, -1, 0) + first + wait


def begins_with(encoded: bytes, first: bytes) -> bool:
    """Whether an encoded plan begins with that first part, to the byte."""
    return encoded.startswith(first, _COMMON)


def _header(*words: int) -> bytes:
    """The magic and some 32-bit words; of them a fault may be negative."""
    return _MAGIC + b"".join([word.to_bytes(4, "little", signed=word < 0) for word in words])


def _length(of: bytes | Sequence[str]) -> bytes:
    return len(of).to_bytes(4, "little")  # not by `struct`, whose C half is a file of its own to map


def _encode_all(operations: Sequence[Operation]) -> bytes:
    out = []
    for operation in operations:
        key = (operation.name, operation.actor, operation.arguments)
        try:
            encoded = _known.get(key)
        except TypeError:  # among its arguments is a list
            out.append(_encode(operation))
            continue
        if encoded is None:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            encoded = _known[key] = _encode(operation)
        out.append(encoded)
    return b"".join(out)


_known: dict[tuple[str, int, tuple[Argument, ...]], bytes] = {}
"""Operations that were encoded before: of a hundred, most are those of every container like it."""
_MOST_KNOWN = 2000


def _encode(operation: Operation) -> bytes:
    """An operation with its arguments one after the other."""
    code, arguments, _text = operations.of(operation.name)
    parts: list[bytes] = []
    values: Sequence[Any] = operation.arguments
    for (kind, _name), value in zip(arguments, values, strict=True):
        if kind == "i":
            parts.append(value.to_bytes(8, "little", signed=True))
            continue
        if kind == "l":
            parts.append(_length(value))
        for text in value if kind == "l" else (value,):
            raw = text if kind == "b" else text.encode("utf-8", "surrogateescape")
            parts += (_length(raw), raw, b"\0")
    body = b"".join(parts)
    return code.to_bytes(2, "little") + operation.actor.to_bytes(2, "little") + _length(body) + body


def _show(value: Argument) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, str):
        return value.strip().replace("\n", ", ")
    return " ".join(value)
