"""Checked reading of `linux.resources`: a value of the wrong kind or range is an InvalidInput that names its field."""

from __future__ import annotations

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

INT64 = (1 << 63) - 1
UINT64 = (1 << 64) - 1
UINT32 = (1 << 32) - 1
UINT16 = (1 << 16) - 1


class Fields:
    """One JSON object of the spec and where it stands, e.g. `linux.resources.memory`. A null counts as absent."""

    __slots__ = ("_object", "where")

    def __init__(self, object: object, where: str) -> None:
        if object is None:
            object = {}
        if not isinstance(object, dict):
            raise InvalidInput(f"{where}: not an object: {object!r}")
        self._object: Mapping[str, Any] = object
        self.where = where

    def __contains__(self, name: str) -> bool:
        return self._object.get(name) is not None

    def field(self, name: str) -> str:
        """The full name of a field, as messages and reasons give it; a key that is no word stands in brackets."""
        return f"{self.where}.{name}" if name.isidentifier() else f'{self.where}["{name}"]'

    def integer(self, name: str, low: int = 0, high: int = INT64) -> int | None:
        value = self._object.get(name)
        if value is None:
            return None
        if type(value) is not int:
            raise InvalidInput(f"{self.field(name)}: not a whole number: {value!r}")
        if not low <= value <= high:
            raise InvalidInput(f"{self.field(name)}: {value} is not in {low}..{high}")
        return value

    def limit(self, name: str) -> int | None:
        """A limit: -1 is "unlimited"; 0 counts as absent, as in runc, because engines send it for "not given"."""
        return self.integer(name, low=-1) or None

    def boolean(self, name: str) -> bool | None:
        value = self._object.get(name)
        if value is not None and type(value) is not bool:
            raise InvalidInput(f"{self.field(name)}: neither true nor false: {value!r}")
        return value

    def string(self, name: str) -> str | None:
        value = self._object.get(name)
        if value is not None and (type(value) is not str or "\0" in value):
            raise InvalidInput(f"{self.field(name)}: not a string: {value!r}")
        return value

    def number_list(self, name: str) -> str | None:
        """A list of CPUs or memory nodes: "0-3,7" (cpuset(7), "List format")."""
        value = self.string(name)
        for part in value.split(",") if value else []:
            first, dash, last = part.strip().partition("-")
            if not _digits(first) or (dash and (not _digits(last) or int(last) < int(first))):
                raise InvalidInput(f'{self.field(name)}: "{value}" is not a list of numbers and ranges')
        return value or None

    def object(self, name: str) -> Fields:
        return Fields(self._object.get(name), self.field(name))

    def objects(self, name: str) -> Iterator[Fields]:
        """The objects of an array field."""
        value = self._object.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            raise InvalidInput(f"{self.field(name)}: not an array: {value!r}")
        for number, item in enumerate(value):
            yield Fields(item, f"{self.field(name)}[{number}]")

    def names(self) -> list[str]:
        return [name for name, value in self._object.items() if value is not None]


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()
