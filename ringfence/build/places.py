"""Where files go in the image being built: destinations resolved in the tree that is there already, as inside of it."""

from __future__ import annotations

import os
import stat

from ringfence.build.patterns import clean
from ringfence.layers.inodes import is_whiteout, member_of
from ringfence.layers.tar import DIRECTORY, Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.paths import Root

_MOST_LINKS = 40  # as path_resolution(7)


class Places:
    """The tree below `root` (None: nothing is there). Paths are relative and without links once they are resolved."""

    def __init__(self, root: Root | None) -> None:
        self._root = root
        self._kinds: dict[str, os.stat_result | None] = {}

    def resolve(self, path: str) -> str:
        """The path with every link on it followed; what does not exist stays as it is. ValueError for a loop."""
        done: list[str] = []
        todo = clean(path).split("/")[::-1]
        links = 0
        while todo:
            name = todo.pop()
            if name == "..":
                del done[-1:]
                continue
            if name in ("", "."):
                continue
            place = "/".join([*done, name])
            status = self.stat(place)
            if status is None or not stat.S_ISLNK(status.st_mode):
                done.append(name)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise ValueError(f"/{clean(path)} is a link to a link to a link, and so on")
            assert self._root is not None
            target = self._root.readlink(place)
            if target.startswith("/"):
                done.clear()
            todo += target.split("/")[::-1]
        return "/".join(done)

    def stat(self, path: str) -> os.stat_result | None:
        """What is at a resolved path; a link is not followed."""
        if path not in self._kinds:
            self._kinds[path] = self._look(path)
        return self._kinds[path]

    def is_directory(self, path: str) -> bool:
        if not path:
            return True
        status = self.stat(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def directory(self, path: str) -> Member | None:
        """The directory at a resolved path, as a member with its attributes; None if nothing is there."""
        status = self.stat(path)
        if status is None or self._root is None:
            return None
        with self._root.open(path or "/", os.O_PATH | os.O_NOFOLLOW) as handle:
            member = member_of(os.fsencode(path), handle, status)
        return member if member.type == DIRECTORY else None

    def _look(self, path: str) -> os.stat_result | None:
        if self._root is None:
            return None
        try:
            status = self._root.stat(path or "/", follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return None if is_whiteout(status) else status
