"""An open file descriptor that somebody owns: an int that knows how to close itself. And room for more of them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class FileDescriptor(int):
    """A descriptor number, usable wherever an int is (dir_fd=, fcntl, select), and in `with`.

    Whoever receives one owns it: it closes it once, or gives it away with `detach()`. There is deliberately no
    finalizer: a number that was passed on as a plain int and closed there may belong to somebody else by then.
    """

    _open = True

    def fileno(self) -> int:
        return int(self)

    def close(self) -> None:
        """Close it unless that was done or it was given away."""
        if self._open:
            self._open = False
            os.close(self)

    def detach(self) -> int:
        """Give it away: the caller owns the returned number, and `close()` no longer does anything."""
        self._open = False
        return int(self)

    @property
    def path(self) -> str:
        """The name by which calls that only take paths reach what it refers to (proc(5), /proc/PID/fd)."""
        return f"/proc/self/fd/{int(self)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FileDescriptor({int(self)}{'' if self._open else ', closed'})"


class Room:
    """Within `with`, this process may have descriptors up to that number, if its hard limit allows (getrlimit(2))."""

    __slots__ = ("_number", "_soft")

    def __init__(self, number: int) -> None:
        self._number = number
        self._soft = 0

    def __enter__(self) -> Self:
        import resource

        self._soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if self._soft < self._number <= hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._number, hard))
        return self

    def __exit__(self, *_exception: object) -> None:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._soft, hard))
