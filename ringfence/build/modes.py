"""`--chmod`: octal, or symbolic as in chmod(1): u=rwX,go=rX, a+x, -w."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_WHO = {"u": 0o700, "g": 0o070, "o": 0o007, "a": 0o777}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}
_SPECIAL = {"s": {"u": 0o4000, "g": 0o2000, "o": 0, "a": 0o6000}, "t": {"u": 0, "g": 0, "o": 0, "a": 0o1000}}


def change(text: str) -> Callable[[int, bool], int]:
    """A function (mode, whether it is a directory) → mode. ValueError if `text` is no mode."""
    if text and not text.strip("01234567"):
        mode = int(text, 8)
        if mode > 0o7777:
            raise ValueError(f"--chmod={text}: is out of range: modes go up to 7777")
        return lambda _mode, _directory: mode
    clauses = [_clause(text, part) for part in text.split(",")]

    def apply(mode: int, directory: bool) -> int:
        for who, steps in clauses:
            for operator, permissions in steps:
                mode = _step(mode, directory, who, operator, permissions)
        return mode

    return apply


def _clause(text: str, part: str) -> tuple[str, list[tuple[str, str]]]:
    who = part[: len(part) - len(part.lstrip("ugoa"))]
    rest, steps = part[len(who) :], []
    while rest:
        operator, rest = rest[0], rest[1:]
        permissions = rest[: len(rest) - len(rest.lstrip("rwxXst"))]
        rest = rest[len(permissions) :]
        if operator not in "=+-":
            break
        steps.append((operator, permissions))
    else:
        if steps:
            return who or "a", steps
    raise ValueError(f"--chmod={text}: is neither an octal nor a symbolic mode")


def _step(mode: int, directory: bool, who: str, operator: str, permissions: str) -> int:
    mask = special = bits = 0
    for letter in who:
        mask |= _WHO[letter]
    for permission in permissions:
        if permission in _SPECIAL:
            for letter in who:
                special |= _SPECIAL[permission][letter]
        elif permission != "X" or directory or mode & 0o111:
            bits |= _BITS[permission.lower()]
    chosen = bits & mask | special
    if operator == "+":
        return mode | chosen
    if operator == "-":
        return mode & ~chosen
    return mode & ~mask | chosen
