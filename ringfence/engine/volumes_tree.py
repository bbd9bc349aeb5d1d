"""The trees of volumes: filled with what an image has at the mount point, and removed.

Both ends of a copy are read and written below a root: the image's files are foreign, and the volume may already be in
the hands of another container. A file gets its name when it is whole, so that an interrupted copy can simply be run
again. Neither function recurses: a container may nest directories deeper than Python's stack, or a path, can be.
"""

from __future__ import annotations

import os
import stat

from ringfence.linux.paths import Root

_PART = ".ringfence-part"
_CHUNK = 1 << 24


def copy_tree(root: Root, source: str, target: str) -> None:
    """Copy the content and the attributes of directory `source` below `root` into the host's directory `target`.

    Nothing is done if `source` is no directory. What `target` has already is kept; sockets are left out.
    """
    try:
        directory = root.open(source, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    with Root(directory) as below, Root(target) as volume:
        _Copy(below, volume).run()


class _Copy:
    """One copy: `links` remembers the first name of every file that has several."""

    def __init__(self, source: Root, target: Root) -> None:
        self.source = source
        self.target = target
        self.links: dict[tuple[int, int], str] = {}

    def run(self) -> None:
        todo, done = ["."], []
        while todo:
            directory = todo.pop()
            done.append(directory)
            for name in self.source.listdir(directory):
                path = f"{directory}/{name}"
                if self._entry(path, name, directory):
                    todo.append(path)
        for directory in reversed(done):  # children first: writing into a directory changes its times
            self._attributes(directory, os.O_RDONLY | os.O_DIRECTORY)

    def _entry(self, path: str, name: str, directory: str) -> bool:
        """Copy one entry; True for a directory, whose own content is yet to come."""
        status = self.source.stat(path, follow_symlinks=False)
        with self.target.open(directory, os.O_RDONLY | os.O_DIRECTORY) as parent:
            try:
                if stat.S_ISDIR(status.st_mode):
                    os.mkdir(name, 0o700, dir_fd=parent)
                elif stat.S_ISLNK(status.st_mode):
                    os.symlink(self.source.readlink(path), name, dir_fd=parent)
                    os.chown(name, status.st_uid, status.st_gid, dir_fd=parent, follow_symlinks=False)
                    os.utime(name, ns=_times(status), dir_fd=parent, follow_symlinks=False)
                elif stat.S_ISREG(status.st_mode):
                    self._file(path, name, status, parent.fileno())
                elif not stat.S_ISSOCK(status.st_mode):
                    os.mknod(name, status.st_mode, status.st_rdev, dir_fd=parent)
                    with self.target.open(f"{directory}/{name}", os.O_PATH | os.O_NOFOLLOW) as node:
                        os.chown(node.path, status.st_uid, status.st_gid)
                        os.chmod(node.path, stat.S_IMODE(status.st_mode))  # mknod(2) obeyed the umask
                        os.utime(node.path, ns=_times(status))
            except FileExistsError:
                pass  # an earlier, interrupted copy made it
        return stat.S_ISDIR(status.st_mode)

    def _file(self, path: str, name: str, status: os.stat_result, parent: int) -> None:
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and key in self.links:
            first_parent, first_name = os.path.split(self.links[key])
            with self.target.open(first_parent, os.O_RDONLY | os.O_DIRECTORY) as first:
                os.link(first_name, name, src_dir_fd=first, dst_dir_fd=parent, follow_symlinks=False)
            return
        with self.source.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) as source:
            part = f"{_PART}-{os.getpid()}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            target = os.open(part, flags, 0o600, dir_fd=parent)
            try:
                while os.sendfile(target, source.fileno(), None, _CHUNK):
                    pass
                _copy_attributes(source.fileno(), target, status)
                os.link(part, name, src_dir_fd=parent, dst_dir_fd=parent)  # unlike a rename, never over another
            finally:
                os.close(target)
                os.unlink(part, dir_fd=parent)
        self.links[key] = path

    def _attributes(self, path: str, flags: int) -> None:
        with self.source.open(path, flags) as source, self.target.open(path, flags) as target:
            _copy_attributes(source.fileno(), target.fileno(), os.fstat(source.fileno()))


def _times(status: os.stat_result) -> tuple[int, int]:
    return status.st_atime_ns, status.st_mtime_ns


def _copy_attributes(source: int, target: int, status: os.stat_result) -> None:
    """Owner before mode and xattrs, for chown(2) clears set-user-ID bits and file capabilities."""
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=_times(status))


def remove_tree(path: str) -> None:
    """Remove a directory with all that is in it; nothing if another process does, or did, the same.

    Directories are first moved up to the top, one level at a time, so that no path gets long.
    """
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        while names := os.listdir(top):
            for name in names:
                _remove_entry(top, name)
    finally:
        os.close(top)
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return


def _remove_entry(top: int, name: str) -> None:
    """Remove one entry of `top`; the directories in it become entries of `top`."""
    try:
        directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    except NotADirectoryError:  # also what O_NOFOLLOW with O_DIRECTORY says of a link
        os.unlink(name, dir_fd=top)
        return
    except FileNotFoundError:
        return
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    os.rename(entry.name, os.urandom(16).hex(), src_dir_fd=directory, dst_dir_fd=top)
                else:
                    os.unlink(entry.name, dir_fd=directory)
        os.rmdir(name, dir_fd=top)
    except FileNotFoundError:
        return
    finally:
        os.close(directory)
