"""The tar format: one `Member` for each entry, whatever dialect wrote it, and the fields of its header.

Sources: pax(1) of POSIX.1-2017 for ustar and pax; "Basic Tar Format" and "Sparse Formats" of the GNU tar manual;
layer.md of the image-spec for what layers use. Names are bytes: a layer's need not be UTF-8.
"""

from __future__ import annotations

import struct

BLOCK = 512

FILE, LINK, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
TYPES = frozenset((FILE, LINK, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO))

HEADER = struct.Struct("100s 8s 8s 8s 12s 12s 8s c 100s 8s 32s 32s 8s 8s 155s 12x")
"""name mode uid gid size mtime checksum type link magic+version user group major minor prefix"""

XATTR = b"SCHILY.xattr."
"""Prefix of the pax keys of extended attributes, binary values; POSIX ACLs and file capabilities are among them."""


class Member:
    """One entry. Times are nanoseconds; `size` is the file's size, holes included; `sparse` lists its (offset, length)
    pieces of data, ascending, or is None for a file stored whole; `link` is the target of a link or symlink."""

    __slots__ = ("atime", "gid", "link", "major", "minor", "mode", "mtime", "name", "size", "sparse", "type", "uid",
                 "xattrs")  # fmt: skip

    def __init__(
        self,
        name: bytes,
        type: bytes = FILE,
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        size: int = 0,
        mtime: int = 0,
        atime: int | None = None,
        link: bytes = b"",
        major: int = 0,
        minor: int = 0,
        xattrs: dict[bytes, bytes] | None = None,
        sparse: list[tuple[int, int]] | None = None,
    ) -> None:
        self.name = name
        self.type = type
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.mtime = mtime
        self.atime = mtime if atime is None else atime
        self.link = link
        self.major = major
        self.minor = minor
        self.xattrs = xattrs or {}
        self.sparse = sparse

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Member) and all(getattr(self, f) == getattr(other, f) for f in self.__slots__)

    def __repr__(self) -> str:
        return f"Member({', '.join(f'{field}={getattr(self, field)!r}' for field in self.__slots__)})"
