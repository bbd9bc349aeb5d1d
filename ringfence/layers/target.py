"""The directory tree that an archive is written into: nothing outside of it is ever touched.

Every step down is one open of one name with O_NOFOLLOW in a directory that was reached the same way, and every object
is made by a call that fails if its name is taken. Links among the parents are followed here, by hand, with the tree's
root as `/`: so neither `..` nor an absolute link leads out, whoever renames meanwhile what we walk.
(Faster than openat2 with RESOLVE_IN_ROOT for each entry, since open directories are kept from one entry to the next.)
"""

from __future__ import annotations

import errno
import os
import stat

from ringfence.layers.directories import Climber, Directory, open_below
from ringfence.layers.inodes import give, is_whiteout, set_attributes
from ringfence.layers.lower import Lower
from ringfence.layers.tar import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FIFO, FILE, LINK, SYMLINK, Member
from ringfence.linux.trees import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.layers.tar_reader import TarReader

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES = {CHARACTER_DEVICE: stat.S_IFCHR, BLOCK_DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}
_MOST_LINKS = 40  # as path_resolution(7)
_MOST_OPEN = 64
_LONGEST_PATH = 4095  # PATH_MAX of linux/limits.h without its NUL


class _Absent(Exception):
    """There is no such directory, and it is not to be made."""


class Target:
    """The tree below the open directory `root`, which stays the caller's.

    `lower` is what lies under it in an overlay; `opaque_xattr` marks a directory that hides what lies there; `owner` is
    (uid, gid) of the directories that the archive does not list.
    `made` has the path of everything that was added, and of the directories above it; `whiteouts` those of overlay's
    whiteouts, in the order in which they were made; `skipped` says what the file system or our privileges refused.
    """

    def __init__(self, root: int, *, lower: Lower | None = None, opaque_xattr: str = "",
                 owner: tuple[int, int] = (0, 0)) -> None:  # fmt: skip
        self.made: set[bytes] = set()
        self.whiteouts: list[bytes] = []
        self.skipped: list[str] = []
        self.lists_root = False
        self._root = Directory(root, b"", owned=False)
        self._lower = lower or Lower()
        self._opaque_xattr = opaque_xattr
        self._owner = owner
        self._found: dict[bytes, Directory] = {}  # by the path as the archive writes it
        self._kept: list[int] = []  # descriptors of what is, or was, in self._found
        self._climber = Climber(self._root)
        self._lower_links: set[bytes] = set()
        self._directories: dict[bytes, Member] = {}  # attributes to be set when nothing is made in them any more

    def _note(self, parent: bytes, path: bytes) -> None:
        self.made.add(path)
        while parent and parent not in self.made:
            self.made.add(parent)
            parent = parent.rpartition(b"/")[0]

    def close(self) -> None:
        """Close all directories but the root."""
        self._forget()
        while self._kept:
            os.close(self._kept.pop())

    def finish(self) -> None:
        """Set the attributes of all directories, each after those below it."""
        self.close()
        self._drop_idle_whiteouts()
        for path in sorted(self._directories, reverse=True):
            directory = self.reach(path)
            if directory is not None:  # else something else took its name
                with directory:
                    set_attributes(directory.fd, self._directories[path], self.skipped)

    def _drop_idle_whiteouts(self) -> None:
        """Remove those of what no lower layer has: overlay lists them in a directory that lies in one layer alone."""
        for path in self.whiteouts:
            parent_path, _, name = path.rpartition(b"/")
            parent = self.reach(parent_path)
            if parent is None:
                continue
            with parent:
                try:
                    idle = is_whiteout(os.stat(name, dir_fd=parent.fd, follow_symlinks=False))
                except FileNotFoundError:
                    continue
                if idle and self._lower.stat(path) is None:
                    os.unlink(name, dir_fd=parent.fd)

    def add(self, member: Member, reader: TarReader) -> None:
        """Make one member of the archive. What is at its name gives way, but a directory stays for a directory."""
        parent_path, _, name = _without_dot(member).rpartition(b"/")
        if name in (b"", b".", b".."):
            if name == b".." or member.type != DIRECTORY or parent_path.strip(b"./"):
                raise reader.corrupt("its name is none that a file can have")
            self._directories[b""] = member
            self.lists_root = True
            return
        parent = self.parent(parent_path, reader)
        path = parent.path + b"/" + name
        if path in self._lower_links:  # until now it led elsewhere
            self._forget()
        self._note(parent.path, path)
        if member.type == FILE:
            self._make_file(parent, name, member, reader)
        elif member.type == DIRECTORY:
            self._make_directory(parent, name)
            self._directories[path] = member
        elif member.type == SYMLINK:
            self._make_symlink(parent, name, member)
        elif member.type == LINK:
            self._make_link(parent, name, member.link, reader)
        else:
            self._make_node(parent, name, member)

    def parent(self, path: bytes, reader: TarReader) -> Directory:
        """The directory that the archive calls `path`; what is missing of it is made.

        It may be used until the next call, which may close it.
        """
        if len(self._kept) > _MOST_OPEN:
            self.close()
        return self._find(path, reader)

    def existing(self, path: bytes, reader: TarReader) -> Directory | None:
        """As `parent`; None, and nothing is made, if neither this layer nor those below have such a directory."""
        if len(self._kept) > _MOST_OPEN:
            self.close()
        try:
            return self._find(path, reader, make=False)
        except _Absent:
            return None

    def remove(self, parent: Directory, name: bytes) -> None:
        """Remove what is at `name`, with all below it; nothing may be there."""
        self._forget()
        try:
            os.unlink(name, dir_fd=parent.fd)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            remove_tree(name, dir_fd=parent.fd)

    def make_opaque(self, directory: Directory) -> None:
        """Hide what lower layers have in the directory."""
        os.setxattr(directory.fd, self._opaque_xattr, b"y")
        self._lower.hide(directory.path)

    def hide_below(self, parent: Directory, name: bytes) -> None:
        """The same for the directory at `name`, which is one."""
        with open_below(parent, name) as directory:
            self.make_opaque(directory)

    def lower_names(self) -> list[bytes]:
        """What lower layers have in the root directory."""
        return self._lower.names()

    def reach(self, path: bytes) -> Directory | None:
        """The directory with this path without links, for a `with` block; None if something else is there by now."""
        return self._climber.reach(path)

    # The kinds of members

    def _make_file(self, parent: Directory, name: bytes, member: Member, reader: TarReader) -> None:
        try:
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=parent.fd)
        except FileExistsError:
            self.remove(parent, name)
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=parent.fd)
        try:
            if member.sparse is None:
                for piece in reader.pieces():
                    write_all(fd, piece)
            else:
                os.ftruncate(fd, member.size)
                for offset, length in member.sparse:
                    os.lseek(fd, offset, os.SEEK_SET)
                    for piece in reader.pieces(length):
                        write_all(fd, piece)
            set_attributes(fd, member, self.skipped)
        finally:
            os.close(fd)

    def _make_directory(self, parent: Directory, name: bytes) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent.fd)
        except FileExistsError:
            status = os.stat(name, dir_fd=parent.fd, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                return
            self.remove(parent, name)
            os.mkdir(name, 0o700, dir_fd=parent.fd)
            if self._opaque_xattr and is_whiteout(status):  # it was deleted, and is made anew
                self.hide_below(parent, name)

    def _make_symlink(self, parent: Directory, name: bytes, member: Member) -> None:
        try:
            os.symlink(member.link, name, dir_fd=parent.fd)
        except FileExistsError:
            self.remove(parent, name)
            os.symlink(member.link, name, dir_fd=parent.fd)
        if member.xattrs:
            self._set_by_handle(parent, name, member)
        else:
            give(name, member, self.skipped, dir_fd=parent.fd, follow_symlinks=False)
            os.utime(name, ns=(member.atime, member.mtime), dir_fd=parent.fd, follow_symlinks=False)

    def _make_node(self, parent: Directory, name: bytes, member: Member) -> None:
        mode = _NODES[member.type] | 0o600
        device = os.makedev(member.major, member.minor)
        try:
            try:
                os.mknod(name, mode, device, dir_fd=parent.fd)
            except FileExistsError:
                self.remove(parent, name)
                os.mknod(name, mode, device, dir_fd=parent.fd)
        except PermissionError as error:
            self.skipped.append(f"{member.name.decode(errors='backslashreplace')}: {error.strerror}")
            return
        self._set_by_handle(parent, name, member)

    def _set_by_handle(self, parent: Directory, name: bytes, member: Member) -> None:
        """Set attributes of what cannot be opened; should it have become a link by now, the link gets them."""
        handle = os.open(name, _HANDLE, dir_fd=parent.fd)
        try:
            set_attributes(f"/proc/self/fd/{handle:d}", member, self.skipped)
        finally:
            os.close(handle)

    def _make_link(self, parent: Directory, name: bytes, link: bytes, reader: TarReader) -> None:
        source_path, _, source_name = link.rstrip(b"/").rpartition(b"/")
        if source_name in (b"", b".", b".."):
            raise reader.corrupt("a hard link to a name that no file can have")
        source = self._find(source_path, reader)
        try:
            status = os.stat(source_name, dir_fd=source.fd, follow_symlinks=False)
        except FileNotFoundError:
            status = self._copy_up(source, source_name, reader)
        if stat.S_ISDIR(status.st_mode) or is_whiteout(status):
            raise reader.corrupt(f"a hard link to {link.decode(errors='backslashreplace')!r}, which is no file")
        try:
            os.link(source_name, name, src_dir_fd=source.fd, dst_dir_fd=parent.fd, follow_symlinks=False)
        except FileExistsError:
            if os.path.samestat(os.stat(name, dir_fd=parent.fd, follow_symlinks=False), status):
                return  # it may be a link to itself, which removing would lose
            self.remove(parent, name)
            os.link(source_name, name, src_dir_fd=source.fd, dst_dir_fd=parent.fd, follow_symlinks=False)

    def _copy_up(self, parent: Directory, name: bytes, reader: TarReader) -> os.stat_result:
        """Copy what a hard link refers to from the lower layers, as overlay does before it links."""
        path = parent.path + b"/" + name
        member = self._lower.find(path)
        if member is None:
            raise reader.corrupt(f"a hard link to {path.decode(errors='backslashreplace')!r}, which does not exist")
        if member.type == FILE:
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=parent.fd)
            try:
                self._lower.copy_content(path, fd)
                set_attributes(fd, member, self.skipped)
            finally:
                os.close(fd)
        elif member.type == SYMLINK:
            self._make_symlink(parent, name, member)
        elif member.type != DIRECTORY:
            self._make_node(parent, name, member)
        else:
            raise reader.corrupt(f"a hard link to {path.decode(errors='backslashreplace')!r}, which is no file")
        return os.stat(name, dir_fd=parent.fd, follow_symlinks=False)

    # The way down

    def _unlisted(self, path: bytes) -> Member:
        uid, gid = self._owner
        return Member(path, DIRECTORY, mode=0o755, uid=uid, gid=gid)

    def _find(self, path: bytes, reader: TarReader, *, make: bool = True) -> Directory:
        found = self._found.get(path)
        if found is not None:
            return found
        directory, key = self._root, b""
        for name in path.split(b"/"):
            if name in (b"", b"."):
                continue
            if name == b"..":
                raise reader.corrupt("its name leads upwards")
            key += b"/" + name
            below = self._found.get(key) or self._enter(directory, name, reader, make)
            if below is not directory:
                directory.close()
                directory = below
            if len(self._kept) <= _MOST_OPEN:  # a deep path must not take all descriptors there are
                self._keep(key, directory)
        self._keep(path, directory)
        return directory

    def _forget(self) -> None:
        """Something was removed or replaced: look again for what was found (what is in use stays open)."""
        self._found.clear()
        self._climber.close()

    def _keep(self, key: bytes, directory: Directory) -> None:
        self._found[key] = directory
        if directory.owned:
            directory.owned = False
            self._kept.append(directory.fd)

    def _enter(self, start: Directory, name: bytes, reader: TarReader, make: bool) -> Directory:
        """The directory at `name`, with links followed inside the tree; `start` stays open."""
        directory, links = start, 0
        todo = [name]
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                step: Directory | bytes | None = self.reach(directory.path.rpartition(b"/")[0])
            else:
                step = self._step(directory, name, reader, make)
            if isinstance(step, bytes):
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                todo += reversed(step.split(b"/"))
                step = self._root if step.startswith(b"/") else directory
            if step is None:
                raise reader.corrupt("its parents changed meanwhile")
            if directory not in (start, step):
                directory.close()
            directory = step
        return directory

    def _step(self, directory: Directory, name: bytes, reader: TarReader, make: bool) -> Directory | bytes:
        """The directory at one name, made if it is missing; or the text of the link that is there."""
        path = directory.path + b"/" + name
        if len(path) > _LONGEST_PATH:  # links can lead deeper than any name in the archive is long
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        try:
            return open_below(directory, name)
        except FileNotFoundError:
            found = self._lower.find(path)
            if found is None and not make:
                raise _Absent from None
            member = found or self._unlisted(path)
        except NotADirectoryError:
            status = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                return os.readlink(name, dir_fd=directory.fd)
            if not make:
                raise _Absent from None
            member = self._unlisted(path)
            if not is_whiteout(status):
                member.type = FILE
        if member.type == SYMLINK:
            self._lower_links.add(path)
            return member.link
        if member.type != DIRECTORY:
            if not make:
                raise _Absent
            raise reader.corrupt(f"its parent {path.decode(errors='backslashreplace')!r} is no directory")
        self._make_directory(directory, name)
        self._directories.setdefault(path, member)
        self.made.add(path)
        return open_below(directory, name)


def _without_dot(member: Member) -> bytes:
    """The name, without what tar adds to a directory that it was given as `name/.`."""
    name = member.name.rstrip(b"/")
    while member.type == DIRECTORY and name.endswith(b"/."):
        name = name[:-2].rstrip(b"/")
    return name


def write_all(fd: int, data: memoryview | bytes) -> None:
    """write(2) may take less than it is given, e.g. as a disk becomes full."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])
