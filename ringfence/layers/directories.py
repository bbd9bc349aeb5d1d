"""Open directories of a tree that an archive is written into or read from, and the way down to them without links."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_OPEN = 64


class Directory:
    """An open directory of the tree; `path` has no links: its names from the root down, each with a `/` before it.

    `owned`: it is closed at the end of a `with` block; otherwise the tree closes it when it likes.
    """

    __slots__ = ("fd", "owned", "path")

    def __init__(self, fd: int, path: bytes, *, owned: bool = True) -> None:
        self.fd = fd
        self.path = path
        self.owned = owned

    def close(self) -> None:
        if self.owned:
            self.owned = False
            os.close(self.fd)

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_below(parent: Directory, name: bytes) -> Directory:
    """NotADirectoryError for a link, too."""
    return Directory(os.open(name, _OPEN, dir_fd=parent.fd), parent.path + b"/" + name)


class Climber:
    """Reaches directories by their paths without links, and keeps some of the way open for the next path nearby.

    So a tree as deep as hostile hands can make it costs no more than a flat one.
    """

    def __init__(self, root: Directory) -> None:
        self._root = root
        self._way: list[Directory] = []  # each in the one before it

    def reach(self, path: bytes) -> Directory | None:
        """The directory, for a `with` block; None if something else, or nothing, is there."""
        while self._way and not (path + b"/").startswith(self._way[-1].path + b"/"):
            self._way.pop().close()
        directory = self._way[-1] if self._way else self._root
        for name in path[len(directory.path) :].split(b"/")[1:]:
            try:
                directory = open_below(directory, name)
            except (FileNotFoundError, NotADirectoryError):
                return None
            self._way.append(directory)
            if len(self._way) > _MOST_OPEN:
                self._way.pop(0).close()
        return Directory(os.dup(directory.fd), path)

    def close(self) -> None:
        """Forget the way: directories on it were removed or replaced."""
        while self._way:
            self._way.pop().close()


def open_root(directory: int | str) -> Directory:
    """A tree's root, by its path, or by a descriptor that stays the caller's; for a `with` block."""
    if isinstance(directory, int):
        return Directory(directory, b"", owned=False)
    return Directory(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), b"")


def walk(root: Directory) -> Iterator[tuple[Directory, bytes, os.stat_result]]:
    """Everything below `root` in the order of the names, a directory before its content: its parent, name and status.

    The parent is open until the next step. What vanishes meanwhile is left out.
    """
    climber = Climber(root)
    pending: list[tuple[bytes, Iterator[bytes] | None]] = [(b"", None)]
    try:
        while pending:
            path, names = pending[-1]
            parent = climber.reach(path)
            if parent is None:
                pending.pop()
                continue
            with parent:
                if names is None:
                    names = iter(sorted(os.fsencode(name) for name in os.listdir(parent.fd)))
                    pending[-1] = (path, names)
                for name in names:
                    try:
                        status = os.stat(name, dir_fd=parent.fd, follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    yield parent, name, status
                    if stat.S_ISDIR(status.st_mode):
                        pending.append((path + b"/" + name, None))
                        break
                else:
                    pending.pop()
    finally:
        climber.close()
