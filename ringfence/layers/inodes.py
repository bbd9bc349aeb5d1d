"""Between inodes and tar members: the attributes of a file read as a member, and a member's written to a file."""

from __future__ import annotations

import errno
import os
import stat

from ringfence.layers.tar import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FIFO, FILE, SYMLINK, Member

TYPE_OF = {
    stat.S_IFREG: FILE,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFIFO: FIFO,
}
"""Types of members by those of inodes; sockets have none in tar."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OVERLAY = (b"trusted.overlay.", b"user.overlay.")
"""The union filesystem's own bookkeeping: never content, so no layer brings it along and none takes it away."""


OPAQUE_XATTRS = {"overlay": "trusted.overlay.opaque", "userxattr": "user.overlay.opaque", "remove": ""}
"""The mark of an opaque directory in each style (kernel, overlayfs.rst); a whiteout is a character device 0:0."""


def is_opaque(directory: int, whiteouts: str) -> bool:
    """Whether an upper directory hides what lies below it."""
    if not OPAQUE_XATTRS[whiteouts]:
        return False
    try:
        return os.getxattr(directory, OPAQUE_XATTRS[whiteouts]) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return False
        raise


def is_whiteout(status: os.stat_result) -> bool:
    """Whether overlay takes this for "deleted": a character device 0:0."""
    return status.st_rdev == 0 and stat.S_ISCHR(status.st_mode)


def member_of(name: bytes, handle: int, status: os.stat_result | None = None) -> Member:
    """The inode that `handle` (O_PATH is enough) is open on, as a member called `name`."""
    status = status or os.fstat(handle)
    type = TYPE_OF[stat.S_IFMT(status.st_mode)]
    device = type in (CHARACTER_DEVICE, BLOCK_DEVICE)
    return Member(
        name,
        type,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if type == FILE else 0,
        mtime=status.st_mtime_ns,
        link=os.readlink(b"", dir_fd=handle) if type == SYMLINK else b"",
        major=os.major(status.st_rdev) if device else 0,
        minor=os.minor(status.st_rdev) if device else 0,
        xattrs=_read_xattrs(f"/proc/self/fd/{handle:d}"),
    )


def _read_xattrs(path: str) -> dict[bytes, bytes]:
    """All extended attributes that are content, in the order of their names."""
    try:
        names = os.listxattr(path)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return {}
        raise
    encoded = sorted(os.fsencode(name) for name in names)
    return {name: os.getxattr(path, name) for name in encoded if not name.startswith(_OVERLAY)}


def give(target: int | str | bytes, member: Member, skipped: list[str], **place: Any) -> None:
    """chown(2). An id that a user namespace does not map (EINVAL) is added to `skipped`: the file stays its maker's."""
    try:
        os.chown(target, member.uid, member.gid, **place)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        skipped.append(f"{member.name.decode(errors='backslashreplace')}: no id {member.uid}:{member.gid} here")


def set_attributes(target: int | str, member: Member, skipped: list[str]) -> None:
    """Give owner, mode, extended attributes and times to what `target` is: an open file, or for an O_PATH descriptor
    its name below /proc/self/fd (where calls act on a link itself). What is not allowed here is added to `skipped`."""
    give(target, member, skipped)
    if member.type != SYMLINK:
        os.chmod(target, member.mode)  # after chown, which clears setuid
    for name, value in member.xattrs.items():
        shown = f"{member.name.decode(errors='backslashreplace')}: {name.decode(errors='backslashreplace')}"
        if name.startswith(_OVERLAY):
            skipped.append(f"{shown} is the union filesystem's own")
            continue
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EPERM, errno.EACCES):
                raise
            skipped.append(f"{shown}: {error.strerror}")
    os.utime(target, ns=(member.atime, member.mtime))
