"""Compressed streams: told apart by their first bytes, and refused when damaged or cut short."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Corrupt, InvalidInput
from ringfence.layers.compression import Decompressor, compress, detect, window_size
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
        with compress(out, name) as file:
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


def frame(window_log: int, content: bytes = CONTENT) -> bytes:
    """Without a size in its header a frame must be decoded with the window that it names (RFC 8878, 3.1.1.1.2)."""
    from ringfence.layers.compression import _zstd

    zstd = _zstd()
    names = zstd.CompressionParameter
    options = {names.window_log: window_log, names.compression_level: 1, names.checksum_flag: 1}
    writer = zstd.ZstdCompressor(options=options)
    return bytes(writer.compress(content) + writer.flush())


@pytest.mark.parametrize("window", [20, 25, 26, 29])
def test_zstd_windows_are_accepted_as_far_as_podman_and_containerd_accept_them(window: int) -> None:
    assert window_size(frame(window)) == 1 << window
    assert read(Decompressor(io.BytesIO(frame(window) * 2))) == CONTENT * 2


def test_a_larger_zstd_window_is_refused() -> None:
    with pytest.raises(Corrupt, match=r"^zstd stream: .*too much memory"):
        read(Decompressor(io.BytesIO(frame(30))))


@pytest.mark.parametrize("damage", ["cut", "changed", "cut before its end"])
def test_a_damaged_stream_with_a_large_window_is_corrupt(damage: str) -> None:
    data = bytearray(frame(27))
    if damage == "changed":
        data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    else:
        del data[len(data) // 2 if damage == "cut" else -3 :]

    with pytest.raises(Corrupt, match=r"^zstd stream: "):
        read(Decompressor(io.BytesIO(bytes(data))))


def test_a_large_zstd_window_takes_little_memory(tmp_path: Path) -> None:
    """What lies 200 MB back is referred to, while less than 150 MB are resident."""
    needs.program("zstd")
    with open(tmp_path / "content", "wb") as file:
        block = os.urandom(4 << 20)
        file.writelines([block, *[os.urandom(1 << 20) * 25] * 8, block])
    compressed = tmp_path / "compressed"
    with open(tmp_path / "content", "rb") as content, open(compressed, "wb") as out:
        subprocess.run(["zstd", "-q", "-1", "--long=29"], stdin=content, stdout=out, check=True)
    assert compressed.stat().st_size < 16 << 20
    code = (
        "import sys, hashlib\n"
        "from ringfence.layers.compression import Decompressor\n"
        "hash, stream = hashlib.sha256(), Decompressor(open(sys.argv[1], 'rb'))\n"
        "while data := stream.read(1 << 20): hash.update(data)\n"
        "print(hash.hexdigest(), *[line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line])\n"
    )
    run = subprocess.run([sys.executable, "-c", code, compressed], capture_output=True, text=True, check=True)

    digest, resident = run.stdout.split()
    with open(tmp_path / "content", "rb") as file:
        assert digest == hashlib.file_digest(file, "sha256").hexdigest()
    assert int(resident) < 100_000  # kB


@given(st.binary(max_size=24))
def test_any_start_of_a_stream_has_a_window_size(start: bytes) -> None:
    # Invariant: it is a number, and 0 for what is no zstd frame.
    assert window_size(start) >= 0
    assert window_size(start) == 0 or start.startswith(b"\x28\xb5\x2f\xfd")
    assert window_size(b"\x28\xb5\x2f\xfd" + start) >= 0
