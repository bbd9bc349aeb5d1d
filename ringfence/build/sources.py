"""Trees that COPY, ADD and bind mounts take files from: a build context, a stage, an image. Nothing else is reached.

Every path is opened by openat2 below the tree's root: neither a link nor `..` in a context leads to the host's files.
"""

from __future__ import annotations

import errno
import os
import stat

from ringfence.build.patterns import Rules, clean, compiled, is_pattern
from ringfence.errors import NotFound
from ringfence.layers.inodes import TYPE_OF, is_opaque, is_whiteout, member_of
from ringfence.oci.digest import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.layers.tar import Member
    from ringfence.linux.paths import Root


class Found:
    """One file of a tree: `path` below the root, its attributes, and for a file with several names its `inode`."""

    __slots__ = ("inode", "member", "path")

    def __init__(self, path: str, member: Member, inode: tuple[int, int] | None) -> None:
        self.path = path
        self.member = member
        self.inode = inode


class Tree:
    """The files below `root`, without those that `rules` exclude. `name` is what messages call it.

    `directories` are where the host has it: one, or those of layers, topmost first.
    `foreign`: its owners are this machine's and mean nothing in an image (a context); they become root.
    """

    def __init__(self, root: Root | None, name: str, *, directories: Sequence[str] = (), rules: Rules | None = None,
                 foreign: bool = False) -> None:  # fmt: skip
        self.root = root
        self.directories = list(directories)
        self.name = name
        self.rules = rules or Rules([])
        self.foreign = foreign

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.root is not None:
            self.root.close()

    def find(self, pattern: str) -> list[str]:
        """The paths that `pattern` names, sorted; NotFound for a path without wildcards that is not there."""
        wanted = clean(pattern)
        if not is_pattern(wanted):
            if not self._has(wanted):
                raise NotFound(f'"{printable(pattern)}" is not in {self.name}')
            return [wanted]
        matches = [""]
        for part in wanted.split("/"):
            matches = [path for above in matches for path in self._matching(above, part)]
        return sorted(path for path in matches if not self.rules.excludes(path))

    def walk(self, path: str, exclude: Rules | None = None) -> Iterator[Found]:
        """What is at `path`, a link at its end followed, then all below it in the order of the names, unfollowed.

        Paths are told as seen from `path` ("" itself). `exclude` are rules for these.
        """
        top = self._resolved(path)
        status = self.stat(top)
        yield self._found(top, "", status)
        if stat.S_ISDIR(status.st_mode):
            yield from self._below(top, "", exclude or Rules([]))

    def stat(self, path: str) -> os.stat_result:
        assert self.root is not None
        return self.root.stat(path or "/", follow_symlinks=False)

    def content(self, path: str) -> Iterator[bytes]:
        """The bytes of a regular file, as `walk` told its path (joined with the path it was given)."""
        assert self.root is not None
        with self.root.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK) as file:
            while data := os.read(file, 1 << 20):
                yield data

    def real(self, path: str) -> str:
        """The path that `path` leads to, without links; NotFound."""
        return self._resolved(clean(path))

    def host_paths(self, path: str) -> list[str] | None:
        """Where the host has what is at the real `path`: a file, or directories that lie over each other, topmost
        first; None if the rules leave out something of it."""
        if self.rules and any(self._excluded_below(path)):
            return None
        found: list[str] = []
        for directory in self.directories:
            place, whole = directory, True
            covers = False
            for name in path.split("/") if path else ():
                place = f"{place}/{name}"
                try:
                    status = os.lstat(place)
                except FileNotFoundError:
                    whole = False
                    break
                if not stat.S_ISDIR(status.st_mode):
                    whole, covers = not is_whiteout(status) and place == f"{directory}/{path}" and not found, True
                    break
                covers |= _is_opaque(place)
            if whole:
                found.append(place)
            if covers:
                break
        return found

    def _excluded_below(self, path: str) -> Iterator[bool]:
        assert self.root is not None
        for name in self.root.listdir(path or "/"):
            place = f"{path}/{name}" if path else name
            if self.rules.excludes(place):
                yield True
            elif stat.S_ISDIR(self.stat(place).st_mode):
                yield from self._excluded_below(place)

    def _has(self, path: str) -> bool:
        if self.root is None:
            return path == ""
        if path and self.rules.excludes(path) and not self._leads_to_exception(path):
            return False
        return not path or self.root.exists(path)

    def _leads_to_exception(self, path: str) -> bool:
        """A directory that is left out may still hold something that an exception lets in."""
        if not self.rules.has_exceptions or not stat.S_ISDIR(self.stat(self._resolved(path)).st_mode):
            return False
        return next(self._below(path, "", Rules([])), None) is not None

    def _matching(self, above: str, part: str) -> list[str]:
        """The entries of the directory `above` that one part of a pattern matches."""
        if not is_pattern(part):
            path = f"{above}/{part}" if above else part
            return [path] if self.root is not None and self.root.exists(path) else []
        try:
            names = self.root.listdir(above or "/") if self.root is not None else []
        except (NotADirectoryError, FileNotFoundError):
            return []
        matcher = compiled(part)
        return [f"{above}/{name}" if above else name for name in names if matcher.match(name)]

    def _resolved(self, path: str) -> str:
        if self.root is None:
            return path
        try:
            with self.root.open(path or "/", os.O_PATH) as handle, self.root.open("/", os.O_PATH) as top:
                return os.readlink(handle.path).removeprefix(os.readlink(top.path).rstrip("/")).strip("/")
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise NotFound(f'"{printable(path)}" is not in {self.name}') from None
            raise

    def _found(self, real: str, path: str, status: os.stat_result) -> Found:
        assert self.root is not None
        with self.root.open(real or "/", os.O_PATH | os.O_NOFOLLOW) as handle:
            member = member_of(os.fsencode(path), handle, status)
        if self.foreign:
            member.uid = member.gid = 0
            if not real:
                member.mode = 0o755  # of the context's own directory, which is no part of it
        several = status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
        return Found(path, member, (status.st_dev, status.st_ino) if several else None)

    def _below(self, top: str, path: str, exclude: Rules) -> Iterator[Found]:
        assert self.root is not None
        whole = "/".join(part for part in (top, path) if part)
        for name in sorted(self.root.listdir(whole or "/")):
            place, real = (f"{path}/{name}" if path else name), (f"{whole}/{name}" if whole else name)
            status = self.stat(real)
            if is_whiteout(status) or stat.S_IFMT(status.st_mode) not in TYPE_OF:
                continue
            hidden = self.rules.excludes(real) or exclude.excludes(place)
            if not stat.S_ISDIR(status.st_mode):
                if not hidden:
                    yield self._found(real, place, status)
                continue
            if not hidden:
                yield self._found(real, place, status)
                yield from self._below(top, place, exclude)
            elif self.rules.has_exceptions or exclude.has_exceptions:
                inside = self._below(top, place, exclude)
                first = next(inside, None)
                if first is not None:
                    yield self._found(real, place, status)
                    yield first
                    yield from inside


def _is_opaque(directory: str) -> bool:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return is_opaque(handle, "overlay") or is_opaque(handle, "userxattr")
    finally:
        os.close(handle)
