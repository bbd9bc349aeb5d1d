"""Whole directory trees of snapshots: removed, measured, copied. None is in use by a container meanwhile."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from ringfence.snapshots import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_DEPTH = 64
"""Open descriptors and stack frames of `remove_tree`; containers can make trees deeper than PATH_MAX."""
_FICLONE = 0x40049409  # linux/fs.h


def remove_tree(path: str) -> None:
    """Remove `path` and all below it, however deep, following no symlink; already gone, or going, is fine."""
    try:
        top = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return
    try:
        while _empty(top, top, 0):
            pass
    finally:
        os.close(top)
    unless_gone(os.rmdir, path)


def _empty(directory: int, top: int, depth: int) -> bool:
    """Empty a directory; True if deeper ones were put into `top` for another round."""
    again = False
    with os.scandir(directory) as entries:
        for entry in list(entries):
            name = entry.name
            if not entry.is_dir(follow_symlinks=False):
                unless_gone(os.unlink, name, dir_fd=directory)
                continue
            if depth == _MAX_DEPTH:
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
            unless_gone(os.rmdir, name, dir_fd=directory)
    return again


def _open_directory(name: str, parent: int) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:  # overlay's work/work has mode 0, and rootless we are not above modes
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, _DIRECTORY, dir_fd=parent)


def unless_gone(call: Callable[..., object], *arguments: Any, **options: Any) -> bool:
    """Do `call`; False if what it is about is not there, because another process removes the same tree."""
    try:
        call(*arguments, **options)
    except FileNotFoundError:
        return False
    return True


def disk_usage(path: str) -> Usage:
    """Blocks and inodes of a tree, with each hard-linked file counted once."""
    top = os.lstat(path)
    size, inodes = top.st_blocks * 512, 1
    links: set[int] = set()
    pending = [path]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    pending.append(entry.path)
                elif status.st_nlink > 1:
                    if status.st_ino in links:
                        continue
                    links.add(status.st_ino)
                size += status.st_blocks * 512
                inodes += 1
    return Usage(size, inodes)


def copy_tree(source: str, target: str) -> None:
    """Copy all of `source` into the existing directory `target`, with everything that a layer can hold: owners, modes,
    times, extended attributes, hard links, devices, holes. Blocks are shared where the filesystem can."""
    links: dict[int, str] = {}
    directories = [(source, target)]
    for from_directory, to_directory in directories:
        with os.scandir(from_directory) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                to = f"{to_directory}/{entry.name}"
                if stat.S_ISDIR(status.st_mode):
                    os.mkdir(to, 0o700)
                    directories.append((entry.path, to))
                    continue
                if status.st_nlink > 1:
                    if status.st_ino in links:
                        os.link(links[status.st_ino], to, follow_symlinks=False)
                        continue
                    links[status.st_ino] = to
                if stat.S_ISREG(status.st_mode):
                    _copy_file(entry.path, to, status.st_size)
                elif stat.S_ISLNK(status.st_mode):
                    os.symlink(os.readlink(entry.path), to)
                else:
                    os.mknod(to, status.st_mode, status.st_rdev)
                _copy_attributes(entry.path, to, status)
    for from_directory, to_directory in reversed(directories):  # children first: making them changed the times
        _copy_attributes(from_directory, to_directory, os.lstat(from_directory))


def _copy_attributes(source: str, target: str, status: os.stat_result) -> None:
    os.lchown(target, status.st_uid, status.st_gid)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))  # after chown, which clears setuid
    for name in os.listxattr(source, follow_symlinks=False):
        os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _copy_file(source: str, target: str, size: int) -> None:
    from_fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        to_fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _copy_data(from_fd, to_fd, size)
        finally:
            os.close(to_fd)
    finally:
        os.close(from_fd)


def _copy_data(from_fd: int, to_fd: int, size: int) -> None:
    try:
        fcntl.ioctl(to_fd, _FICLONE, from_fd)
        return
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY):
            raise
    os.ftruncate(to_fd, size)
    end = 0
    while end < size:
        try:
            start = os.lseek(from_fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = os.lseek(from_fd, start, os.SEEK_HOLE)
        while start < end:
            copied = os.copy_file_range(from_fd, to_fd, end - start, start, start)
            if copied == 0:
                return
            start += copied
