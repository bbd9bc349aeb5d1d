"""A directory tree as a tar archive: `export`, `cp` out of a container, and the content of layers.

The tree may belong to a running container: no link is followed, no device or FIFO is opened.
"""

from __future__ import annotations

import os
import stat

from ringfence.errors import NotFound
from ringfence.layers.directories import Directory, open_root, walk
from ringfence.layers.inodes import TYPE_OF, member_of
from ringfence.layers.tar import DIRECTORY, FILE, LINK
from ringfence.layers.tar_writer import TarWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.layers.owners import Owners
    from ringfence.layers.tar_writer import Sink


def export(root: int | str, out: Sink, path: str = "/", name: str = "", *, follow: bool = False,
           owners: Owners | None = None) -> None:  # fmt: skip
    """Write what is at `path` below `root` (a directory's path or descriptor), called `name` in the archive.

    `path` is resolved as a container with this root would; its last link is followed if `follow`, or if it ends in a
    slash. Without a name a directory's content stands at the top of the archive. `owners` is for a tree whose ids are
    the host's: the archive has those inside. Raises NotFound for a path that does not exist.
    """
    from ringfence.linux.paths import openat2

    with open_root(root) as top:
        nofollow = 0 if follow or path.endswith("/") else os.O_NOFOLLOW
        try:
            handle = openat2(top.fd, path, os.O_PATH | nofollow)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"no such path: {path}") from None
        with handle:
            writer = TreeWriter(TarWriter(out), owners)
            prefix = os.fsencode(name)
            status = os.fstat(handle)
            writer.add(handle, prefix or b".", status)
            if stat.S_ISDIR(status.st_mode):
                with Directory(os.open(handle.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), b"") as directory:
                    for parent, entry, _ in walk(directory):
                        place = prefix + parent.path + b"/" + entry
                        writer.add_entry(parent, entry, place.lstrip(b"/"))
            writer.close()


class TreeWriter:
    """Writes inodes as members: a file's second name as a hard link to the first; sockets, which tar has not, never."""

    def __init__(self, tar: TarWriter, owners: Owners | None = None) -> None:
        self.tar = tar
        self._owners = owners
        self._links: dict[tuple[int, int], bytes] = {}

    def add_entry(self, parent: Directory, name: bytes, place: bytes) -> None:
        """Write what is at `name` in `parent` as `place`; nothing if it has vanished."""
        try:
            handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent.fd)
        except FileNotFoundError:
            return
        try:
            self.add(handle, place, os.fstat(handle))
        finally:
            os.close(handle)

    def add(self, handle: int, place: bytes, status: os.stat_result) -> None:
        """Write what `handle` (opened with O_PATH) is on as `place`."""
        if stat.S_IFMT(status.st_mode) not in TYPE_OF:
            return
        member = member_of(place, handle, status)
        if self._owners is not None:
            self._owners.inside(member)
        if member.type == DIRECTORY:
            member.name += b"/"
        elif status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), place)
            if first != place:
                member.type, member.link, member.size, member.xattrs = LINK, first, 0, {}
        if member.type == FILE:
            # By its descriptor: the file that was looked at, whatever its name means by now.
            fd = os.open(f"/proc/self/fd/{handle:d}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self.tar.add(member, _content(fd))
            finally:
                os.close(fd)
        else:
            self.tar.add(member)

    def close(self) -> None:
        self.tar.close()


def _content(fd: int) -> Iterator[bytes]:
    while data := os.read(fd, 1 << 20):
        yield data
