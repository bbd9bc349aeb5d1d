"""Drives the real command in real processes: with pipes, or at a terminal of its own."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ringfence.linux import terminal

PROJECT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "ringfence.cli"]
PATIENCE = 20.0  # seconds: much longer than anything here takes


class Done:
    """How a command ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"Done({self.status}, out={self.out!r}, err={self.err!r})"


class Command:
    """The command `ringfence` with directories of its own."""

    def __init__(self, root: str, state: str) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "LANG": "C.UTF-8",
            "RINGFENCE_ROOT": root,
            "RINGFENCE_STATE": state,
        }

    def start(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """A command that goes on; its stdout and stderr are pipes."""
        return subprocess.Popen(
            [*COMMAND, *words], env=self.environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, *words: str, input: bytes = b"", machine: Sequence[str] = ()) -> Done:
        """A command to its end; `machine`: the words before it that prepare the machine for it alone."""
        done = subprocess.run(
            [*machine, *COMMAND, *words], env=self.environment, input=input, capture_output=True, timeout=PATIENCE * 3
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *words: str, input: bytes = b"") -> str:
        """What a command prints that must succeed, without the last newline."""
        done = self.run(*words, input=input)
        assert done.status == 0, (words, done)
        return done.out.removesuffix("\n")

    def terminal(self, *words: str) -> Terminal:
        """A command at a terminal of 24 rows and 80 columns."""
        return Terminal([*COMMAND, *words], self.environment)


class Terminal:
    """A command whose controlling terminal is ours to type at and to read."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        master, slave = terminal.open_pty()
        terminal.set_window_size(slave.fileno(), 24, 80)
        self.master, self.slave = master, slave
        self.mode_before = self.mode()
        self.seen = ""
        self._process = subprocess.Popen(
            argv, env=environment, stdin=slave.fileno(), stdout=slave.fileno(), stderr=slave.fileno(),
            preexec_fn=self._own_session,
        )  # fmt: skip

    def _own_session(self) -> None:
        import fcntl
        import termios

        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self.master.close()
        self.slave.close()

    def mode(self) -> list[object]:
        """The terminal's mode (termios)."""
        import termios

        return termios.tcgetattr(self.slave.fileno())

    def type(self, text: str) -> None:
        os.write(self.master.fileno(), text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Another size; the kernel tells the command by SIGWINCH."""
        terminal.set_window_size(self.master.fileno(), rows, columns)

    def expect(self, text: str) -> str:
        """Read until `text` has been printed, and return what came up to and with it; what follows is for the next."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.master.fileno()], [], [], max(left, 0))
            assert ready, f"waited for {text!r}, saw {self.seen!r}"
            self.seen += os.read(self.master.fileno(), 4096).decode(errors="replace")
        before, found, self.seen = self.seen.partition(text)
        return before + found

    def hang_up(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def end(self) -> int:
        """Wait for the command's exit; its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"the command goes on; saw {self.seen!r}"
            # somebody must read, or the command would wait for us
            if select.select([self.master.fileno()], [], [], 0.02)[0]:
                self.seen += os.read(self.master.fileno(), 4096).decode(errors="replace")
        return self._process.returncode


def eventually(condition: object, what: str) -> None:
    """Wait until `condition()` holds."""
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.02)
