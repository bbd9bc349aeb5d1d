"""Open directories of a tree that an archive is written into or read from, and the way down to them without links."""

from __future__ import annotations

import os

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
        return directory if directory is self._root else Directory(os.dup(directory.fd), path)

    def close(self) -> None:
        """Forget the way: directories on it were removed or replaced."""
        while self._way:
            self._way.pop().close()
