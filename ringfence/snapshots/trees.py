"""Whole directory trees of snapshots: measured, also while a container uses them, and copied."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from ringfence.snapshots import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FICLONE = 0x40049409  # linux/fs.h


def disk_usage(path: str) -> Usage:
    """Blocks and inodes of a tree, with each hard-linked file counted once; of one in use, what is still there."""
    top = os.lstat(path)
    size, inodes = top.st_blocks * 512, 1
    links: set[int] = set()
    for entry in _walk(path):
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if status.st_ino in links:
                continue
            links.add(status.st_ino)
        size += status.st_blocks * 512
        inodes += 1
    return Usage(size, inodes)


def _walk(path: str) -> Iterator[os.DirEntry[str]]:
    """Every entry below a directory; one that is removed meanwhile, as in a running container, is left out."""
    pending = [path]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        yield from entries


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
