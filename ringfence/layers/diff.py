"""What a container changed: the upper directory of its snapshot against what lies below, as a list and as a layer.

image-spec, layer.md, "Change Types" and "Whiteouts": what is deleted becomes explicit whiteouts, which every reader
knows, never opaque marks.
"""

from __future__ import annotations

import os
import stat

from ringfence.layers.directories import Climber, open_below, open_root, walk
from ringfence.layers.inodes import is_opaque, is_whiteout
from ringfence.layers.lower import Lower
from ringfence.layers.tar import Member
from ringfence.layers.tar_writer import TarWriter
from ringfence.layers.tree import TreeWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Literal

    from ringfence.layers.apply import Whiteouts
    from ringfence.layers.directories import Directory
    from ringfence.layers.tar_writer import Sink

    Kind = Literal["A", "C", "D"]


class Change:
    """A path ("/etc/passwd") that was added ("A"), changed ("C") or deleted ("D"), in docker's letters."""

    __slots__ = ("kind", "path")

    def __init__(self, kind: Kind, path: bytes) -> None:
        self.kind = kind
        self.path = os.fsdecode(path)

    def __repr__(self) -> str:
        return f"Change({self.kind!r}, {self.path!r})"


def changes(upper: int | str, lower: int | str | None, whiteouts: Whiteouts = "overlay",
            mount_points: Collection[str] = ()) -> list[Change]:  # fmt: skip
    """The changes in the order of their paths.

    `upper` and `lower` are directories, by path or descriptor: the snapshot's upper directory and the merged view of
    what it was made from (None: nothing). `whiteouts` is the snapshotter's: with "remove", `upper` is the whole tree.
    A deleted directory stands for all that was in it; the directories above a change count as changed. What was made
    at one of `mount_points` only to mount on it is no change: nothing is in it.
    """
    below = Lower([] if lower is None else [f"/proc/self/fd/{lower}" if isinstance(lower, int) else lower])
    with open_root(upper) as root:
        try:
            found = _compare(root, below) if whiteouts == "remove" else _read_upper(root, below, whiteouts)
            for path in sorted(map(os.fsencode, mount_points), reverse=True):  # the deeper ones first
                _forget_mount_point(found, path, root, below)
        finally:
            below.close()
    return [Change(found[path], path) for path in sorted(found)]


def write_diff(upper: int | str, lower: int | str | None, out: Sink, whiteouts: Whiteouts = "overlay",
               mount_points: Collection[str] = ()) -> str:  # fmt: skip
    """Write the changes to `out` as an uncompressed layer and return its diff ID: the same tree is the same bytes."""
    writer = TreeWriter(TarWriter(out))
    with open_root(upper) as root:
        climber = Climber(root)
        try:
            for change in changes(upper, lower, whiteouts, mount_points):
                directory, _, name = os.fsencode(change.path).rpartition(b"/")
                if change.kind == "D":
                    writer.tar.add(Member((directory + b"/.wh." + name)[1:]))
                elif parent := climber.reach(directory):
                    with parent:
                        writer.add_entry(parent, name, os.fsencode(change.path)[1:])
        finally:
            climber.close()
    writer.close()
    return writer.tar.diff_id


def _read_upper(root: Directory, lower: Lower, whiteouts: Whiteouts) -> dict[bytes, Kind]:
    """Of an overlay: all that is in the upper directory was written there for a change."""
    found: dict[bytes, Kind] = {}
    for parent, name, status in walk(root):
        path = parent.path + b"/" + name
        before = lower.stat(path)
        if is_whiteout(status):
            if before is not None:
                found[path] = "D"
            continue
        found[path] = "A" if before is None else "C"
        if before is not None and stat.S_ISDIR(status.st_mode):
            with open_below(parent, name) as directory:
                if is_opaque(directory.fd, whiteouts):
                    found.update(_deleted(directory, lower))
    return found


def _compare(root: Directory, lower: Lower) -> dict[bytes, Kind]:
    """Of two whole trees: what differs, as far as an inode tells."""
    found: dict[bytes, Kind] = dict(_deleted(root, lower))
    for parent, name, status in walk(root):
        path = parent.path + b"/" + name
        before = lower.stat(path)
        if before is None:
            found[path] = "A"
        elif _differs(status, before):
            found[path] = "C"
        if before is not None and stat.S_ISDIR(status.st_mode):
            with open_below(parent, name) as directory:
                found.update(_deleted(directory, lower))
    for path in list(found):
        while path := path.rpartition(b"/")[0]:
            found.setdefault(path, "C")
    return found


def _forget_mount_point(found: dict[bytes, Kind], path: bytes, root: Directory, lower: Lower) -> None:
    """Drop an added path if nothing is in it, and the directories above it that tell of nothing else by then."""
    climber = Climber(root)
    try:
        while found.get(path, "D") != "D" and not any(other.startswith(path + b"/") for other in found):
            above, _, name = path.rpartition(b"/")
            parent = climber.reach(above)
            if parent is None:  # it is being changed
                return
            with parent:
                try:
                    status = os.stat(name, dir_fd=parent.fd, follow_symlinks=False)
                except FileNotFoundError:
                    return
            if not _tells_nothing(status, lower.stat(path)):
                return
            del found[path]
            path = above
    finally:
        climber.close()


def _tells_nothing(status: os.stat_result, before: os.stat_result | None) -> bool:
    """Whether an inode is an empty file or, its content apart, a directory that is as it was."""
    if before is None:
        return stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and not status.st_size)
    return stat.S_ISDIR(status.st_mode) and not _differs(status, before)


def _deleted(directory: Directory, lower: Lower) -> Iterator[tuple[bytes, Kind]]:
    """What lies below a directory and is not in it."""
    there = {os.fsencode(name) for name in os.listdir(directory.fd)}
    for name in lower.names(directory.path):
        if name not in there:
            yield directory.path + b"/" + name, "D"


def _differs(status: os.stat_result, before: os.stat_result) -> bool:
    same = ["st_mode", "st_uid", "st_gid", "st_rdev"]
    if not stat.S_ISDIR(status.st_mode):  # a directory's time changes with its content, which is told by itself
        same += ["st_size", "st_mtime_ns"]
    return any(getattr(status, field) != getattr(before, field) for field in same)
