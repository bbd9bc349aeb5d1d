"""The tree that a step has written, made fit to be a layer: without the runtime's mount points, with settled times."""

from __future__ import annotations

import errno
import os
import stat

from ringfence.layers.directories import open_below, open_root, walk
from ringfence.layers.inodes import is_opaque, is_whiteout
from ringfence.layers.lower import Lower

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.layers.apply import Whiteouts
    from ringfence.layers.directories import Directory
    from ringfence.linux.paths import Root


def without_mount_points(upper: str, below: Root | None, targets: Iterable[str], whiteouts: Whiteouts) -> None:
    """Remove from `upper` what stands at the `targets` (paths without links) only because something was mounted there:
    what `below` has not and what is empty; and the directories that were made, or copied up, for nothing else.

    A program sees the mount and not its mount point, so nothing of this is its own doing.
    """
    lower = Lower([] if below is None else [f"/proc/self/fd/{below.fileno():d}"])
    with open_root(upper) as root:
        try:
            for target in sorted(targets, key=lambda path: -path.count("/")):
                path = os.fsencode(target).rstrip(b"/")
                while path and _remove_unless_meant(root, path, lower, whiteouts, parent=path != os.fsencode(target)):
                    path = path.rpartition(b"/")[0]
        finally:
            lower.close()


def _remove_unless_meant(root: Directory, path: bytes, lower: Lower, whiteouts: Whiteouts, *, parent: bool) -> bool:
    """Remove one entry; False if it stays, and so its parents do."""
    directory = _reach(root, path.rpartition(b"/")[0])
    name = path.rpartition(b"/")[2]
    before = lower.stat(path)
    if directory is None:
        return before is not None  # only in the lower layers: nothing was copied up on this way yet
    with directory:
        try:
            status = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
        except FileNotFoundError:
            return True
        if stat.S_ISDIR(status.st_mode):
            if before is not None and not (stat.S_ISDIR(before.st_mode) and _same(status, before)):
                return False
            with open_below(directory, name) as itself:
                if before is not None and is_opaque(itself.fd, whiteouts):
                    return False
            try:
                os.rmdir(name, dir_fd=directory.fd)
            except OSError as error:
                if error.errno == errno.ENOTEMPTY:
                    return False
                raise
            return True
        if parent or before is not None or is_whiteout(status) or status.st_size or not stat.S_ISREG(status.st_mode):
            return False
        os.unlink(name, dir_fd=directory.fd)
        return True


def _reach(root: Directory, path: bytes) -> Directory | None:
    from ringfence.layers.directories import Climber

    climber = Climber(root)
    try:
        return climber.reach(path)
    finally:
        climber.close()


def _same(status: os.stat_result, before: os.stat_result) -> bool:
    return all(getattr(status, field) == getattr(before, field) for field in ("st_mode", "st_uid", "st_gid"))


def settle_times(upper: str, latest: int) -> None:
    """Let nothing in the tree be younger than `latest` seconds (reproducible-builds.org, SOURCE_DATE_EPOCH)."""
    limit = latest * 10**9
    with open_root(upper) as root:
        found = [(parent.path, name) for parent, name, status in walk(root) if status.st_mtime_ns > limit]
        for path, name in reversed(found):  # children first
            directory = _reach(root, path)
            if directory is not None:
                with directory:
                    os.utime(name, ns=(limit, limit), dir_fd=directory.fd, follow_symlinks=False)
