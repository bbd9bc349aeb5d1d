"""A container's terminal in the foreground: copied between its master and ours."""

from __future__ import annotations

import os
import select
from _signal import signal  # type: ignore[import-not-found]  # without the 5 ms of `signal`

from ringfence.linux import signals
from ringfence.linux.terminal import RawMode, set_window_size, window_size


def copy(master: int) -> None:
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
