"""A session: one program's stdio and exit, over a monitor's socket (the attach protocol).

Each message is one type byte and a payload of at most 32 KiB. From the monitor: `O` and `E` output, `P` the pid once
the program is executed, `X` the exit record (the last one), `!` a start that failed (the last one). To the monitor:
`I` stdin, `C` end of stdin, `R` a window size, `D` the owner has cleaned up.
"""

from __future__ import annotations

import struct

from ringfence import json
from ringfence.errors import CannotExecute, Failed
from ringfence.linux import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CHUNK = 32 * 1024
LOST = 255
"""The exit code of a program whose monitor was killed: nobody knows how it ended."""


class Session:
    """`id` is the container's (or exec session's), `pid` its program's, `tty` whether it has a terminal.

    Use it with `select`/`poll` through `fileno()`. The owner (of `launch` and `exec_session`) ends with `finish`,
    which calls `at_exit`: True says that the program has ended, False that its monitor was killed and it may go on.
    """

    def __init__(self, id: str, connection: sockets.Socket, *, tty: bool, pid: int = 0, stdin: bool = False,
                 at_exit: Callable[[bool], None] | None = None) -> None:  # fmt: skip
        self.id = id
        self.pid = pid
        self.tty = tty
        self.stdin = stdin
        self.socket = connection
        self.exit_record: dict[str, Any] | None = None
        self._at_exit = at_exit

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self, *, wait: bool = True) -> tuple[str, bytes]:
        """The next message: its type letter and its payload; ("", b"") when there is none any more.

        `X` is kept in `exit_record` too; without `wait` BlockingIOError says that there is none yet.
        """
        message = self.socket.receive(CHUNK + 1, 0 if wait else sockets.MSG_DONTWAIT)
        kind, payload = message[:1].decode("latin-1"), message[1:]
        if kind == "X":
            self.exit_record = json.loads(payload)
        elif kind == "P":
            self.pid = json.loads(payload)["pid"]
        elif kind == "!":
            raise _start_failed(json.loads(payload))
        return kind, payload

    def send(self, data: bytes) -> bool:
        """Feed up to 32 KiB to its stdin; False if the monitor takes no more for now: poll for writing, then again."""
        return self._tell(b"I" + data, sockets.MSG_DONTWAIT)

    def close_stdin(self) -> None:
        self._tell(b"C")

    def resize(self, rows: int, columns: int) -> None:
        self._tell(b"R" + struct.pack("<HH", rows, columns))

    def finish(self) -> int:
        """Wait for the exit (dropping further output), clean up as its owner does, and return the exit code."""
        while self.exit_record is None and self.receive()[0]:
            pass
        code = self.exit_code
        if self._at_exit is not None:
            self.disown()  # first, for removing waits for the monitor; if we are killed, the next command removes
            self._at_exit(self.exit_record is not None)
            self._at_exit = None
        self.close()
        return code

    @property
    def exit_code(self) -> int:
        """Once `receive` has returned the exit record, or nothing more."""
        return self.exit_record["exit_code"] if self.exit_record else LOST

    def disown(self) -> None:
        """Tell the monitor that its container is cleaned up after: it need not do so."""
        self._tell(b"D")

    def collect(self, input: bytes | None = None) -> tuple[int, bytes, bytes]:
        """Feed all of `input`, gather all output, `finish`: (exit code, stdout, stderr)."""
        output: dict[str, list[bytes]] = {"O": [], "E": []}
        if input is not None:
            self._feed(input, output)
        while self.exit_record is None:
            kind, payload = self.receive()
            if kind in output:
                output[kind].append(payload)
            elif not kind:
                break
        return self.finish(), b"".join(output["O"]), b"".join(output["E"])

    def close(self) -> None:
        """Leave it running."""
        self.socket.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _feed(self, input: bytes, output: dict[str, list[bytes]]) -> None:
        """Send `input` while reading, for the monitor holds back one direction as long as the other is full."""
        import select

        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLOUT)
        position = 0
        while position < len(input) and self.exit_record is None:
            events = poll.poll()[0][1]
            if events & select.POLLIN:
                kind, payload = self.receive()
                if kind in output:
                    output[kind].append(payload)
                elif not kind:
                    return
            elif events & select.POLLOUT and self.send(input[position : position + CHUNK]):
                position += CHUNK
            elif events & (select.POLLHUP | select.POLLERR):
                return
        self.close_stdin()

    def _tell(self, message: bytes, flags: int = 0) -> bool:
        """Send a message; one for a program that has ended meanwhile is nobody's any more, and so no error."""
        try:
            self.socket.send(message, flags | sockets.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            return True
        return True


def _start_failed(report: dict[str, Any]) -> Failed:
    """The error for a `!` message: {"operation": n, "errno": e, "message": text}."""
    kind = CannotExecute if "exec" in str(report.get("message", "")).split(" ", 1)[0] else Failed
    return kind(str(report.get("message", "the start failed")), errno=int(report.get("errno", 0)))
