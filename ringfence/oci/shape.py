"""Shapes: what a JSON value must look like, as data; a mismatch names the JSON path of what is wrong.

A shape is a function that takes a value and returns nothing, or raises `Mismatch`. Shapes are combined into tables
(`record`, `array`, `mapping`), so that a document's rules read like its specification. The path is collected while
the exception unwinds: a value that fits costs no path at all, which keeps a check of a container's spec far below a
millisecond. `null` counts as absent, as in the Go programs that write these files; unknown properties are ignored.
"""

from __future__ import annotations

from ringfence import json
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    Shape = Callable[[Any], None]

_SHOWN = 80  # characters of an offending value that a message repeats


class Mismatch(Exception):
    """The value does not fit; `path` holds object names (str) and array indices (int), innermost first."""

    def __init__(self, reason: str, *path: str | int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str | int] = list(path)

    def __str__(self) -> str:
        return f"{render(self.path[::-1])}: {self.reason}" if self.path else self.reason


def render(path: Collection[str | int]) -> str:
    """The JSON path as people write it: `linux.namespaces[2].type`, `linux.sysctl["net.core.somaxconn"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f"[{quote(step)}]"
    return text


def quote(value: object) -> str:
    """The offending value in double quotes, escaped to one line and cut to a readable length."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return json.dumps(text if len(text) <= _SHOWN else text[:_SHOWN] + "…", ensure_ascii=not text.isprintable())


def require(value: object, shape: Shape, subject: str = "") -> None:
    """Raise InvalidInput (prefixed with `subject`, when given) if `value` does not fit `shape`."""
    try:
        shape(value)
    except Mismatch as mismatch:
        raise InvalidInput(f"{subject}: {mismatch}" if subject else str(mismatch)) from None


def any_object(value: Any) -> None:
    """A JSON object with whatever members."""
    if type(value) is not dict:
        raise Mismatch("must be an object")


def boolean(value: Any) -> None:
    """true or false."""
    if type(value) is not bool:
        raise Mismatch("must be true or false")


def string(value: Any) -> None:
    """Any string that has a UTF-8 form (JSON allows lone surrogates, which have none)."""
    if type(value) is not str:
        raise Mismatch("must be a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Mismatch(f"{quote(value)} is not valid unicode") from None


def text(value: Any) -> None:
    """A string that the kernel can take: no NUL byte."""
    string(value)
    if "\0" in value:
        raise Mismatch(f"{quote(value)} contains a NUL byte")


def filled(value: Any) -> None:
    """A `text` that is not empty."""
    text(value)
    if not value:
        raise Mismatch("must not be empty")


def absolute(value: Any) -> None:
    """An absolute path."""
    text(value)
    if not value.startswith("/"):
        raise Mismatch(f"{quote(value)} is not an absolute path")


def integer(low: int, high: int) -> Shape:
    """A whole number between `low` and `high`, both included."""

    def check(value: Any) -> None:
        if type(value) is not int:
            raise Mismatch("must be a whole number")
        if not low <= value <= high:
            raise Mismatch(f"{quote(value)} is not between {low} and {high}")

    return check


UINT32 = integer(0, 2**32 - 1)
UINT64 = integer(0, 2**64 - 1)
INT64 = integer(-(2**63), 2**63 - 1)


def one_of(kind: str, names: Collection[str]) -> Shape:
    """One of these words; `kind` says in the message what they are."""

    def check(value: Any) -> None:
        if type(value) is not str:
            raise Mismatch("must be a string")
        if value not in names:
            raise Mismatch(f"unknown {kind} {quote(value)}")

    return check


def array(item: Shape, *, at_least: int = 0) -> Shape:
    """An array whose elements all fit `item`."""

    def check(value: Any) -> None:
        if type(value) is not list:
            raise Mismatch("must be an array")
        if len(value) < at_least:
            raise Mismatch("must not be empty" if at_least == 1 else f"must have at least {at_least} elements")
        index = 0
        try:
            for index, element in enumerate(value):  # noqa: B007 (the handler tells the index)
                item(element)
        except Mismatch as mismatch:
            mismatch.path.append(index)
            raise

    return check


def mapping(item: Shape) -> Shape:
    """An object used as a map: any non-empty key, values that all fit `item`."""

    def check(value: Any) -> None:
        any_object(value)
        key = ""
        try:
            for key, element in value.items():
                if not key:
                    raise Mismatch("has an empty key")
                item(element)
        except Mismatch as mismatch:
            if key:
                mismatch.path.append(key)
            raise

    return check


def record(fields: Mapping[str, Shape], *, required: Collection[str] = ()) -> Shape:
    """An object whose known members fit `fields`; those in `required` must be there."""

    def check(value: Any) -> None:
        any_object(value)
        for name in required:
            if value.get(name) is None:
                raise Mismatch("is required and missing", name)
        name = ""
        try:
            for name, element in value.items():
                shape = fields.get(name)
                if shape is not None and element is not None:
                    shape(element)
        except Mismatch as mismatch:
            mismatch.path.append(name)
            raise

    return check


def both(first: Shape, second: Shape) -> Shape:
    """A value that fits two shapes; the second may rely on the first."""

    def check(value: Any) -> None:
        first(value)
        second(value)

    return check


def parse_json(document: bytes | str, subject: str) -> Any:
    """The JSON value of `document`; InvalidInput `SUBJECT: not valid JSON: …` with line and column otherwise."""
    try:
        return json.loads(document, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(f"{subject}: not valid JSON: {error.msg.lower()} ({where})") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{subject}: not valid JSON: byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise InvalidInput(f"{subject}: not valid JSON: nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise InvalidInput(f"{subject}: not valid JSON: {str(error).splitlines()[0].lower()}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")
