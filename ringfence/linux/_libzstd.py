"""libzstd's decoder, bound by ctypes, with its window in a file: its memory does not grow with the window.

The window is what a frame may refer back to, and all of it is held while the frame is decoded. Here the library's
allocator gives it a shared mapping of an unlinked file (its manual, "Custom memory allocation"), whose pages are let go
every now and then: what is referred to again comes back from the page cache.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
from ctypes import c_char, c_char_p, c_size_t, c_uint, c_void_p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Source(Protocol):
        def read(self, size: int, /) -> bytes: ...


_ON_DISK = "/var/tmp"  # file-hierarchy(7); /tmp may be in memory
_LARGE = 4 << 20  # bytes of what is allocated in a file
_LET_GO = 16 << 20  # bytes of output after which the window's pages are
_OUT = 1 << 18


class _Memory(ctypes.Structure):
    """ZSTD_customMem."""

    _fields_ = (("allocate", c_void_p), ("free", c_void_p), ("opaque", c_void_p))


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer."""

    _fields_ = (("data", c_void_p), ("size", c_size_t), ("position", c_size_t))


_ALLOCATE = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_size_t)
_FREE = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)


class ZstdError(Exception):
    """The stream is not what it should be."""


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libzstd.so.1")
    for name, result, types in (
        ("ZSTD_createDCtx_advanced", c_void_p, (_Memory,)),
        ("ZSTD_freeDCtx", c_size_t, (c_void_p,)),
        ("ZSTD_DCtx_setMaxWindowSize", c_size_t, (c_void_p, c_size_t)),
        ("ZSTD_decompressStream", c_size_t, (c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer))),
        ("ZSTD_isError", c_uint, (c_size_t,)),
        ("ZSTD_getErrorName", c_char_p, (c_size_t,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, types
    return library


class _Heap:
    """What the library allocates: the large in files, the rest in memory."""

    def __init__(self) -> None:
        self._mapped: dict[int, mmap.mmap] = {}
        self._small: dict[int, Any] = {}
        # the library keeps their addresses: they must live as long as its context
        self._callbacks: tuple[Any, ...] = (_ALLOCATE(self._allocate), _FREE(self._free))

    def functions(self) -> _Memory:
        return _Memory(*(ctypes.cast(callback, c_void_p) for callback in self._callbacks), None)

    def let_go(self) -> None:
        """Nothing of what is in files is resident now."""
        for window in self._mapped.values():
            window.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        self._callbacks = ()  # which refer to this object, and nothing looks for cycles
        self._mapped.clear()
        self._small.clear()

    def _allocate(self, _opaque: int, size: int) -> int | None:
        try:
            if size < _LARGE:
                buffer = ctypes.create_string_buffer(size)
                self._small[ctypes.addressof(buffer)] = buffer
                return ctypes.addressof(buffer)
            with tempfile.TemporaryFile(dir=_ON_DISK if os.access(_ON_DISK, os.W_OK) else None) as file:
                file.truncate(size)
                window = mmap.mmap(file.fileno(), size)
            address = ctypes.addressof(c_char.from_buffer(window))
            self._mapped[address] = window
            return address
        except (OSError, MemoryError):
            return None  # the library then says that there is no memory

    def _free(self, _opaque: int, address: int) -> None:
        self._small.pop(address, None)
        self._mapped.pop(address, None)


class WindowInFile:
    """The decoded bytes of `source`, frame after frame. OSError if there is no libzstd."""

    def __init__(self, source: Source, largest_window: int) -> None:
        self._library = _library()
        self._source = source
        self._heap = _Heap()
        self._context = self._library.ZSTD_createDCtx_advanced(self._heap.functions())
        if not self._context:
            raise MemoryError
        self._check(self._library.ZSTD_DCtx_setMaxWindowSize(self._context, largest_window))
        self._room = ctypes.create_string_buffer(_OUT)
        self._data = b""
        self._given = _Buffer(None, 0, 0)
        self._more = False  # the output was full: there may be more of it without any more input
        self._wanting = 0  # what the last call has said: 0 between two frames
        self._kept = 0
        self._rest = b""

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self._library.ZSTD_freeDCtx(self._context)
        if hasattr(self, "_heap"):
            self._heap.close()

    def read(self, size: int, /) -> bytes:
        """Some bytes, none at the end. ZstdError, EOFError."""
        while not self._rest:
            if self._given.position == self._given.size and not self._more and not self._refill():
                return b""
            self._rest = self._decode()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _refill(self) -> bool:
        self._data = self._source.read(_OUT)
        self._given = _Buffer(ctypes.cast(c_char_p(self._data), c_void_p), len(self._data), 0)
        if not self._data and self._wanting:
            raise EOFError("it ends before its end mark")
        return bool(self._data)

    def _decode(self) -> bytes:
        out = _Buffer(ctypes.addressof(self._room), _OUT, 0)
        self._wanting = self._check(self._library.ZSTD_decompressStream(self._context, out, self._given))
        self._more = out.position == _OUT
        self._kept += out.position
        if self._kept > _LET_GO:
            self._kept = 0
            self._heap.let_go()
        return self._room.raw[: out.position]

    def _check(self, result: int) -> int:
        if self._library.ZSTD_isError(result):
            raise ZstdError(self._library.ZSTD_getErrorName(result).decode())
        return result
