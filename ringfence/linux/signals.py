"""Signals by name and by number, as signal(7) and the `kill` command know them; and those that the engine itself sends.

From the C half of the standard library's `signal`, whose other half takes 5 ms to import.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]

from ringfence.errors import InvalidInput

_FIRST_REAL_TIME = int(signal.SIGRTMIN)
_LAST_REAL_TIME = int(signal.SIGRTMAX)


_ALIASES = {"CLD": int(signal.SIGCHLD), "IOT": int(signal.SIGABRT), "POLL": int(signal.SIGIO)}
_NAMES = {
    int(number): name.removeprefix("SIG")
    for name, number in vars(signal).items()
    if name.startswith("SIG") and "_" not in name and name.removeprefix("SIG") not in _ALIASES
}
SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGPIPE, SIGTERM, SIGWINCH = (
    int(number)
    for number in (
        signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE,
        signal.SIGTERM, signal.SIGWINCH,
    )
)  # fmt: skip


def _numbers() -> dict[str, int]:
    """Every accepted name, upper case and without SIG, also the aliases (CLD, IOT, POLL)."""
    numbers = {name: number for number, name in _NAMES.items()} | _ALIASES
    for number in range(_LAST_REAL_TIME, _FIRST_REAL_TIME, -1):
        numbers[f"RTMAX-{_LAST_REAL_TIME - number}"] = number
        numbers[f"RTMIN+{number - _FIRST_REAL_TIME}"] = number
    return numbers


_MIDDLE = (_FIRST_REAL_TIME + _LAST_REAL_TIME) // 2


def parse(text: str) -> int:
    """The number of "SIGTERM", "term", "15", "SIGRTMIN+3" or "RTMAX-1"; InvalidInput for anything else, 0 included."""
    name = text.strip().upper()
    if name.isascii() and name.isdigit():
        number = int(name)
        if 1 <= number <= _LAST_REAL_TIME:
            return number
    elif (known := _numbers().get(name.removeprefix("SIG"))) is not None:
        return known
    raise InvalidInput(f'invalid signal: "{text}"')


def name(number: int) -> str:
    """The name as `kill -l` prints it, with SIG: "SIGTERM", "SIGRTMIN+2"; InvalidInput if there is no such signal."""
    if number in _NAMES:
        return f"SIG{_NAMES[number]}"
    if _FIRST_REAL_TIME < number <= _MIDDLE:
        return f"SIGRTMIN+{number - _FIRST_REAL_TIME}"
    if _MIDDLE < number < _LAST_REAL_TIME:
        return f"SIGRTMAX-{_LAST_REAL_TIME - number}"
    if 0 < number < _FIRST_REAL_TIME:
        return f"SIG{number}"  # 32 and 33 have no name: the C library keeps them for its threads
    raise InvalidInput(f"invalid signal: {number}")
