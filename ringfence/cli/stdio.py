"""Between this terminal and a session: output, input, window size, signals, detach keys, until exit or detachment.

One loop over poll(2). Input that the monitor does not take yet is kept and stdin is not read meanwhile, so that neither
side waits for the other: the monitor holds back one direction as long as the other is full. Signals arrive as bytes on
a pipe (`signal.set_wakeup_fd`), so that none is handled in the middle of anything.
"""

from __future__ import annotations

import os
import select
import sys
from _signal import set_wakeup_fd, signal  # type: ignore[import-not-found]  # without the 5 ms of `signal`

from ringfence.cli import exitcodes
from ringfence.cli.detach import Detector
from ringfence.cli.parser import UsageError
from ringfence.errors import Conflict, NotFound
from ringfence.linux import signals, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.engine import Engine
    from ringfence.engine.session import Session

CHUNK = 32 * 1024 - 1
STDIN, STDOUT, STDERR = 0, 1, 2
PROXIED = (signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGTERM, signals.SIGUSR1, signals.SIGUSR2)
PATIENCE = 3  # interrupts after which we leave although the program goes on, as docker's client does


def check_terminal(*, stdin: bool, tty: bool) -> None:
    """A program with a terminal that is to read from what is none would see no keys: refuse it, as docker does."""
    if stdin and tty and not os.isatty(STDIN):
        raise UsageError("the input device is not a TTY", status=1)


def window() -> tuple[int, int]:
    """Rows and columns of the terminal here; (0, 0) if there is none."""
    for fd in (STDIN, STDOUT):
        if os.isatty(fd):
            return terminal.window_size(fd)
    return 0, 0


def attach(
    engine: Engine, session: Session, container: str, *, stdin: bool, sig_proxy: bool, detach_keys: bytes
) -> int:
    """Pump until the exit of the container, clean up as its owner if we are, and return the exit code to end with."""
    kill = (lambda number: engine.kill(container, signal=str(number))) if sig_proxy else None
    return conclude(session, Pump(session, stdin=stdin, detach_keys=detach_keys, kill=kill).run())


def conclude(session: Session, left: int | None) -> int:
    """`left` is what `Pump.run` returned."""
    if left is None:
        return session.finish()
    session.close()
    return left


class Pump:
    """One attachment. `stdin`: ours goes to the program. `kill`, if signals are to be passed on, sends one to it."""

    def __init__(
        self, session: Session, *, stdin: bool, detach_keys: bytes, kill: Callable[[int], None] | None = None
    ) -> None:
        self._session = session
        self._stdin = stdin
        self._kill = kill
        self._detector = Detector(detach_keys if session.tty else b"")
        self._pending = b""
        self._at_end = not stdin
        self._closing = False
        self._interrupts = 0
        self._result: int | None = None
        self._detached = False

    def run(self) -> int | None:
        """Until the program has ended: None, and the session knows the rest. Detached or given up: the exit code."""
        sys.stdout.flush()
        try:
            with _Signals() as wakeup:
                self._resize()  # our size may have changed since the start
                if self._stdin and self._session.tty:  # stdin is a terminal: `check_terminal`
                    with terminal.RawMode(STDIN):
                        self._loop(wakeup)
                else:
                    self._loop(wakeup)
        except BrokenPipeError:
            self._result = exitcodes.BROKEN_PIPE
        if self._detached:
            sys.stderr.write("read escape sequence\n")
        return self._result

    def _loop(self, wakeup: int) -> None:
        session = self._session
        while session.exit_record is None and self._result is None:
            poll = select.poll()
            poll.register(wakeup, select.POLLIN)
            waiting = self._pending or self._closing
            poll.register(session, select.POLLIN | (select.POLLOUT if waiting else 0))
            if not self._at_end and not self._pending:
                poll.register(STDIN, select.POLLIN)
            ready = dict(poll.poll())
            if wakeup in ready:
                for number in os.read(wakeup, 64):
                    self._signal(number)
            events = ready.get(session.fileno(), 0)
            if events & ~select.POLLOUT and not self._output():
                return
            if events & select.POLLOUT:
                self._flush()
            if STDIN in ready:
                self._input()

    def _output(self) -> bool:
        """Take what has arrived; False when the monitor has gone."""
        while True:
            try:
                kind, payload = self._session.receive(wait=False)
            except BlockingIOError:
                return True
            if kind in ("O", "E"):
                _write(STDERR if kind == "E" else STDOUT, payload)
            elif kind in ("", "X"):
                return False

    def _input(self) -> None:
        try:
            typed = os.read(STDIN, CHUNK)
        except OSError:  # EIO: the terminal has gone; EAGAIN cannot be, as poll has said that it is readable
            typed = b""
        if not typed:
            self._at_end = self._closing = True
            return
        self._pending, self._detached = self._detector.feed(typed)
        if self._detached:
            self._result = 0
        self._flush()

    def _flush(self) -> None:
        if self._pending and self._session.send(self._pending):
            self._pending = b""
        elif self._closing and not self._pending:
            self._session.close_stdin()
            self._closing = False

    def _resize(self) -> None:
        if self._session.tty and any(size := window()):
            self._session.resize(*size)

    def _signal(self, number: int) -> None:
        if number == signals.SIGWINCH:
            self._resize()
            return
        self._interrupts += number in (signals.SIGINT, signals.SIGTERM)
        if self._kill is None:
            self._result = 128 + number
            return
        try:
            self._kill(number)
        except (Conflict, NotFound):
            return  # it has ended in this moment: the loop is about to read so
        if self._interrupts == PATIENCE:
            sys.stderr.write(f"got {PATIENCE} SIGTERM/SIGINTs, forcefully exiting\n")
            self._result = exitcodes.FAILED


def _write(fd: int, data: bytes) -> None:
    """All of `data`; a terminal shared with others may have been made non-blocking by them."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
        except OSError as error:
            error.filename = "standard output" if fd == STDOUT else "standard error"
            raise


class _Signals:
    """While it lasts, each signal that is ours arrives as one byte, its number, on the descriptor of `with … as`."""

    def __enter__(self) -> int:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before = {number: signal(number, lambda *_: None) for number in (*PROXIED, signals.SIGWINCH)}
        self._wakeup = set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        return self._reading

    def __exit__(self, *_exception: object) -> None:
        set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal(number, handler)
        os.close(self._reading)
        os.close(self._writing)


def redraw(session: Session) -> None:
    """Make a program that was attached to draw its screen again: it does when the size changes, so change it twice."""
    rows, columns = window()
    if rows and columns:
        session.resize(rows + 1, columns)
        session.resize(rows, columns)
