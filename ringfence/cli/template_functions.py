"""The functions of a template, Go's builtins and those that docker adds, and how values are printed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST = 10_000  # characters that a width in printf or pad may ask for

NIL_LIST: list[Any] = []
NIL_MAP: dict[str, Any] = {}
"""Go's nil slice and nil map: empty, but null in JSON."""


def printed(value: Any) -> str:
    """Go's `%v`: `map[a:1 b:[x y]]`, `true`, `<nil>`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{printed(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(printed, value)) + "]"
    if isinstance(value, float):
        return f"{value:.17g}" if value != value or value in (float("inf"), float("-inf")) else _float(value)
    return str(value)


def _float(value: float) -> str:
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def shown(value: Any) -> str:
    """What an action prints: as `printed`, but no value is said so."""
    return "<no value>" if value is None else printed(value)


def truth(value: Any) -> bool:
    """Go's: empty texts, lists and maps, zero and no value are false."""
    return bool(value)


def kind(value: Any) -> str:
    """The Go word for the type of `value`, for messages."""
    for python, go in ((bool, "bool"), (str, "string"), (int, "int"), (float, "float64"), (list, "slice")):
        if isinstance(value, python):
            return go
    return "map" if isinstance(value, dict) else "nil"


def _json(value: Any) -> str:
    from ringfence import json

    if value is NIL_LIST or value is NIL_MAP:
        return "null"
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if not callable(item)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            # a map of texts answers its zero value for a missing key, as Go's map[string]string does
            texts = all(isinstance(item, str) for item in value.values())
            value = value.get(key, "" if texts else None)
        elif value is None:
            raise TypeError("index of untyped nil")
        elif isinstance(key, bool) or not isinstance(key, int):
            raise TypeError(f"cannot index {kind(value)} with type {kind(key)}")
        elif not 0 <= key < len(value):
            raise IndexError(f"index out of range: {key}")
        else:
            value = ord(value[key]) if isinstance(value, str) else value[key]
    return value


def _slice(value: Any, *bounds: int) -> Any:
    if not isinstance(value, (str, list)) or len(bounds) > 2:
        raise TypeError(f"can't slice item of type {kind(value)}")
    low, high = (*bounds, *(0, len(value))[len(bounds) :])
    if not 0 <= low <= high <= len(value):
        raise IndexError(f"index out of range: {high}")
    return value[low:high]


def _equal(value: Any, *others: Any) -> bool:
    if not others:
        raise TypeError("missing argument for comparison")
    return any(type(value) is type(other) and value == other for other in others)


def _less(one: Any, two: Any) -> bool:
    if type(one) is not type(two) or isinstance(one, (bool, dict)):
        raise TypeError("incompatible types for comparison")
    return bool(one < two)


def _join(values: Any, separator: str) -> str:
    return separator.join(value if isinstance(value, str) else printed(value) for value in values)


def _pad(text: str, before: int, after: int) -> str:
    return " " * _width(before) + text + " " * _width(after) if text else text


def _width(number: int) -> int:
    if not 0 <= number <= LONGEST:
        raise ValueError(f"width {number} is out of range")
    return number


def _truncate(text: str, length: int) -> str:
    return text[: _width(length)]


def _title(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


def _print(*values: Any) -> str:
    out = ""
    for position, value in enumerate(values):
        both_text = isinstance(value, str) or (position and isinstance(values[position - 1], str))
        out += (" " if position and not both_text else "") + printed(value)
    return out


def _printf(format: str, *values: Any) -> str:
    """Go's verbs v s d q x X t f e g c %, with flags, width and precision; `%!d(string=x)` for a wrong one, as Go."""
    out, rest, values_left = "", format, list(values)
    while "%" in rest:
        plain, _, rest = rest.partition("%")
        out += plain
        end = 0
        while end < len(rest) and rest[end] in "+-# 0123456789.":
            end += 1
        options, verb, rest = rest[:end], rest[end : end + 1], rest[end + 1 :]
        if verb == "%":
            out += "%"
        elif not verb:
            out += "%!(NOVERB)"
        elif not values_left:
            out += f"%!{verb}(MISSING)"
        else:
            out += _verb(options, verb, values_left.pop(0))
    extra = ", ".join(f"{kind(value)}={printed(value)}" for value in values_left)
    return out + rest + (f"%!(EXTRA {extra})" if extra else "")


def _verb(options: str, verb: str, value: Any) -> str:
    for part in options.lstrip("+-# 0").split("."):
        _width(int(part or 0))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if verb in "vst" and (verb != "t" or isinstance(value, bool)):
        return str("%" + options.replace("0", "", options.startswith("0")) + "s") % printed(value)
    if verb == "q" and isinstance(value, str):
        return str("%" + options + "s") % quoted(value)
    if (verb in "dcxX" and number and isinstance(value, int)) or (verb in "feg" and isinstance(value, float)):
        return str("%" + options + verb) % value
    if verb in "xX" and isinstance(value, str):
        digits = value.encode().hex()
        return digits.upper() if verb == "X" else digits
    return f"%!{verb}({kind(value)}={printed(value)})"


def quoted(text: str) -> str:
    """`text` as a Go string literal (strconv.Quote)."""
    names = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
    out = ""
    for letter in text:
        plain = letter.isprintable()
        out += names.get(letter) or (letter if plain else f"\\x{ord(letter):02x}" if letter < "\x80" else letter)
    return f'"{out}"'


def _urlquery(*values: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_print(*values))


def _html(*values: Any) -> str:
    from html import escape

    return escape(_print(*values))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    # and, or are here for their names: template.py evaluates them, as they stop at the first answer
    "and": lambda *values: next((value for value in values if not truth(value)), values[-1]),
    "or": lambda *values: next((value for value in values if truth(value)), values[-1]),
    "not": lambda value: not truth(value),
    "eq": _equal,
    "ne": lambda one, two: not _equal(one, two),
    "lt": _less,
    "le": lambda one, two: not _less(two, one),
    "gt": lambda one, two: _less(two, one),
    "ge": lambda one, two: not _less(one, two),
    "len": lambda value: len(value),
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": lambda *values: " ".join(map(printed, values)) + "\n",
    "printf": _printf,
    "html": _html,
    "urlquery": _urlquery,
    "json": _json,
    "join": _join,
    "split": lambda text, separator: text.split(separator) if separator else list(text),
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "title": _title,
    "pad": _pad,
    "truncate": _truncate,
}
