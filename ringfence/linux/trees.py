"""Removing whole directory trees, whatever hands made them: no link is followed and no depth is too great."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ringfence.linux._libc import StrPath

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_OPEN = 64
"""Descriptors and stack frames held at once; containers can make trees that are deeper than PATH_MAX."""
_ROUNDS = 100
"""So often a tree is emptied that somebody fills again."""


def remove_tree(path: StrPath | bytes, *, dir_fd: int | None = None) -> None:
    """Remove the directory `path` and all below it; what is gone already, goes or comes meanwhile, is fine.

    Comes: a start whose command was killed may just be mounting an overlay, which makes directories in its workdir.
    """
    try:
        top = _open_directory(path, dir_fd)
    except FileNotFoundError:
        return
    try:
        for _ in range(_ROUNDS):
            while _empty(top, top, 0):
                pass
            if _rmdir(path, dir_fd):
                return
        unless_gone(os.rmdir, path, dir_fd=dir_fd)
    finally:
        os.close(top)


def _rmdir(path: StrPath | bytes, dir_fd: int | None) -> bool:
    """Remove a directory; False if something has been put into it."""
    try:
        unless_gone(os.rmdir, path, dir_fd=dir_fd)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        return False
    return True


def unless_gone(call: Callable[..., object], *arguments: Any, **options: Any) -> bool:
    """Do `call`; False if what it is about is not there, because another process removes the same tree."""
    try:
        call(*arguments, **options)
    except FileNotFoundError:
        return False
    return True


def _empty(directory: int, top: int, depth: int) -> bool:
    """Empty a directory; True if deeper ones were put into `top` for another round."""
    again = False
    with os.scandir(directory) as entries:
        for entry in list(entries):
            name = entry.name
            if not entry.is_dir(follow_symlinks=False):
                unless_gone(os.unlink, name, dir_fd=directory)
                continue
            if depth == _MOST_OPEN:
                unless_gone(os.rename, name, os.urandom(8).hex(), src_dir_fd=directory, dst_dir_fd=top)
                again = True
                continue
            try:
                child = _open_directory(name, directory)
            except FileNotFoundError:
                continue
            try:
                again |= _empty(child, top, depth + 1)
            finally:
                os.close(child)
            again |= not _rmdir(name, directory)
    return again


def _open_directory(path: StrPath | bytes, parent: int | None) -> int:
    try:
        return os.open(path, _DIRECTORY, dir_fd=parent)
    except PermissionError:  # overlay's work/work has mode 0, and rootless we are not above modes
        os.chmod(path, 0o700, dir_fd=parent)
        return os.open(path, _DIRECTORY, dir_fd=parent)
