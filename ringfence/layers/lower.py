"""What lies below the upper directory that a layer is applied to: asked only when the layer leaves something unsaid.

A layer need not list the parents of its entries, and may hard-link to a file of a lower layer. On a plain directory
both are simply there; below an overlay's upper directory they must be looked up in the layers under it.
"""

from __future__ import annotations

import errno
import os

from ringfence.layers.inodes import is_whiteout, member_of
from ringfence.linux.filedescriptor import FileDescriptor
from ringfence.linux.paths import Resolve, openat2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.layers.tar import Member


class Lower:
    """The merged view of directories (`paths`, top first, or what tells them), mounted nowhere, and only when something
    is asked.

    Its paths begin with `/` and have no links among the parents.
    """

    def __init__(self, paths: Sequence[str] | Callable[[], Sequence[str]] = (), *, userxattr: bool = False) -> None:
        self._given = paths
        self._userxattr = userxattr
        self._view: FileDescriptor | None = None
        self._hidden: set[bytes] = set()

    def close(self) -> None:
        if self._view is not None:
            self._view.close()

    def hide(self, path: bytes) -> None:
        """From now on nothing is found below `path`: the layer made it opaque."""
        self._hidden.add(path)

    def find(self, path: bytes) -> Member | None:
        """What is at `path` as a member, with all attributes, or None."""
        handle = self._open(path)
        if handle is None:
            return None
        with handle:
            return member_of(path, handle)

    def stat(self, path: bytes) -> os.stat_result | None:
        """What is at `path`, or None."""
        handle = self._open(path)
        if handle is None:
            return None
        with handle:
            return os.fstat(handle)

    def names(self, path: bytes = b"") -> list[bytes]:
        """What is in the directory `path`, by default the root; empty if it is none."""
        handle = self._open(path or b"/.", os.O_RDONLY | os.O_NONBLOCK | os.O_DIRECTORY)
        if handle is None:
            return []
        with handle:
            return sorted(os.fsencode(name) for name in os.listdir(handle))

    def copy_content(self, path: bytes, to: int) -> None:
        """Write the content of the regular file at `path` into the open file `to`."""
        file = self._open(path, os.O_RDONLY | os.O_NONBLOCK)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fsdecode(path))
        with file:
            while os.sendfile(to, file, None, 1 << 30):  # copy_file_range does not cross file systems
                pass

    @property
    def _paths(self) -> Sequence[str]:
        if callable(self._given):
            self._given = self._given()
        return self._given

    def _open(self, path: bytes, flags: int = os.O_PATH) -> FileDescriptor | None:
        if not self._paths or (self._hidden and self._is_hidden(path)):
            return None
        resolve = Resolve.IN_ROOT | Resolve.NO_SYMLINKS
        try:
            handle = openat2(self._merged(), os.fsdecode(path)[1:], flags | os.O_NOFOLLOW, resolve=resolve)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):  # the last: a link on the way
                return None
            raise
        if is_whiteout(os.fstat(handle)):  # of a single lower layer, which no overlay interprets
            handle.close()
            return None
        return handle

    def _is_hidden(self, path: bytes) -> bool:
        while path:
            path = path.rpartition(b"/")[0]
            if path in self._hidden:
                return True
        return False

    def _merged(self) -> FileDescriptor:
        if self._view is None:
            if len(self._paths) == 1:
                flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
                self._view = FileDescriptor(os.open(self._paths[0], flags))
            else:
                from ringfence.linux.mounts import Mount, attach_nowhere

                options = ["userxattr"] if self._userxattr else []
                self._view = attach_nowhere(Mount("overlay", "", [f"lowerdir={':'.join(self._paths)}", *options]))
        return self._view
