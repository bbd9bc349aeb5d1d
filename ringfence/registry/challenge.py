"""WWW-Authenticate: what a registry wants to see before it answers (RFC 9110, 11.6.1; docker's token specification)."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))(?=[ \t]*(?:,|$))')
_SCHEME = re.compile(rf"({_TOKEN})(?=[ \t]|,|$)")
_TOKEN68 = re.compile(r"[ \t]+[A-Za-z0-9\-._~+/]+=*[ \t]*(?=,|$)")
_NEXT = re.compile(r"[^,]*")  # what cannot be understood is skipped up to the next comma
_BLANK = re.compile(r"[ \t,]*")


class Challenge:
    """One way to authenticate: `scheme` ("bearer", "basic") and its parameters, names in lower case."""

    __slots__ = ("parameters", "scheme")

    def __init__(self, scheme: str, parameters: Mapping[str, str]) -> None:
        self.scheme = scheme
        self.parameters = dict(parameters)

    def __repr__(self) -> str:
        return f"Challenge({self.scheme!r}, {self.parameters!r})"

    def __eq__(self, other: object) -> bool:
        mine = (self.scheme, self.parameters)
        return isinstance(other, Challenge) and mine == (other.scheme, other.parameters)

    __hash__ = None  # type: ignore[assignment]


def parse(headers: Iterable[str]) -> list[Challenge]:
    """The challenges of all WWW-Authenticate headers, in order. What is malformed is left out."""
    return [challenge for header in headers for challenge in _parse(header)]


def _parse(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = _skip(_BLANK, header, 0)
    while position < len(header):
        if found and (parameter := _PARAMETER.match(header, position)):
            quoted, plain = parameter[2], parameter[3]
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1].parameters.setdefault(parameter[1].lower(), value)
            position = parameter.end()
        elif scheme := _SCHEME.match(header, position):
            found.append(Challenge(scheme[1].lower(), {}))
            position = scheme.end()
            if not _PARAMETER.match(header, _skip(_BLANK, header, position)):
                position = _skip(_TOKEN68, header, position)
        else:
            position = _skip(_NEXT, header, position)
        position = _skip(_BLANK, header, position)
    return found


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position
