"""ringrun in the foreground: the terminal's two ends, signals passed on, and the process's exit status."""

from __future__ import annotations

import os
import select
from _signal import signal  # type: ignore[import-not-found]  # without the 5 ms of `signal`

from ringfence.linux import signals
from ringfence.linux.terminal import RawMode, set_window_size, window_size
from ringfence.runtime.compile_namespaces import requested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ringfence.runtime.execute import Executed

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_NOT_FORWARDED = {
    signals.parse(name) for name in ("CHLD", "KILL", "STOP", "WINCH", "URG", "TTOU", "TTIN", "TSTP", "PIPE")
}


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
        _copy(executed.terminal)
    pid, status = 0, 0
    while pid != executed.pid:  # what it leaves behind may become our child as well
        pid, status = os.waitpid(-1, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _copy(master: int) -> None:
    """Until the terminal hangs up: our stdin to it, its output to our stdout, our window's size to its."""
    stdin, stdout = 0, 1
    interactive = os.isatty(stdin)

    def resize(*_: object) -> None:
        set_window_size(master, *window_size(stdin))

    if not interactive:
        _pump(master, stdin, stdout)
        return
    resize()
    signal(signals.SIGWINCH, resize)
    with RawMode(stdin):
        _pump(master, stdin, stdout)


def _pump(master: int, stdin: int, stdout: int) -> None:
    poll = select.poll()
    poll.register(master, select.POLLIN)
    poll.register(stdin, select.POLLIN)
    while True:
        for descriptor, _events in poll.poll():
            if descriptor == master:
                try:
                    data = os.read(master, 32768)
                except OSError:  # EIO: the last process has closed the terminal
                    return
                if not data:
                    return
                _write(stdout, data)
            else:
                data = os.read(stdin, 32768)
                if not data:
                    poll.unregister(stdin)
                try:
                    _write(master, data)
                except OSError:  # EIO, as above: the next read tells
                    continue


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
