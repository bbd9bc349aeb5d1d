"""Counts what a test may leave in the kernel and on disk: mounts, cgroups, processes, descriptors, links, files.

`before = Census.take(owner)`, the test's work, then `assert_nothing_left(before)`. `owner` is the private directory of
the test. Mounts and processes are charged to it when the kernel's record of them names it (their arguments, mounts,
descriptors, working directory), cgroups and links when they are new: another program of this machine may be at work
too, so what is new is looked at again for a few seconds before it counts as left behind.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
KEPT = ("ringfence", "ringrun")  # the cgroups above the containers' are kept: making them anew doubled a start's cost
PATIENCE = 5.0  # seconds: a monitor may still be removing its cgroups when the command that waited for it returns


@dataclass(frozen=True)
class Census:
    """What there is at one moment; every set holds one line for a person per thing."""

    owner: str
    mounts: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]
    descriptors: frozenset[str]
    links: frozenset[str]
    files: frozenset[str]

    @classmethod
    def take(cls, owner: Path) -> Census:
        return cls(
            owner=str(owner),
            mounts=frozenset(mounts(str(owner))),
            cgroups=frozenset(cgroups()),
            processes=frozenset(processes(str(owner))),
            descriptors=frozenset(descriptors()),
            links=frozenset(name for _, name in socket.if_nameindex()),
            files=frozenset(files(owner)),
        )

    def since(self, before: Census) -> list[str]:
        """What is here and was not there, one line each."""
        return [
            f"{kind}: {thing}"
            for kind in ("mounts", "cgroups", "processes", "descriptors", "links", "files")
            for thing in sorted(getattr(self, kind) - getattr(before, kind))
        ]


def mounts(owner: str) -> Iterator[str]:
    """Lines of this mount namespace that name `owner` as target, source or layer, without the ids that change."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if owner in line:
            yield " ".join(line.split()[3:])


def cgroups() -> Iterator[str]:
    """Every cgroup directory of every hierarchy, but for the ones that are KEPT."""
    for directory, _, names in os.walk(CGROUPS):
        if "cgroup.procs" in names and os.path.basename(directory) not in KEPT:
            yield directory


def processes(owner: str) -> Iterator[str]:
    """Living processes, this one excepted, that were told of `owner`, stand in it, hold it open or have it mounted.

    A process that exited and awaits its parent is a leak only if its parent is ours, which then is listed itself.
    """
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _mentions(entry, owner):
            command = _read(entry / "cmdline").replace("\0", " ").strip()
            yield f"{entry.name} {command or _read(entry / 'comm').strip()}"


def descriptors() -> Iterator[str]:
    """This process's open files, named by what they lead to; but for the sealed helper, opened once for good."""
    for name in os.listdir("/proc/self/fd"):
        target = _target(Path("/proc/self/fd") / name)
        if target and not target.startswith(f"/proc/{os.getpid()}/fd") and os.path.basename(target) != "ringinit":
            yield f"{name} -> {target}"


def files(owner: Path) -> Iterator[str]:
    """Everything below `owner`, as relative paths; the walk stays on one file system."""
    device = owner.stat().st_dev
    for directory, subdirectories, names in os.walk(owner):
        subdirectories[:] = [
            name for name in subdirectories if os.lstat(os.path.join(directory, name)).st_dev == device
        ]
        for name in (*subdirectories, *names):
            yield os.path.relpath(os.path.join(directory, name), owner)


def assert_nothing_left(before: Census, *, files: bool = True) -> None:
    """Fail with a list of what appeared since `before` and does not go away within PATIENCE.

    `files=False` is for a test whose directory is to be removed anyway.
    """
    deadline = time.monotonic() + PATIENCE
    foreign: set[str] = set()
    while True:
        left = Census.take(Path(before.owner)).since(before)
        foreign.update(line for line in left if _foreign(line, before.owner))
        left = [line for line in left if line not in foreign and (files or not line.startswith("files: "))]
        if not left:
            return
        if time.monotonic() > deadline:
            raise AssertionError("left behind:\n  " + "\n  ".join(left))
        time.sleep(0.05)


def _foreign(line: str, owner: str) -> bool:
    """Whether a new cgroup is somebody else's at work on this machine: a process lives in it that is not ours, or it
    is another user's while `owner` is an ordinary user's, who cannot have made it."""
    kind, _, directory = line.partition(": ")
    if kind != "cgroups":
        return False
    user = os.stat(owner).st_uid
    with suppress(FileNotFoundError):
        if user and os.stat(directory).st_uid != user:
            return True
    pids = [pid for below, _, _ in os.walk(directory) for pid in _read(Path(below) / "cgroup.procs").split()]
    return bool(pids) and not any(_mentions(Path("/proc") / pid, owner) for pid in pids)


def _mentions(process: Path, owner: str) -> bool:
    if owner in _read(process / "cmdline") or owner in _read(process / "environ"):
        return True
    if _target(process / "cwd").startswith(owner) or owner in _read(process / "mountinfo"):
        return process.name != str(os.getpid()) and not _shares_mounts(process)
    try:
        return any(_target(link).startswith(owner) for link in (process / "fd").iterdir())
    except OSError:
        return False


def _shares_mounts(process: Path) -> bool:
    """In our own mount namespace, mountinfo is the same text for everybody and charges nobody."""
    return _target(process / "ns/mnt") == _target(Path("/proc/self/ns/mnt"))


def _read(path: Path) -> str:
    """The text of a /proc or cgroup file; empty if its process or group has gone meanwhile."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
