"""Archives that ADD unpacks: told by their content, and passed on member by member into the layer."""

from __future__ import annotations

from ringfence.errors import Corrupt, InvalidInput
from ringfence.layers.tar import DIRECTORY, FILE, LINK, SYMLINK, Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ringfence.layers.tar_reader import TarReader

_ZEROS = bytes(1 << 16)


class _Stream:
    """Pieces of bytes as something to `read`."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def is_archive(content: Callable[[], Iterable[bytes]]) -> bool:
    """Whether this is a tar archive, perhaps compressed: it has a first member."""
    try:
        for _ in _reader(content()):
            return True
    except Corrupt:
        return False
    return False


def members(
    content: Iterable[bytes],
    destination: bytes,
    owner: tuple[int, int] | None,
    mode: Callable[[int, bool], int] | None,
) -> Iterator[tuple[Member, Iterable[bytes | memoryview]]]:
    """The members as they belong below `destination` in an image. InvalidInput for one that no image can hold."""
    reader = _reader(content)
    for member in reader:
        name = _inside(member.name)
        if name is None:
            continue
        if any(part.startswith(b".wh.") for part in name.split(b"/")):
            raise InvalidInput(f"archive entry {name.decode(errors='backslashreplace')!r}: no image can hold this name")
        member.name = _joined(destination, name)
        if member.type == LINK:
            member.link = _joined(destination, _inside(member.link) or b"")
        if owner is not None:
            member.uid, member.gid = owner
        if mode is not None and member.type != SYMLINK:
            member.mode = mode(member.mode, member.type == DIRECTORY)
        pieces = _content(reader, member) if member.type == FILE else ()
        if member.type == DIRECTORY:
            member.name += b"/"
        member.sparse = None
        yield member, pieces


def _reader(content: Iterable[bytes]) -> TarReader:
    from ringfence.layers.compression import Decompressor
    from ringfence.layers.tar_reader import TarReader

    return TarReader(Decompressor(_Stream(content)))


def _content(reader: TarReader, member: Member) -> Iterator[bytes | memoryview]:
    """The whole content, with the holes of a sparse member as zeros."""
    if member.sparse is None:
        yield from reader.pieces()
        return
    position = 0
    for offset, length in list(member.sparse):
        yield from _zeros(offset - position)
        yield from reader.pieces(length)
        position = offset + length
    yield from _zeros(member.size - position)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield _ZEROS[:count]
        count -= len(_ZEROS)


def _inside(name: bytes) -> bytes | None:
    """The name without `.` and slashes around it; None for the archive's own root, InvalidInput for one that climbs."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise InvalidInput(f"archive entry {name.decode(errors='backslashreplace')!r}: leads out of the destination")
    return b"/".join(parts) or None


def _joined(destination: bytes, name: bytes) -> bytes:
    return destination + b"/" + name if destination else name
