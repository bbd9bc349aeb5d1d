"""Whether a tree still has what its layer's archive says: for trees that a disk, or a person, has changed.

Told apart are files that are missing or of another kind, content, modes, owners and link targets. What an
archive calls by a way through links of lower layers is not looked for.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat

from ringfence.layers.apply import PREFIX
from ringfence.layers.inodes import TYPE_OF
from ringfence.layers.tar import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FILE, LINK, SYMLINK
from ringfence.layers.tar_reader import TarReader
from ringfence.linux.paths import Resolve, openat2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.layers.tar import Member
    from ringfence.linux.filedescriptor import FileDescriptor
    from ringfence.oci.digest import Source

MOST = 5
"""As many differences are told."""


def differences(layer: Source, tree: str, *, content: bool = True) -> list[str]:
    """The first few differences of the directory `tree` from the uncompressed tar `layer`, one line each."""
    expected: dict[bytes, tuple[Member, bytes]] = {}
    reader = TarReader(layer)
    for member in reader:
        path = member.name.strip(b"/").removeprefix(b"./")
        deletes = member.type == CHARACTER_DEVICE and member.major == member.minor == 0
        if path in (b"", b".") or deletes or any(part.startswith(PREFIX) for part in path.split(b"/")):
            continue
        digest = b""
        if member.type == FILE and content and member.sparse is None:
            digest = _digest(reader)
        expected[path] = (member, digest)  # of several entries the last counts
    found = []
    top = os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path, (member, digest) in expected.items():
            if _is_reachable(path, expected) and (why := _difference(top, path, member, digest)):
                found.append(f"/{path.decode(errors='backslashreplace')}: {why}")
                if len(found) == MOST:
                    break
    finally:
        os.close(top)
    return found


def _digest(reader: TarReader) -> bytes:
    found = hashlib.sha256()
    for piece in reader.pieces():
        found.update(piece)
    return found.digest()


def _is_reachable(path: bytes, expected: dict[bytes, tuple[Member, bytes]]) -> bool:
    """Whether nothing above the path is a link, or a file that came later."""
    parent = path.rpartition(b"/")[0]
    while parent:
        above = expected.get(parent)
        if above is not None and above[0].type != DIRECTORY:
            return False
        parent = parent.rpartition(b"/")[0]
    return True


def _difference(top: int, path: bytes, member: Member, digest: bytes) -> str:
    try:
        handle = _open(top, path)
    except OSError as error:
        if error.errno == errno.ELOOP or (error.errno in (errno.ENOENT, errno.ENOTDIR) and not _parent(top, path)):
            return ""  # its way leads through links of a lower layer
        if error.errno == errno.ENOENT:
            return "" if member.type in (CHARACTER_DEVICE, BLOCK_DEVICE) else "is missing"  # devices may be refused
        return f"cannot be looked at: {(error.strerror or '').lower()}"
    with handle:
        status = os.fstat(handle)
        if member.type == LINK:
            return "" if stat.S_ISREG(status.st_mode) or status.st_nlink > 1 else "is no hard link any more"
        if TYPE_OF.get(stat.S_IFMT(status.st_mode)) != member.type:
            return "is of another kind"
        if member.type == SYMLINK:
            return "" if os.readlink(b"", dir_fd=handle.fileno()) == member.link else "leads elsewhere"
        if stat.S_IMODE(status.st_mode) != member.mode:
            return f"has mode {stat.S_IMODE(status.st_mode):o}, not {member.mode:o}"
        if (status.st_uid, status.st_gid) != (member.uid, member.gid):
            return f"is owned by {status.st_uid}:{status.st_gid}, not {member.uid}:{member.gid}"
        if member.type != FILE:
            return ""
        if status.st_size != member.size:
            return f"has {status.st_size} bytes, not {member.size}"
        return "has other content" if digest and _content(handle) != digest else ""


def _content(handle: FileDescriptor) -> bytes:
    with open(handle.path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _parent(top: int, path: bytes) -> bool:
    """Whether the directory above is there."""
    parent = path.rpartition(b"/")[0]
    if not parent:
        return True
    try:
        _open(top, parent, os.O_DIRECTORY).close()
    except OSError:
        return False
    return True


def _open(top: int, path: bytes, flags: int = 0) -> FileDescriptor:
    flags |= os.O_PATH | os.O_NOFOLLOW
    return openat2(top, os.fsdecode(path), flags, resolve=Resolve.IN_ROOT | Resolve.NO_SYMLINKS)
