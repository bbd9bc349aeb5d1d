"""Sparse files in tar archives: GNU's old header and its three pax formats (GNU tar manual, "Sparse Formats").

A map lists (offset, length) of the pieces that are stored; the rest of the file is a hole.
"""

from __future__ import annotations

from ringfence.layers.tar import BLOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Map = list[tuple[int, int]]

_LONGEST_MAP = 16 << 20
"""Bytes of a map in the archive; it is held in memory."""


def check(pieces: Map, size: int, stored: int) -> None:
    """Raise ValueError unless the pieces ascend without overlap inside the file and are as long as what is stored."""
    end = total = 0
    for offset, length in pieces:
        if offset < end or length < 0:
            raise ValueError("the pieces of a sparse file overlap")
        end = offset + length
        total += length
    if end > size or total != stored:
        raise ValueError("the pieces of a sparse file do not fit its size")


def pairs(numbers: Iterable[bytes]) -> Map:
    """Offsets and lengths in turn, as decimal numbers."""
    values = [decimal(number) for number in numbers]
    if len(values) % 2:
        raise ValueError("the map of a sparse file ends in its middle")
    return list(zip(values[::2], values[1::2], strict=True))


def decimal(text: bytes) -> int:
    """A number without sign, which the longest file's size can be."""
    if not text.isdigit() or len(text) > 20:
        raise ValueError(f"{text[:30]!r} is not a number")
    return int(text)


def read_content_map(take: Callable[[int], bytes], stored: int) -> tuple[Map, int]:
    """Format 1.0: before the content come numbers, one a line, their count first, padded to a block.

    Returns the map and how many of the `stored` bytes it took.
    """
    text = bytearray()
    lines = used = 0
    wanted = 1
    while lines < wanted:
        if used + BLOCK > min(stored, _LONGEST_MAP):
            raise ValueError("the map of a sparse file does not end")
        block = take(BLOCK)
        used += BLOCK
        text += block
        lines += block.count(b"\n")
        if wanted == 1 and lines:
            wanted = 1 + 2 * decimal(bytes(text[: text.index(b"\n")]))
    return pairs(bytes(text).split(b"\n")[1:wanted]), used


def read_old_map(header: bytes, take: Callable[[int], bytes], number: Callable[[bytes], int]) -> tuple[Map, int]:
    """The old GNU format: four pieces in the header and, while a flag says so, 21 in each of the blocks that follow.

    Returns the map and the file's size.
    """
    pieces = _old_pieces(header[386:482], number)
    more = header[482]
    while more:
        if len(pieces) * 24 > _LONGEST_MAP:
            raise ValueError("the map of a sparse file does not end")
        block = take(BLOCK)
        pieces += _old_pieces(block[:504], number)
        more = block[504]
    return pieces, number(header[483:495])


def _old_pieces(fields: bytes, number: Callable[[bytes], int]) -> Map:
    return [
        (number(fields[at : at + 12]), number(fields[at + 12 : at + 24]))
        for at in range(0, len(fields), 24)
        if fields[at]  # unused fields are zeros
    ]
