"""Writing tar archives: for equal members always equal bytes, in the pax format and only where ustar does not suffice.

Names of owners are left out: they would be this machine's.
"""

from __future__ import annotations

import hashlib

from ringfence.layers.tar import BLOCK, FILE, HEADER, XATTR, Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class Sink(Protocol):
        def write(self, data: bytes | memoryview, /) -> int | None: ...


_NANO = 1_000_000_000
_LARGEST_ID = 0o7777777
_LARGEST = 0o77777777777
_LONGEST = 100
_RECORD = 20 * BLOCK  # what archives are a multiple of, since tapes


class TarWriter:
    """`add` the members and `close`; `diff_id` is then the digest of what was written to `out`, `size` its bytes."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def add(self, member: Member, content: Iterable[bytes | memoryview] = ()) -> None:
        """Write a member; a file's `content` is cut or filled with zeros to its size, should it change meanwhile."""
        self._write(_headers(member))
        if member.type != FILE:
            return
        left = member.size
        for piece in content:
            if left:
                piece = piece[:left]
                left -= len(piece)
                self._write(piece)
        while left:
            left -= self._write(bytes(min(left, 1 << 20)))
        self._write(bytes(-member.size % BLOCK))

    def close(self) -> None:
        """Write the end mark. `out` stays open."""
        self._write(bytes(2 * BLOCK))
        self._write(bytes(-self.size % _RECORD))

    def _write(self, data: bytes | memoryview) -> int:
        self._hash.update(data)
        self.size += len(data)
        written = self._out.write(data)
        while written is not None and written < len(data):  # a raw file may take less than it is given
            written += self._out.write(memoryview(data)[written:]) or 0
        return len(data)


def _headers(member: Member) -> bytes:
    """The header of a member, after a pax header with what does not fit into it."""
    records: list[tuple[bytes, bytes]] = []
    if len(member.name) > _LONGEST:
        records.append((b"path", member.name))
    if len(member.link) > _LONGEST:
        records.append((b"linkpath", member.link))
    for key, value, largest in (
        (b"uid", member.uid, _LARGEST_ID),
        (b"gid", member.gid, _LARGEST_ID),
        (b"size", member.size, _LARGEST),
    ):
        if value > largest:
            records.append((key, b"%d" % value))
    seconds, nanoseconds = divmod(member.mtime, _NANO)
    if nanoseconds or not 0 <= seconds <= _LARGEST:
        records.append((b"mtime", _decimal(member.mtime)))
    records += [(XATTR + name, value) for name, value in sorted(member.xattrs.items())]
    header = _header(
        member.name, member.type, member.mode, member.link, min(max(seconds, 0), _LARGEST), member.size,
        member.uid, member.gid, member.major, member.minor,
    )  # fmt: skip
    if not records:
        return header
    body = b"".join(_record(key, value) for key, value in records)
    name = b"PaxHeaders/" + member.name.rstrip(b"/").rpartition(b"/")[2]
    return _header(name, b"x", 0o644, b"", 0, len(body)) + body + bytes(-len(body) % BLOCK) + header


def _header(
    name: bytes, type: bytes, mode: int, link: bytes, mtime: int, size: int,
    uid: int = 0, gid: int = 0, major: int = 0, minor: int = 0,
) -> bytes:  # fmt: skip
    header = HEADER.pack(
        name[:_LONGEST],
        b"%07o" % mode,
        b"%07o" % (uid if uid <= _LARGEST_ID else 0),
        b"%07o" % (gid if gid <= _LARGEST_ID else 0),
        b"%011o" % (size if size <= _LARGEST else 0),
        b"%011o" % mtime,
        b" " * 8,
        type,
        link[:_LONGEST],
        b"ustar\x0000",
        b"",
        b"",
        b"%07o" % major,
        b"%07o" % minor,
        b"",
    )
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def _decimal(nanoseconds: int) -> bytes:
    """Seconds with as many decimals as it takes."""
    seconds, fraction = divmod(abs(nanoseconds), _NANO)
    text = b"%d.%09d" % (seconds, fraction)
    return b"-" * (nanoseconds < 0) + text.rstrip(b"0").rstrip(b".")


def _record(key: bytes, value: bytes) -> bytes:
    """A pax record begins with its length, which counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if rest + len(str(length)) != length:
        length += 1
    return b"%d %s=%s\n" % (length, key, value)
