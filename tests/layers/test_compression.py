"""Compressed streams: told apart by their first bytes, and refused when damaged or cut short."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import sys

import pytest

from ringfence.errors import Corrupt, InvalidInput
from ringfence.layers.compression import Decompressor, compress, detect
from tests import needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = b"".join(b"%d\n" % number for number in range(100_000))


def _zstd(content: bytes) -> bytes:
    out = io.BytesIO()
    with compress(out, "zstd") as file:
        file.write(content)
    return out.getvalue()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": _zstd,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def read(stream: Decompressor) -> bytes:
    return b"".join(iter(lambda: stream.read(10_000), b""))


@pytest.mark.parametrize("name", COMPRESS)
def test_a_stream_is_recognized_and_read(name: str) -> None:
    stream = Decompressor(io.BytesIO(COMPRESS[name](CONTENT)))

    assert stream.compression == name
    assert read(stream) == CONTENT


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
def test_streams_written_one_after_the_other_are_one(name: str) -> None:
    half = COMPRESS[name](CONTENT)

    assert read(Decompressor(io.BytesIO(half + half))) == CONTENT + CONTENT


@pytest.mark.parametrize("name", ["gzip", "zstd", "bzip2", "xz"])
@pytest.mark.parametrize("damage", ["cut in its middle", "cut before its end", "changed"])
def test_a_damaged_stream_is_corrupt(name: str, damage: str) -> None:
    data = bytearray(COMPRESS[name](CONTENT))
    if damage == "changed":
        data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    else:
        del data[len(data) // 2 if "middle" in damage else -3 :]

    with pytest.raises(Corrupt, match=f"^{name} stream: "):
        read(Decompressor(io.BytesIO(bytes(data))))


def test_an_error_of_the_disk_stays_what_it_is() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 1000:
                raise OSError(5, "Input/output error")
            return super().read(min(size or 0, 600))

    with pytest.raises(OSError, match="Input/output error"):
        read(Decompressor(Broken(gzip.compress(CONTENT))))


def test_a_zstd_stream_may_begin_with_a_skippable_frame() -> None:
    frame = b"\x50\x2a\x4d\x18\x04\0\0\0note"

    assert read(Decompressor(io.BytesIO(frame + _zstd(CONTENT)))) == CONTENT


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_equal_content_is_written_as_equal_bytes(name: str) -> None:
    written = []
    for _ in range(2):
        out = io.BytesIO()
        with compress(out, name) as file:  # type: ignore[arg-type]
            file.write(CONTENT)
        written.append(out.getvalue())

    assert written[0] == written[1]
    assert detect(written[0][:6]) == name
    if name == "gzip":
        assert gzip.decompress(written[0]) == CONTENT


def test_formats_that_layers_may_not_have_are_not_written() -> None:
    with pytest.raises(InvalidInput, match="cannot write xz streams"):
        compress(io.BytesIO(), "xz")


def test_gzip_is_read_without_isal_too() -> None:
    needs.program("gzip")
    code = (
        "import sys; sys.modules['isal'] = None\n"
        "from ringfence.layers.compression import Decompressor\n"
        "from ringfence.errors import Corrupt\n"
        "data = sys.stdin.buffer.read()\n"
        "import io\n"
        "print(len(Decompressor(io.BytesIO(data)).read(100000)))\n"
        "try: Decompressor(io.BytesIO(data[:-3])).read(10**7)\n"
        "except Corrupt as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], input=gzip.compress(b"x" * 5000), capture_output=True, check=True
    )

    assert result.stdout.decode().splitlines()[0] == "5000"
    assert result.stdout.decode().splitlines()[1].startswith("gzip stream: ")


@pytest.mark.parametrize(("window", "read_to_its_end"), [(25, True), (26, False)])
def test_a_zstd_window_that_would_fill_the_memory_is_refused(window: int, read_to_its_end: bool) -> None:
    from ringfence.layers.compression import _zstd as zstd

    options = {zstd().CompressionParameter.window_log: window, zstd().CompressionParameter.compression_level: 1}
    # Without a size in its header a frame must be decoded with the window that it names (RFC 8878, 3.1.1.1.2).
    writer = zstd().ZstdCompressor(options=options)
    stream = Decompressor(io.BytesIO(writer.compress(CONTENT) + writer.flush()))

    if read_to_its_end:
        assert read(stream) == CONTENT
    else:
        with pytest.raises(Corrupt, match=r"^zstd stream: .*too much memory"):
            read(stream)
