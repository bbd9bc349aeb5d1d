"""Digests: the name of a blob made of its bytes (image-spec, descriptor.md#digests), and reading that checks it."""

from __future__ import annotations

from ringfence.errors import Corrupt, InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash
    from typing import Protocol

    from _typeshed import ReadableBuffer

    class Source(Protocol):
        """Bytes in order; b"" at the end."""

        def read(self, size: int, /) -> bytes: ...


_HEX_LENGTH = {"sha256": 64, "sha512": 128}  # the registered algorithms
_HEX = frozenset("0123456789abcdef")
CHUNK = 1 << 18  # bytes read at once: large enough for full speed, small enough for the cache


class Digest(str):
    """A digest like `sha256:<64 hex digits>`, checked when it is made; otherwise the same as its text."""

    __slots__ = ()

    def __new__(cls, text: str) -> Digest:
        """InvalidInput if `text` is not a digest of a registered algorithm."""
        if not is_digest(text):
            raise InvalidInput(f'"{printable(text)}" is not a digest like sha256:<64 hexadecimal digits>')
        return super().__new__(cls, text)

    @classmethod
    def of(cls, data: ReadableBuffer) -> Digest:
        """The sha256 digest of `data`."""
        hash = hasher("sha256")
        hash.update(data)
        return cls.finish(hash)

    @classmethod
    def finish(cls, hash: _Hash) -> Digest:
        """The digest of all that was fed to `hash`."""
        return cls(f"{hash.name}:{hash.hexdigest()}")

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]


def is_digest(text: str) -> bool:
    """Whether `text` is a digest of a registered algorithm."""
    algorithm, _, hex = text.partition(":")
    return _HEX_LENGTH.get(algorithm) == len(hex) and _HEX.issuperset(hex)


def hasher(algorithm: str = "sha256") -> _Hash:
    """A fresh hash of a registered algorithm; the container never needs one to start, so hashlib is imported late."""
    import hashlib

    return hashlib.new(algorithm, usedforsecurity=False)


def printable(text: str) -> str:
    """What a message shows of foreign input: one line, at most 80 characters."""
    shown = text if len(text) <= 80 else text[:80] + "…"
    return shown if shown.isprintable() else ascii(shown)[1:-1]


class HashingReader:
    """Reads `file`; `hash` and `size` (in bytes) are of what was read so far."""

    def __init__(self, file: Source, algorithm: str = "sha256") -> None:
        self._file = file
        self.hash = hasher(algorithm)
        self.size = 0

    def read(self, size: int = CHUNK) -> bytes:
        """At most `size` bytes; b"" at the end."""
        data = self._file.read(size)
        self.hash.update(data)
        self.size += len(data)
        return data


class VerifyingReader(HashingReader):
    """Reads `file` and raises Corrupt at its end, or once there is too much, if it is not what was announced.

    A caller that stops before the end (`read` returned no b"" yet) has verified nothing.
    """

    def __init__(self, file: Source, digest: Digest, size: int | None = None) -> None:
        super().__init__(file, digest.algorithm)
        self._digest = digest
        self._expected = size

    def read(self, size: int = CHUNK) -> bytes:
        """At most `size` bytes; b"" at the end, which is then known to be right."""
        data = super().read(size)
        if self._expected is not None and (self.size > self._expected or (not data and self.size < self._expected)):
            amount = "more" if self.size > self._expected else f"only {self.size}"
            raise Corrupt(f"{self._digest}: has {amount} bytes where {self._expected} were announced")
        if not data and size != 0:
            found = Digest.finish(self.hash)
            if found != self._digest:
                raise Corrupt(f"{self._digest}: the content has digest {found}")
        return data
