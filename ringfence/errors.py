"""The error classes of Ringfence: what went wrong, where, why, and what to do about it.

Every layer raises one of these; nothing else crosses a layer's border but `OSError` from `linux/`.
Each API maps them once: the command line in `cli/exitcodes.py`, later gRPC codes and HTTP statuses in theirs.
Messages are lower case, have no final period, and always name the offending input, path or field.
"""

from __future__ import annotations


class RingfenceError(Exception):
    """Base class: `what` is one line for a person; `hint` (may be empty) says what to do about it."""

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} ({self.hint})" if self.hint else self.what


class InvalidInput(RingfenceError):
    """A spec, flag, reference, archive or signal name that cannot be right whatever the machine's state."""


class NotFound(RingfenceError):
    """The named container, image, volume, blob or file does not exist."""


class Conflict(RingfenceError):
    """The name is taken, or the object's present state does not allow the operation."""


class Denied(RingfenceError):
    """The caller may not do this: missing privilege, or refused by policy."""


class Unsupported(RingfenceError):
    """Not built yet, or this kernel or machine lacks the facility."""


class Corrupt(RingfenceError):
    """Stored or received bytes are not what their digest, size or format promises."""


class Failed(RingfenceError):
    """An operation of the system failed; `errno` is the kernel's reason (0 when there is none)."""

    def __init__(self, what: str, *, errno: int = 0, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.errno = errno


class CannotExecute(Failed):
    """The container's program could not be executed: `errno` ENOENT means it was not found (exit 127), else 126."""


class DeadlineExceeded(RingfenceError):
    """The operation did not end within the time given."""
