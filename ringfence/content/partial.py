"""A blob that arrives in pieces: what is there outlives its writer, and the next one goes on where it stopped.

It stands in `ingest/` under its digest until it is whole and right, when it is renamed into place. One process or
thread at a time writes it; others may follow it while it grows (`open_reader`). `ContentStore.collect` removes it.
"""

from __future__ import annotations

import os

from ringfence.content.store import failure
from ringfence.errors import Corrupt
from ringfence.oci.digest import CHUNK, Digest, hasher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import BinaryIO, Self

    from ringfence.content.store import ContentStore


class Stale(Corrupt):
    """Wrong, perhaps by what an earlier writer left, which has gone now: another try begins anew."""


class Partial:
    """In a `with` block: `size` bytes of `total` are there, `resumed` of them from an earlier writer.

    The caller holds a lease. Entering waits for whoever writes the same blob, and then `complete` may be true.
    """

    def __init__(self, store: ContentStore, digest: str, total: int) -> None:
        self._store = store
        self._digest = Digest(digest)
        self._path = os.path.join(store.ingesting, f"{self._digest.algorithm}-{self._digest.hex}")
        self._turn = store.arriving(digest)
        self._hash = hasher(self._digest.algorithm)
        self._file: FileIO | None = None
        self.total = total
        self.size = 0
        self.resumed = 0
        self.complete = False

    def __enter__(self) -> Self:
        self._turn.__enter__()
        try:
            self.complete = self._store.exists(self._digest)
            if not self.complete:
                self._open()
        except BaseException as error:
            self._turn.__exit__()
            if isinstance(error, OSError):
                raise failure(error, f"storing {self._digest}") from error
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._file is not None:
            self._file.close()
        self._turn.__exit__()

    def _open(self) -> None:
        """Open what is there and take its digest so far; more than there may be is nothing."""
        self._file = open(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b", buffering=0)  # noqa: SIM115
        if os.fstat(self._file.fileno()).st_size > self.total:
            self._file.truncate(0)
        buffer = memoryview(bytearray(CHUNK))
        while count := self._file.readinto(buffer):
            self._hash.update(buffer[:count])
            self.size += count
        self.resumed = self.size

    def open_reader(self) -> BinaryIO:
        """The blob's bytes as far as they are there, also after it has been renamed."""
        return self._store.open(self._digest) if self.complete else open(self._path, "rb", buffering=0)

    def write(self, data: memoryview) -> None:
        """Append; Corrupt once there is more than was announced, and then nothing is kept."""
        assert self._file is not None
        if self.size + len(data) > self.total:
            self.forget()
            raise self._corrupt(f"{self._digest}: has more bytes than the {self.total} announced")
        try:
            left = data
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise failure(error, f"storing {self._digest}") from error
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> None:
        """Make it a blob. Corrupt, and nothing is kept, if it is not what its digest says."""
        assert self._file is not None
        found = Digest.finish(self._hash)
        if found != self._digest:
            self.forget()
            raise self._corrupt(f"{self._digest}: the content has digest {found}")
        try:
            os.fdatasync(self._file.fileno())  # see Ingest: the rename may reach the disk first
            os.rename(self._path, self._store.path(self._digest))
        except OSError as error:
            raise failure(error, f"storing {self._digest}") from error
        self.complete = True

    def _corrupt(self, what: str) -> Corrupt:
        return Stale(what) if self.resumed else Corrupt(what)

    def forget(self) -> None:
        """Remove what is there."""
        if os.path.exists(self._path):
            os.unlink(self._path)
