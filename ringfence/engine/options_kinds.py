"""`Option`, one row of the table of run/create options, and the readers that turn what people type into plain values.

A reader takes (flag, value) and returns a JSON value in one normal form (bytes, nanoseconds, integers); it raises
InvalidInput in a line that begins with the flag. Values may come from a command line (text) or from Python (bool, int,
float, list, dict). The forms are docker's: sizes as RAMInBytes of docker/go-units, durations as Go's ParseDuration.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Reader = Callable[[str, Any], Any]

SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
DURATION_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
INT64_MAX = (1 << 63) - 1
LONGEST_FILE = 16 << 20  # of those that flags name: /dev/zero would not end


class Option:
    """One option. `name` is docker's long flag without dashes; `attribute` is the same in snake case.

    `kind`: "flag" (no value), "value", or "list" (may be repeated; Python may pass one string, a list or a dict).
    `metavar`: what follows the flag in a help text. `section`: the heading it is listed under. `default` is filled in
    from the class attribute of `Options`. `update`: `ringfence update` takes it too. `group`: so does `ringfence group
    create`. `run_only`: `create` lacks it.
    """

    __slots__ = ("aliases", "attribute", "default", "doc", "group", "kind", "metavar", "name", "read", "run_only",
                 "section", "short", "update")  # fmt: skip

    def __init__(
        self,
        name: str,
        kind: str,
        read: Reader,
        doc: str,
        *,
        metavar: str = "",
        short: str = "",
        aliases: tuple[str, ...] = (),
        update: bool = False,
        group: bool = False,
        run_only: bool = False,
    ) -> None:
        self.name = name
        self.attribute = name.replace("-", "_")
        self.kind = kind
        self.read = read
        self.doc = doc
        self.metavar = metavar or {"flag": "", "value": "string", "list": "list"}[kind]
        self.short = short
        self.aliases = aliases
        self.update = update
        self.group = group
        self.run_only = run_only
        self.section = ""
        self.default: Any = None


def bad(flag: str, value: object, why: str) -> NoReturn:
    """Raise InvalidInput `--flag: "value" why`."""
    raise InvalidInput(f'{flag}: "{value}" {why}')


def switch(flag: str, value: Any) -> bool:
    """A switch: True/False, or the words Go's ParseBool takes (`--init=false`)."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in ("1", "t", "true"):
        return True
    if word in ("0", "f", "false"):
        return False
    bad(flag, value, "is neither true nor false")


def text(flag: str, value: Any) -> str:
    """Any text the kernel can carry in an argument (no NUL byte) and a spec can (runtime-spec: JSON is UTF-8)."""
    if not isinstance(value, str):
        value = value.__fspath__() if hasattr(value, "__fspath__") else value
        if not isinstance(value, str):
            bad(flag, value, "is not text")
    if "\0" in value:
        raise InvalidInput(f"{flag}: the value contains a NUL byte")
    if not is_unicode(value):
        bad(flag, value, "is not UTF-8")
    return str(value)


def is_unicode(value: str) -> bool:
    """Whether `value` is text: bytes that are not UTF-8 come from a command line as lone surrogates (PEP 383)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def word(flag: str, value: Any) -> str:
    """Text that may not be empty."""
    result = text(flag, value)
    if not result:
        raise InvalidInput(f"{flag}: the value is empty")
    return result


def texts(flag: str, value: Any) -> list[str]:
    """A repeatable option: one text or several."""
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return [text(flag, value)]
    if isinstance(value, dict) or not hasattr(value, "__iter__"):
        bad(flag, value, "is neither text nor a list of texts")
    return [text(flag, item) for item in value]


def pairs(flag: str, value: Any) -> list[str]:
    """Like `texts`, but Python may also pass a dict: {"a": 1} is ["a=1"]."""
    if isinstance(value, dict):
        return [text(flag, f"{name}={item}") for name, item in value.items()]
    return texts(flag, value)


def each(read: Reader) -> Reader:
    """A reader of lists whose items `read` reads one by one."""

    def read_each(flag: str, value: Any) -> list[Any]:
        return [read(flag, item) for item in texts(flag, value)]

    return read_each


def number(flag: str, value: Any) -> int:
    """A decimal integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        result = value
    else:
        digits = str(value).strip()
        unsigned = digits[1:] if digits[:1] in ("-", "+") else digits
        if not (unsigned.isascii() and unsigned.isdigit() and len(unsigned) < 20):
            bad(flag, value, "is not a number")
        result = int(digits)
    if not -INT64_MAX <= result <= INT64_MAX:
        bad(flag, value, "does not fit into 64 bits")
    return result


def between(low: int, high: int | None = None, *, zero: str = "") -> Reader:
    """A reader of integers from `low` to `high`; `zero` tells that 0 is allowed too, and what it means."""

    def read_between(flag: str, value: Any) -> int:
        result = number(flag, value)
        if zero and result == 0:
            return 0
        if high is not None and not low <= result <= high:
            bad(flag, value, f"is out of range: {low} to {high}" + (f", or 0 for {zero}" if zero else ""))
        if result < low:
            bad(flag, value, f"is below {low}")
        return result

    return read_between


def scaled(digits: str, unit: int) -> int | None:
    """`digits` ("12", "1.5") times `unit`, exact for integers; None if they are no unsigned decimal number."""
    whole, dot, fraction = digits.partition(".")
    if (not whole and not fraction) or not (whole + fraction).isascii() or not (whole + fraction).isdigit():
        return None
    if len(whole) > 19 or (dot and len(fraction) > 30):
        return None
    ten: int = 10 ** len(fraction)
    return (int(whole or "0") * ten + int(fraction or "0")) * unit // ten


def size(flag: str, value: Any) -> int:
    """Bytes: an integer, or a number with an optional unit b, k, m, g, t, p (1024 each; `64m`, `1.5GiB`)."""
    if isinstance(value, int) and not isinstance(value, bool):
        result: int | None = value if value >= 0 else None
    else:
        rest = str(value).strip().lower().removesuffix("b")
        if rest.endswith("i") and rest[-2:-1] in ("k", "m", "g", "t", "p"):
            rest = rest[:-1]
        letter = rest[-1:] if rest[-1:] in SIZE_UNITS else ""
        result = scaled(rest[: len(rest) - len(letter)].rstrip(" "), SIZE_UNITS[letter])
    if result is None:
        bad(flag, value, "is not a size")
    if result > INT64_MAX:
        bad(flag, value, "does not fit into 64 bits")
    return result


def duration(flag: str, value: Any) -> int:
    """Nanoseconds: Go's form (`1m30s`, `500ms`, `0`); a Python number means seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0 or value != value or value > INT64_MAX // 10**9:
            bad(flag, value, "is not a duration")
        return int(value * 10**9)
    rest = str(value).strip()
    if rest == "0":
        return 0
    total, position = 0, 0
    while position < len(rest):
        start = position
        while position < len(rest) and (rest[position].isdigit() or rest[position] == "."):
            position += 1
        digits, start = rest[start:position], position
        while position < len(rest) and not (rest[position].isdigit() or rest[position] == "."):
            position += 1
        unit = DURATION_UNITS.get(rest[start:position])
        part = scaled(digits, unit) if unit else None
        if part is None:
            bad(flag, value, "is not a duration (such as 1m30s or 500ms)")
        total += part
    if not rest:
        bad(flag, value, "is not a duration (such as 1m30s or 500ms)")
    if total > INT64_MAX:
        bad(flag, value, "does not fit into 64 bits")
    return total


def choice(*words: str) -> Reader:
    """A reader of one of `words`."""

    def read_choice(flag: str, value: Any) -> str:
        if value not in words:
            bad(flag, value, f"is not one of {', '.join(words)}")
        return str(value)

    return read_choice


def unsupported(reason: str) -> Reader:
    """The reader of an option that is known but not built: any value that would change something is refused."""

    def refuse(flag: str, value: Any) -> Any:
        if value in (False, None, "", [], ()):
            return value
        raise Unsupported(f"{flag}: not built yet ({reason})")

    return refuse


def host_file(flag: str, path: str) -> str:
    """The text of a file that the caller named (`--env-file`, `--label-file`, a seccomp profile)."""
    try:
        with open(path, "rb") as file:
            raw = file.read(LONGEST_FILE + 1)
    except OSError as error:
        raise InvalidInput(f"{flag}: cannot read {path}: {error.strerror}") from error
    if len(raw) > LONGEST_FILE:
        raise InvalidInput(f"{flag}: {path} is longer than {LONGEST_FILE >> 20} MiB")
    try:
        return raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{flag}: {path} is not UTF-8 (byte {error.start})") from error
