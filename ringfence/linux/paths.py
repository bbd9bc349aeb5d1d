"""Paths below a root that is not to be trusted: whatever the links inside say, nothing outside is ever reached.

Every step is openat2(2) with RESOLVE_IN_ROOT: the kernel treats the root's descriptor as `/` for absolute links and
`..`, against renames that race with us, too. There is no fallback for kernels without openat2 (5.6): the mount calls
that the runtime needs are younger.
"""

from __future__ import annotations

import errno
import os
import stat

from ringfence.linux import _libc
from ringfence.linux.filedescriptor import FileDescriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ringfence.linux._libc import StrPath

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as path_resolution(7)
_MOST_RETRIES = 64


class Resolve:
    """RESOLVE_*: how openat2(2) may resolve a path."""

    NO_XDEV = 0x01
    NO_MAGICLINKS = 0x02
    NO_SYMLINKS = 0x04
    BENEATH = 0x08
    IN_ROOT = 0x10


class Rename:
    """RENAME_*: flags of renameat2(2)."""

    NOREPLACE = 1
    EXCHANGE = 2
    WHITEOUT = 4


def openat2(
    directory: int, path: StrPath, flags: int, mode: int = 0, resolve: int = Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
) -> FileDescriptor:
    """openat2(2), O_CLOEXEC added. A rename that races with `..` makes it retry; EAGAIN if that never ends."""
    for attempt in range(_MOST_RETRIES):
        try:
            return FileDescriptor(_libc.openat2(directory, path, flags | os.O_CLOEXEC, mode, resolve))
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR) or attempt == _MOST_RETRIES - 1:
                raise
    raise AssertionError("unreachable")


def renameat2(from_directory: int, from_path: StrPath, to_directory: int, to_path: StrPath, flags: int) -> None:
    """renameat2(2), for what os.rename cannot say: NOREPLACE (EEXIST) and EXCHANGE."""
    _libc.renameat2(from_directory, from_path, to_directory, to_path, flags)


class Root:
    """A directory as the root of all paths given to it; absolute, relative and hostile paths all end below it.

    It takes over the descriptor it is given (or opens the directory of a host path) and closes it. In every method
    a path is resolved as the container would see it; OSError (FileNotFoundError, ELOOP, ...) names that path.
    """

    __slots__ = ("_directory",)

    def __init__(self, directory: int | StrPath) -> None:
        if not isinstance(directory, int):
            directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._directory = directory if isinstance(directory, FileDescriptor) else FileDescriptor(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the root's descriptor; what was opened below it stays open."""
        self._directory.close()

    def fileno(self) -> int:
        return self._directory.fileno()

    def open(self, path: StrPath, flags: int = os.O_RDONLY, mode: int = 0) -> FileDescriptor:
        """Open `path` below the root; `mode` counts only with O_CREAT or O_TMPFILE (else it must be 0)."""
        return openat2(self._directory, os.fspath(path) or ".", flags, mode)

    def read_bytes(self, path: StrPath, limit: int = 16 << 20) -> bytes:
        """The content of a regular file of at most `limit` bytes (EFBIG).

        Anything else that hostile hands may have put there, e.g. a FIFO on which an open would wait, is EINVAL.
        """
        with self._without_links(path) or self.open(path, os.O_PATH) as handle:
            status = os.fstat(handle)
            if stat.S_ISDIR(status.st_mode):
                raise _error(errno.EISDIR, path)
            if not stat.S_ISREG(status.st_mode):
                raise _error(errno.EINVAL, path, "not a regular file")
            with FileDescriptor(os.open(handle.path, os.O_RDONLY | os.O_CLOEXEC)) as file:
                content = _read(file, limit + 1)
        if len(content) > limit:
            raise _error(errno.EFBIG, path, f"more than {limit} bytes")
        return content

    def _without_links(self, path: StrPath) -> FileDescriptor | None:
        """`path` as O_PATH if no link is on its way, else None: name by name, as openat2(2) costs the import of ctypes,
        a twentieth of what a command takes to start a container."""
        names = [name for name in os.fsdecode(path).split("/") if name not in ("", ".")]
        if not names or ".." in names:
            return None
        found = FileDescriptor(os.dup(self._directory))
        for name in names:
            with found as parent:
                try:
                    found = FileDescriptor(os.open(name, _STEP, dir_fd=parent))
                except OSError as error:
                    raise _error(error.errno or 0, path) from None
            if stat.S_ISLNK(os.fstat(found).st_mode):
                found.close()
                return None
        return found

    def stat(self, path: StrPath, *, follow_symlinks: bool = True) -> os.stat_result:
        with self.open(path, os.O_PATH | (0 if follow_symlinks else os.O_NOFOLLOW)) as handle:
            return os.fstat(handle)

    def exists(self, path: StrPath) -> bool:
        """Whether `path` leads to something; a link to nothing or to itself does not."""
        try:
            self.stat(path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return False
            raise
        return True

    def readlink(self, path: StrPath) -> str:
        """The text of a symlink; EINVAL if it is none."""
        with self.open(path, os.O_PATH | os.O_NOFOLLOW) as handle:
            try:
                return os.readlink("", dir_fd=handle)
            except FileNotFoundError:  # what readlinkat(2) says of a descriptor that is not a symlink's
                raise _error(errno.EINVAL, path, "not a symlink") from None

    def listdir(self, path: StrPath = ".") -> list[str]:
        with self.open(path, os.O_RDONLY | os.O_DIRECTORY) as directory:
            return os.listdir(directory)

    def mkdirs(self, path: StrPath, mode: int = 0o755) -> FileDescriptor:
        """Make the directory `path` with all that it lacks, and return its O_PATH descriptor.

        A link on the way is followed below the root, and what it points to is made as well if it is missing.
        """
        try:
            return self.open(path, os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            return self._mkdirs(path, mode)

    def _mkdirs(self, path: StrPath, mode: int) -> FileDescriptor:
        # Links are followed here, by hand, only to learn which names to make. Each name is made in a parent that the
        # kernel resolved inside the root, so a link that changes meanwhile can mislead us but not lead us out.
        done: list[str] = []
        todo = os.fsdecode(path).split("/")[::-1]
        links = 0
        while todo:
            name = todo.pop()
            if name == "..":
                del done[-1:]
            elif name not in ("", "."):
                link = self._make(done, name, mode)
                if link is None:
                    done.append(name)
                    continue
                links += 1
                if links > _MOST_LINKS:
                    raise _error(errno.ELOOP, path)
                if link.startswith("/"):
                    done.clear()
                todo.extend(link.split("/")[::-1])
        return self.open("/".join(done) or ".", os.O_PATH | os.O_DIRECTORY)

    def _make(self, parents: list[str], name: str, mode: int) -> str | None:
        """Make sure that `name` exists in `parents`; its text if it is a symlink, else None."""
        with self.open("/".join(parents) or ".", os.O_PATH | os.O_DIRECTORY) as parent:
            try:
                os.mkdir(name, mode, dir_fd=parent)
            except FileExistsError:
                try:
                    return os.readlink(name, dir_fd=parent)
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
        return None


def _read(descriptor: int, limit: int) -> bytes:
    """Up to `limit` bytes; the size that stat(2) tells is no help, it may be 0 (proc) or a lie by the time we read."""
    parts = []
    while limit > 0 and (part := os.read(descriptor, min(limit, 1 << 20))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _error(number: int, path: StrPath, note: str = "") -> OSError:
    error = OSError(number, os.strerror(number), os.fsdecode(path))
    if note:
        error.add_note(note)
    return error
