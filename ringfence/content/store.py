"""Blobs by digest: `<data>/content/blobs/<algorithm>/<hex>`, verified when they are written, whole or not there.

A blob is written to `ingest/`, compared with its digest and size, flushed, and renamed into place: after kill -9 there
may be rubbish in `ingest/`, never a wrong blob. The file system is the only truth; what is *used* is for the layers
above to say. A *lease* (a shared lock held by whoever adds blobs until a record names them) keeps `collect` away, which
holds the same lock exclusively; the kernel drops both when their process dies.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from ringfence.errors import Conflict, Corrupt, Denied, Failed, NotFound
from ringfence.oci.digest import CHUNK, Digest, VerifyingReader, hasher, is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from typing import BinaryIO

    from ringfence.oci.digest import Source

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of fcntl(2): type, whence, start, length, pid


class Blob:
    """A blob's digest and its size in bytes."""

    __slots__ = ("digest", "size")

    def __init__(self, digest: Digest, size: int) -> None:
        self.digest = digest
        self.size = size

    def __repr__(self) -> str:
        return f"Blob({str(self.digest)!r}, {self.size})"


def chunks(file: Source) -> Iterator[bytes]:
    """What is left of `file`, in pieces."""
    while data := file.read(CHUNK):
        yield data


class _Lock:
    """A lock on an open file, held while the `with` block runs or its process lives."""

    def __init__(self, path: str, operation: int) -> None:
        self._path = path
        self._operation = operation
        self._file = -1

    def __enter__(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, self._operation)
        except BaseException:
            os.close(self._file)
            raise

    def __exit__(self, *_exception: object) -> None:
        os.close(self._file)


class Ingest:
    """A blob being written, in a `with` block: its end stores it as `blob`, an exception forgets it."""

    blob: Blob

    def __init__(self, store: ContentStore, expected: Digest | None, size: int | None) -> None:
        self._store = store
        self._expected = expected
        self._size = size
        self._lease = store.lease()
        self._path = os.path.join(store.ingesting, os.urandom(12).hex())
        self._hash = hasher(expected.algorithm if expected else "sha256")
        self._written = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Ingest:
        self._lease.__enter__()
        try:
            self._file = open(self._path, "xb", buffering=0)
        except OSError as error:
            self._lease.__exit__()
            raise failure(error, self._doing) from error
        return self

    def write(self, data: bytes | memoryview) -> int:
        """Corrupt once there is more than was announced."""
        assert self._file is not None
        self._hash.update(data)
        self._written += len(data)
        if self._size is not None and self._written > self._size:
            raise Corrupt(f"{self._expected or 'blob'}: has more bytes than the {self._size} announced")
        left = data
        while left:
            left = left[self._file.write(left) :]
        return len(data)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        assert self._file is not None
        try:
            if kind is None:
                self._finish()
        except OSError as reason:
            error = reason
        except BaseException:
            self._forget()
            raise
        if error is None:
            self._file.close()
            self._lease.__exit__()
            return
        self._forget()
        if isinstance(error, OSError):
            raise failure(error, self._doing) from error

    def _finish(self) -> None:
        assert self._file is not None
        found = Digest.finish(self._hash)
        if self._size is not None and self._written < self._size:
            amount = f"only {self._written} bytes where {self._size} were announced"
            raise Corrupt(f"{self._expected or 'blob'}: has {amount}")
        if self._expected is not None and found != self._expected:
            raise Corrupt(f"{self._expected}: the content has digest {found}")
        # A rename may reach the disk before the data; after a power failure the blob would be there and empty.
        os.fdatasync(self._file.fileno())
        os.rename(self._path, self._store.path(found))
        self.blob = Blob(found, self._written)

    def _forget(self) -> None:
        assert self._file is not None
        self._file.close()
        _remove(self._path)
        self._lease.__exit__()

    @property
    def _doing(self) -> str:
        return f"storing {self._expected or 'a blob'}"


class ContentStore:
    """The content of one data directory. Any number of processes and threads may use it at once."""

    def __init__(self, data_dir: str | os.PathLike[str]) -> None:
        self._root = os.path.join(data_dir, "content")
        self._blobs = os.path.join(self._root, "blobs")
        self.ingesting = os.path.join(self._root, "ingest")
        self._ready = False

    def ingest(self, chunks: Iterable[bytes], digest: str | None = None, size: int | None = None) -> Blob:
        """Store the bytes. Corrupt, and nothing stored, if they have not the `digest` (default: any) and `size` given.

        A blob that is there already is replaced by its equal, which mends one that the disk has damaged. Hold a lease
        from before this until a record names the blob.
        """
        with self.writing(digest, size) as out:
            for chunk in chunks:
                out.write(chunk)
        return out.blob

    def writing(self, digest: str | None = None, size: int | None = None) -> Ingest:
        """As `ingest`, for who writes rather than is read from: a context whose `blob` is there after its end."""
        return Ingest(self, Digest(digest) if digest is not None else None, size)

    def open(self, digest: str) -> BinaryIO:
        """The blob, for reading; it was verified when it was written. NotFound if it is not there."""
        try:
            return open(self.path(digest), "rb")
        except FileNotFoundError:
            raise NotFound(f"no such blob: {digest}") from None
        except OSError as error:
            raise failure(error, f"reading {digest}") from error

    def read(self, digest: str) -> bytes:
        """The whole blob, verified again (Corrupt); for manifests and image configs, not for layers."""
        with self.open(digest) as file:
            return b"".join(chunks(VerifyingReader(file, Digest(digest))))

    def verify(self, digest: str) -> int:
        """Read the blob through and return its size in bytes; Corrupt if it is not what its name says."""
        with self.open(digest) as file:
            reader = VerifyingReader(file, Digest(digest))
            while reader.read():
                pass
            return reader.size

    def exists(self, digest: str) -> bool:
        return os.path.exists(self.path(digest))

    def size(self, digest: str) -> int:
        """In bytes; NotFound if the blob is not there."""
        try:
            return os.stat(self.path(digest)).st_size
        except FileNotFoundError:
            raise NotFound(f"no such blob: {digest}") from None

    def delete(self, digest: str) -> None:
        """Remove one blob, if it is there. Nothing is asked: `collect` is for what may be in use."""
        _remove(self.path(digest))

    def digests(self) -> Iterator[Digest]:
        """All blobs, in no order; files that others have put between them do not count."""
        for algorithm in _listdir(self._blobs):
            for hex in _listdir(os.path.join(self._blobs, algorithm)):
                if is_digest(f"{algorithm}:{hex}"):
                    yield Digest(f"{algorithm}:{hex}")

    def path(self, digest: str) -> str:
        """Where the blob is or would be. InvalidInput if `digest` is not one, so that no path comes of foreign text."""
        checked = Digest(digest)
        return os.path.join(self._blobs, checked.algorithm, checked.hex)

    def lease(self) -> _Lock:
        """A context in which nothing is collected. Leases may be held by many, and inside one another."""
        self._prepare()
        return _Lock(os.path.join(self._root, "lock"), fcntl.LOCK_SH)

    def collecting(self, *, wait: bool = True) -> _Lock:
        """A context without any lease but ours. Without `wait` entering it raises Conflict while there is a lease."""
        self._prepare()
        lock = os.path.join(self._root, "lock")
        return _Lock(lock, fcntl.LOCK_EX) if wait else _TryLock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def turn(self, digest: str) -> _Turn:
        """A context in which no other process or thread has its turn at the same digest: for work to be done once."""
        self._prepare()
        return _Turn(os.path.join(self._root, "turns"), Digest(digest))

    def arriving(self, digest: str) -> _Turn:
        """As `turn`, for the one who receives the blob: a layer's chain ID may be the digest of its own blob."""
        self._prepare()
        return _Turn(os.path.join(self._root, "arrivals"), Digest(digest))

    def collect(self, used: Container[str]) -> tuple[list[Blob], int]:
        """Remove all blobs but those `used`, and what dead processes left in `ingest/`; call it in `collecting`.

        Returns the blobs, and the bytes of both.
        """
        space = 0
        for name in _listdir(self.ingesting):
            path = os.path.join(self.ingesting, name)
            space += os.stat(path).st_size
            _remove(path)
        removed = []
        for digest in list(self.digests()):
            if digest not in used:
                removed.append(Blob(digest, self.size(digest)))
                self.delete(digest)
        return removed, space + sum(blob.size for blob in removed)

    def _prepare(self) -> None:
        """Make the directories, once per store: a store that is only read makes none."""
        if self._ready:
            return
        try:
            os.makedirs(self._root, mode=0o700, exist_ok=True)
            for path in (self.ingesting, *(os.path.join(self._blobs, name) for name in ("sha256", "sha512"))):
                os.makedirs(path, exist_ok=True)
        except OSError as error:
            raise failure(error, "preparing the content store") from error
        self._ready = True


class _TryLock(_Lock):
    def __enter__(self) -> None:
        try:
            super().__enter__()
        except BlockingIOError:
            raise Conflict("the content store is in use by another process") from None


class _Turn:
    """A lock on one byte of a file that has none, far out at an offset made of the digest: nothing to clean up."""

    def __init__(self, path: str, digest: Digest) -> None:
        self._path = path
        self._offset = int(digest.hex[:15], 16)
        self._file = -1

    def __enter__(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLKW, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, self._offset, 1, 0))
        except BaseException:
            os.close(self._file)
            raise

    def __exit__(self, *_exception: object) -> None:
        os.close(self._file)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _listdir(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


def failure(error: OSError, doing: str) -> Exception:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Denied(f"{doing}: {error.filename or 'content store'}: {error.strerror}")
    return Failed(f"{doing}: {(error.strerror or str(error)).lower()}", errno=error.errno or 0)
