"""Signals by name and by number, as signal(7) and the `kill` command know them."""

from __future__ import annotations

import signal

from ringfence.errors import InvalidInput

_FIRST_REAL_TIME = int(signal.SIGRTMIN)
_LAST_REAL_TIME = int(signal.SIGRTMAX)


def _numbers() -> dict[str, int]:
    """Every accepted name, upper case and without SIG, also the aliases (CLD, IOT, POLL)."""
    numbers = {name.removeprefix("SIG"): int(number) for name, number in signal.Signals.__members__.items()}
    for number in range(_LAST_REAL_TIME, _FIRST_REAL_TIME, -1):
        numbers[f"RTMAX-{_LAST_REAL_TIME - number}"] = number
        numbers[f"RTMIN+{number - _FIRST_REAL_TIME}"] = number
    return numbers


_NUMBERS = _numbers()
_NAMES = {int(number): number.name for number in signal.Signals}
_MIDDLE = (_FIRST_REAL_TIME + _LAST_REAL_TIME) // 2


def parse(text: str) -> int:
    """The number of "SIGTERM", "term", "15", "SIGRTMIN+3" or "RTMAX-1"; InvalidInput for anything else, 0 included."""
    name = text.strip().upper()
    if name.isascii() and name.isdigit():
        number = int(name)
        if 1 <= number <= _LAST_REAL_TIME:
            return number
    elif (known := _NUMBERS.get(name.removeprefix("SIG"))) is not None:
        return known
    raise InvalidInput(f'invalid signal: "{text}"')


def name(number: int) -> str:
    """The name as `kill -l` prints it, with SIG: "SIGTERM", "SIGRTMIN+2"; InvalidInput if there is no such signal."""
    if number in _NAMES:
        return _NAMES[number]
    if _FIRST_REAL_TIME < number <= _MIDDLE:
        return f"SIGRTMIN+{number - _FIRST_REAL_TIME}"
    if _MIDDLE < number < _LAST_REAL_TIME:
        return f"SIGRTMAX-{_LAST_REAL_TIME - number}"
    if 0 < number < _FIRST_REAL_TIME:
        return f"SIG{number}"  # 32 and 33 have no name: the C library keeps them for its threads
    raise InvalidInput(f"invalid signal: {number}")
