"""ringrun in the foreground: signals passed on, and the process's exit status."""

from __future__ import annotations

import os
from _signal import (  # type: ignore[import-not-found]  # without the 5 ms of `signal`
    SIGCHLD,
    SIGKILL,
    SIGPIPE,
    SIGSTOP,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGURG,
    SIGWINCH,
    signal,
)

from ringfence.runtime.compile_namespaces import requested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ringfence.runtime.execute import Executed

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_NOT_FORWARDED = (SIGCHLD, SIGKILL, SIGSTOP, SIGWINCH, SIGURG, SIGTTOU, SIGTTIN, SIGTSTP, SIGPIPE)


def adopt_orphans(spec: dict[str, Any]) -> None:
    """We reap what a container without a pid namespace leaves behind; another one's first process does it itself."""
    if "pid" not in requested(spec):
        from ringfence.linux import _libc  # the 2 ms of ctypes

        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hold_back() -> list[int]:
    """From now on the signals that come for the program are kept in this list, until `attend` passes them on.

    Set before the program is there: one that came between its start and `attend` would end us, and leave it alone.
    """
    held: list[int] = []
    _forward(held.append)
    return held


def _forward(act: Callable[[int], None]) -> None:
    for number in range(1, 32):
        if number not in _NOT_FORWARDED:
            signal(number, lambda received, _frame: act(received))


def attend(executed: Executed, held: Sequence[int]) -> int:
    """Pass signals on and wait for the process, our child; with a terminal copy between it and ours. Its status."""
    executed.release()
    _forward(lambda received: os.kill(executed.pid, received))  # ours until we wait for it
    for number in held:
        os.kill(executed.pid, number)
    if executed.terminal >= 0:
        from ringfence.runtime.ringrun import pump  # few containers have a terminal

        pump.copy(executed.terminal)
    pid, status = 0, 0
    while pid != executed.pid:  # what it leaves behind may become our child as well
        pid, status = os.waitpid(-1, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
