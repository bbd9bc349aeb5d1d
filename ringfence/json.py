"""JSON by the C half of the standard library's `json`, whose other half costs 6 to 9 ms of imports (`re`, `enum`).

The functions are `json`'s own under their own names, for what this package asks of them. Whatever is out of the
ordinary (an error, UTF-16, an indent) is handed to `json` itself, so that it is told in the very same words.
"""

from __future__ import annotations

from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from json import JSONDecodeError as JSONDecodeError
    from typing import IO, Any


class _Scanner:
    """What the scanner in C reads its ways from: those of `json.JSONDecoder`, but for NaN and Infinity."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> Any:
        raise ValueError(name)


_scan = make_scanner(_Scanner)  # type: ignore[arg-type]  # it asks for these attributes only


def loads(text: str | bytes, *, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """The value of a JSON document; JSONDecodeError, UnicodeDecodeError, RecursionError as `json.loads`."""
    try:
        string = (text if isinstance(text, str) else str(text, "utf-8")).strip(" \t\n\r")
        value, end = _scan(string, 0)
        if end == len(string):
            return value
    except (StopIteration, ValueError, SystemError):
        pass  # `json` says it, or knows better. (The scanner raises JSONDecodeError only where `json` is imported.)
    import json

    return json.loads(text, parse_constant=parse_constant)


def load(file: IO[str] | IO[bytes]) -> Any:
    """The value of the JSON document that a file holds."""
    return loads(file.read())


def dumps(
    value: Any,
    *,
    ensure_ascii: bool = True,
    indent: int | str | None = None,
    separators: tuple[str, str] = (", ", ": "),
    default: Callable[[Any], Any] | None = None,
    sort_keys: bool = False,
) -> str:
    """A value as a JSON document; TypeError for what JSON has no words for, if `default` has none either."""
    if indent is not None:
        import json

        separators = (separators[0].rstrip(), separators[1])  # a line ends behind it
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, default=default, sort_keys=sort_keys
        )
    string = encode_basestring_ascii if ensure_ascii else encode_basestring
    item, key = separators
    encode = make_encoder({}, default or _refuse, string, None, key, item, sort_keys, False, True)
    return "".join(encode(value, 0))


def dump(value: Any, file: IO[str], *, indent: int | str | None = None) -> None:
    """Write a value to a file as a JSON document."""
    file.write(dumps(value, indent=indent))


def _refuse(value: Any) -> Any:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def __getattr__(name: str) -> Any:
    """JSONDecodeError: looked up only when one has been raised, and so `json` imported already."""
    if name == "JSONDecodeError":
        import json

        return json.JSONDecodeError
    raise AttributeError(name)
