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
_LONGEST_MAGIC = 6
_LARGEST_WINDOW = 32 << 20
"""Bytes of zstd's window, all held in memory: RFC 8878, 3.1.1.1.2, asks for 8 MiB, BuildKit's best level takes this."""


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
        while len(start) < _LONGEST_MAGIC and (more := stream.read(_LONGEST_MAGIC - len(start))):
            start += more
        self.compression: Compression = compression or detect(start)
        source = _Rejoined(start, stream)
        self._errors: tuple[type[Exception], ...] = ()
        self._stream: Readable = source
        if self.compression != "none":
            self._stream, self._errors = _decoder(self.compression, source)

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


def _decoder(compression: Compression, source: Any) -> tuple[Readable, tuple[type[Exception], ...]]:
    """The decoding file, and what it raises for bad data."""
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
        zstd = _zstd()
        options = {zstd.DecompressionParameter.window_log_max: _LARGEST_WINDOW.bit_length() - 1}
        return zstd.ZstdFile(source, "rb", options=options), (EOFError, zstd.ZstdError)
    if compression == "bzip2":
        import bz2

        return bz2.BZ2File(source), (EOFError, OSError)
    import lzma

    return lzma.LZMAFile(source), (EOFError, lzma.LZMAError)


def _zstd() -> Any:
    from importlib import import_module

    for name in ("compression.zstd", "backports.zstd"):  # the first from Python 3.14 on
        try:
            return import_module(name)
        except ImportError:
            continue
    raise Unsupported("zstd streams need the package backports.zstd")


def compress(file: BinaryIO, compression: Compression) -> BinaryIO:
    """A file whose writes arrive compressed in `file`, which its `close` leaves open. Without name and time."""
    if compression == "gzip":
        import gzip  # zlib's output is smaller than isal's

        return gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0)  # type: ignore[return-value]
    if compression == "zstd":
        return _zstd().ZstdFile(file, "wb")  # type: ignore[no-any-return]
    raise InvalidInput(f"cannot write {compression} streams", hint="there are: gzip, zstd")
