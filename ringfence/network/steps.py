"""Steps: requests to rtnetlink with words for what each does, sent at once; the first that fails is told by them."""

from __future__ import annotations

import errno
import os

from ringfence.errors import Conflict, Denied, Failed, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence, Set
    from typing import TypeAlias

    from ringfence.errors import RingfenceError
    from ringfence.linux.netlink import Message
    from ringfence.linux.rtlink import Link
    from ringfence.linux.rtnetlink import RouteConnection

    Step: TypeAlias = tuple[str, Message]


def perform(connection: RouteConnection, where: str, steps: Sequence[Step], harmless: Set[int] = frozenset()) -> None:
    """Do all steps in their order. `where` begins a message, `harmless` are errors that are no failure."""
    for (what, _), error in zip(steps, connection.request_all([request for _, request in steps]), strict=True):
        if error is not None and error.errno not in harmless:
            raise problem(f"{where}: cannot {what}", error) from error


def problem(what: str, error: OSError, *, hint: str = "") -> RingfenceError:
    """The error to raise for the kernel's, with the file that it was about, and its own explanation if it gave one."""
    number = error.errno or 0
    explanation = "".join(f": {note}" for note in getattr(error, "__notes__", ()))
    file = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    line = f"{what}: {file}{os.strerror(number)}{explanation}"
    if number in (errno.EPERM, errno.EACCES):
        return Denied(line, hint=hint or "networks need root")
    if number in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
        return Unsupported(line, hint=hint or "this kernel lacks it")
    if number in (errno.EEXIST, errno.EBUSY):
        return Conflict(line, hint=hint)
    return Failed(line, errno=number, hint=hint)


def find(connection: RouteConnection, name: str) -> Link | None:
    """The link of that name, or None."""
    try:
        return connection.link(name)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return None
