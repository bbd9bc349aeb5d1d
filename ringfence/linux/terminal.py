"""Terminals (termios(3), pty(7), ioctl_tty(2)): raw mode, window size, and new pseudo-terminals."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from ringfence.linux.filedescriptor import FileDescriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

_WINDOW = struct.Struct("=HHHH")  # struct winsize: rows, columns, and two fields nobody uses
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_INPUT, _OUTPUT, _CONTROL, _LOCAL, _CHARACTERS = 0, 1, 2, 3, 6  # positions in what tcgetattr gives


class RawMode:
    """Within `with`, the terminal hands every byte on as it is typed and makes no signal of any; then as before."""

    __slots__ = ("_descriptor", "_saved")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._saved: list[Any] = []

    def __enter__(self) -> Self:
        self._saved = _mode(self._descriptor)
        mode = _mode(self._descriptor)
        # cfmakeraw(3)
        mode[_INPUT] &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        mode[_OUTPUT] &= ~termios.OPOST
        mode[_LOCAL] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[_CONTROL] = mode[_CONTROL] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[_CHARACTERS][termios.VMIN], mode[_CHARACTERS][termios.VTIME] = 1, 0
        _set_mode(self._descriptor, mode)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _set_mode(self._descriptor, self._saved)


def window_size(descriptor: int) -> tuple[int, int]:
    """Rows and columns; OSError ENOTTY if it is no terminal."""
    rows, columns, _, _ = _WINDOW.unpack(fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(_WINDOW.size)))
    return rows, columns


def set_window_size(descriptor: int, rows: int, columns: int) -> None:
    """Set it; the kernel sends SIGWINCH to the foreground process group if that changes anything."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, _WINDOW.pack(rows, columns, 0, 0))


def open_pty(multiplexer: str = "/dev/ptmx") -> tuple[FileDescriptor, FileDescriptor]:
    """A new pseudo-terminal, its master and its slave; `multiplexer` may be another devpts instance's ptmx.

    The slave is had from the master, never by the name /dev/pts/N, which may lead elsewhere (CVE-2025-52565).
    """
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master = FileDescriptor(os.open(multiplexer, flags))
    try:
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("=i", 0))
        return master, FileDescriptor(fcntl.ioctl(master, _TIOCGPTPEER, flags))
    except BaseException:
        master.close()
        raise


def _mode(descriptor: int) -> list[Any]:
    try:
        return termios.tcgetattr(descriptor)
    except termios.error as error:  # which is no OSError, though it carries an errno
        raise OSError(*error.args) from error


def _set_mode(descriptor: int, mode: list[Any]) -> None:
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)
    except termios.error as error:
        raise OSError(*error.args) from error
