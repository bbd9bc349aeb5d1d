"""Processes as proc(5) shows them: who a pid really is, its parent, its children and its command."""

from __future__ import annotations

import os

_DEAD = ("Z", "X")
_own = (0, 0)


class Status:
    """The part of /proc/PID/stat that identifies a process; `start_time` is in clock ticks since boot."""

    __slots__ = ("name", "parent", "pid", "start_time", "state")

    def __init__(self, text: str) -> None:
        # The name stands in parentheses and may itself hold spaces and parentheses: the last ")" ends it.
        opening, closing = text.index("("), text.rindex(")")
        fields = text[closing + 2 :].split()
        self.pid = int(text[:opening])
        self.name = text[opening + 1 : closing]
        self.state = fields[0]
        self.parent = int(fields[1])
        self.start_time = int(fields[19])


def status(pid: int) -> Status:
    """The present status of `pid`; ProcessLookupError if there is none."""
    return Status(_read(pid, "stat").decode(errors="surrogateescape"))


def start_time(pid: int) -> int:
    """When `pid` was started, in clock ticks since boot (field 22 of /proc/PID/stat): pid and this name it for good."""
    return status(pid).start_time


def own() -> tuple[int, int]:
    """Our pid and start time."""
    global _own
    if _own[0] != os.getpid():  # not read yet, or we are a child that was forked
        _own = os.getpid(), start_time(os.getpid())
    return _own


def alive(pid: int, start_time: int) -> bool:
    """Whether that very process still runs: not a zombie, and not another one that was given the same pid."""
    try:
        present = status(pid)
    except ProcessLookupError:
        return False
    return present.start_time == start_time and present.state not in _DEAD


def ended(pid: int) -> bool:
    """Whether a process that nobody has waited for yet, so that its pid is still its own, has ended."""
    try:
        return status(pid).state in _DEAD
    except ProcessLookupError:
        return True


def children(pid: int) -> list[int]:
    """The pids of its children, those of all its threads; ProcessLookupError if `pid` does not exist."""
    _read(pid, "stat")
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if status(int(name)).parent == pid:
                    found.append(int(name))
            except ProcessLookupError:
                continue  # it ended since the listing
    return sorted(found)


def command(pid: int) -> list[str]:
    """Its argument vector; empty for a zombie and for a thread of the kernel."""
    text = _read(pid, "cmdline").decode(errors="surrogateescape")
    return text.removesuffix("\0").split("\0") if text else []


def _read(pid: int, file: str) -> bytes:
    path = f"/proc/{pid}/{file}"
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.readall()
    except (FileNotFoundError, ProcessLookupError) as error:  # gone before the open, or between open and read
        import errno

        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), path) from error
