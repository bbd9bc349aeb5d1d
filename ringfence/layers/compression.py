"""Compressed streams: told apart by their first bytes, read to their end, written so that equal input is equal output.

gzip by isal where it is installed, at more than twice zlib's speed. Every codec is imported when a stream needs it.
"""

from __future__ import annotations

from ringfence.errors import Corrupt, InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Literal, Protocol

    Compression = Literal["none", "gzip", "zstd", "bzip2", "xz"]

    class Readable(Protocol):
        def read(self, size: int, /) -> bytes: ...


_MAGICS: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
)
_LONGEST_HEADER = 18  # bytes of a zstd frame's; the magics are shorter
_WINDOW_IN_MEMORY = 32 << 20
"""Bytes of zstd's window: RFC 8878, 3.1.1.1.2, asks for 8 MiB, BuildKit's best level takes this."""
_LARGEST_WINDOW = 512 << 20
"""As podman, skopeo and containerd accept; `zstd -22` takes 128 MiB. Those above the former are kept in a file."""


def detect(start: bytes) -> Compression:
    """The compression of a stream that begins with these (at least six, if it has them) bytes.

    zstd may begin with a skippable frame (RFC 8878, 3.1.2), as zstd:chunked layers do.
    """
    if start[1:4] == b"\x2a\x4d\x18" and 0x50 <= start[0] <= 0x5F:
        return "zstd"
    for magic, name in _MAGICS:
        if start.startswith(magic):
            return name
    return "none"


class Decompressor:
    """The uncompressed bytes of a stream. A damaged or truncated one raises Corrupt from `read`."""

    def __init__(self, stream: Readable, compression: Compression | None = None) -> None:
        start = b""
        while len(start) < _LONGEST_HEADER and (more := stream.read(_LONGEST_HEADER - len(start))):
            start += more
        self.compression: Compression = compression or detect(start)
        source = _Rejoined(start, stream)
        self._errors: tuple[type[Exception], ...] = ()
        self._stream: Readable = source
        if self.compression != "none":
            self._stream, self._errors = _decoder(self.compression, source, start)

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except self._errors as error:
            if isinstance(error, OSError) and error.errno:  # of the disk, not of the codec
                raise
            raise Corrupt(f"{self.compression} stream: {error}") from None


class _Rejoined:
    """A stream with the bytes that were read to look at its start put back."""

    def __init__(self, start: bytes, stream: Readable) -> None:
        self._start = start
        self._stream = stream

    def read(self, size: int) -> bytes:
        start, self._start = self._start[:size], self._start[size:]
        return start or self._stream.read(size)

    def readinto(self, buffer: memoryview) -> int:  # as isal reads
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _decoder(compression: Compression, source: Any, start: bytes) -> tuple[Readable, tuple[type[Exception], ...]]:
    """The decoding file, and what it raises for bad data; `start` is what `source` begins with."""
    if compression == "gzip":
        import gzip
        import zlib

        try:
            from isal import igzip, igzip_lib
        except ImportError:
            return gzip.GzipFile(fileobj=source, mode="rb"), (EOFError, gzip.BadGzipFile, zlib.error)
        file: Readable = igzip.IGzipFile(fileobj=source, mode="rb")  # type: ignore[no-untyped-call]
        return file, (EOFError, gzip.BadGzipFile, igzip_lib.IsalError)  # type: ignore[return-value]  # stub: an instance
    if compression == "zstd":
        if _WINDOW_IN_MEMORY < window_size(start) <= _LARGEST_WINDOW:
            return _decoder_of_large_windows(source)
        zstd = _zstd()
        options = {zstd.DecompressionParameter.window_log_max: _WINDOW_IN_MEMORY.bit_length() - 1}
        return zstd.ZstdFile(source, "rb", options=options), (EOFError, zstd.ZstdError)
    if compression == "bzip2":
        import bz2

        return bz2.BZ2File(source), (EOFError, OSError)
    import lzma

    return lzma.LZMAFile(source), (EOFError, lzma.LZMAError)


def _decoder_of_large_windows(source: Any) -> tuple[Readable, tuple[type[Exception], ...]]:
    try:
        from ringfence.linux._libzstd import WindowInFile, ZstdError

        return WindowInFile(source, _LARGEST_WINDOW), (EOFError, ZstdError)
    except OSError:
        raise Unsupported(f"a zstd stream with a window above {_WINDOW_IN_MEMORY >> 20} MiB needs libzstd") from None


def window_size(header: bytes) -> int:
    """The window that a zstd frame's header asks for (RFC 8878, 3.1.1.1), 0 if it is none. Needs up to 18 bytes."""
    if detect(header) != "zstd" or header[0] != 0x28 or len(header) < 6:
        return 0
    descriptor = header[4]
    if not descriptor & 0x20:
        exponent, mantissa = header[5] >> 3, header[5] & 7
        return (8 + mantissa) << (7 + exponent)
    # a single segment: the content is the window
    position = 5 + (0, 1, 2, 4)[descriptor & 3]
    size = (1, 2, 4, 8)[descriptor >> 6]
    return int.from_bytes(header[position : position + size], "little") + (256 if size == 2 else 0)


def _zstd() -> Any:
    from importlib import import_module

    for name in ("compression.zstd", "backports.zstd"):  # the first from Python 3.14 on
        try:
            return import_module(name)
        except ImportError:
            continue
    raise Unsupported("zstd streams need the package backports.zstd")


def compress(file: Any, compression: str) -> BinaryIO:
    """A file whose writes arrive compressed in `file`, which its `close` leaves open. Without name and time."""
    if compression == "gzip":
        import gzip  # zlib's output is smaller than isal's

        return gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0)  # type: ignore[return-value]
    if compression == "zstd":
        return _zstd().ZstdFile(file, "wb")  # type: ignore[no-any-return]
    raise InvalidInput(f"cannot write {compression} streams", hint="there are: gzip, zstd")
