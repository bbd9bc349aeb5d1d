"""Downloading: blobs into the content store, several at once, which may be read while they arrive.

A connection that ends early is opened again where it stopped, as long as that gets on; so does the next process after a
kill. Nothing becomes a blob that is not what its digest and size say.
"""

from __future__ import annotations

import threading

from ringfence.content.partial import Partial
from ringfence.errors import Corrupt, NotFound, RingfenceError
from ringfence.registry.transport import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO, Self

    from ringfence.content.store import ContentStore
    from ringfence.oci.image_spec import Descriptor
    from ringfence.registry.repository import BlobStream, Repository

    Report = Callable[[str, str, int, int], None]
    """(digest, what happens, bytes so far, bytes in all); called from any thread."""

AT_ONCE = 3  # blobs, as docker does
_PIECE = 1 << 19  # bytes read at once
_ADVANCE = 1 << 16  # bytes without which a connection counts as one that did not get on


class Arrival:
    """One blob on its way; `read` follows it, and at its end knows that it is right."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self._free = threading.Lock()
        self._changed = threading.Condition()
        self._available = 0
        self._position = 0
        self._file: BinaryIO | None = None
        self._done = False
        self._error: BaseException | None = None

    def take(self) -> bool:
        """Whether the caller is the first who wants to follow it: one can."""
        return self._free.acquire(blocking=False)

    def read(self, size: int, /) -> bytes:
        """Some bytes, once they are there; b"" at the end. What went wrong with the download is raised."""
        with self._changed:
            while not self._done and (self._error is None) and self._available <= self._position:
                self._changed.wait()
            if self._error is not None:
                raise self._error
            left = self._available - self._position
            file = self._file
        if file is None or not left:
            return b""
        data = file.read(min(size, left))
        self._position += len(data)
        return data

    def wait(self) -> None:
        """Until the whole blob is stored."""
        with self._changed:
            while not self._done and self._error is None:
                self._changed.wait()
            if self._error is not None:
                raise self._error

    def started(self, file: BinaryIO, resumed: int) -> None:
        with self._changed:
            self._file, self._available = file, resumed
            self._changed.notify_all()

    def grown(self, available: int) -> None:
        with self._changed:
            self._available = available
            self._changed.notify_all()

    def ended(self, error: BaseException | None = None) -> None:
        """The first end counts."""
        with self._changed:
            if self._done or self._error is not None:
                return
            self._done, self._error = error is None, error
            self._changed.notify_all()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Downloads:
    """Blobs being fetched by threads while the `with` block runs; it ends only when they have.

    `sources` are asked in order. The caller holds a lease.
    """

    def __init__(self, content: ContentStore, sources: Sequence[Repository], descriptors: Sequence[Descriptor],
                 report: Report) -> None:  # fmt: skip
        self._content = content
        self._sources = sources
        self._report = report
        self.arrivals = {str(descriptor.digest): Arrival(descriptor) for descriptor in descriptors}
        self._waiting = list(self.arrivals.values())
        self._lock = threading.Lock()
        self._failed = False
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            # A daemon, so that a thread that waits for another process's lock holds nobody up at the exit.
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, kind: object, *_exception: object) -> None:
        if kind is not None:
            self.stop()
            for thread in self._threads:
                thread.join(2.0)
        else:
            for thread in self._threads:
                thread.join()
        for arrival in self.arrivals.values():
            arrival.close()

    def stop(self) -> None:
        """Let all that is on its way fail."""
        self._failed = True
        for source in self._sources:
            source.session.transport.stop()
        for arrival in self.arrivals.values():
            arrival.ended(Unreachable("stopped"))

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                arrival = self._waiting.pop(0)
            try:
                if self._failed:
                    raise Unreachable("stopped")
                self._fetch(arrival)
                arrival.ended()
            except BaseException as error:
                self._fail(arrival, error)

    def _fail(self, arrival: Arrival, error: BaseException) -> None:
        """One failure is the failure of all: whoever waits for any of them learns the first."""
        first = not self._failed
        self._failed = True
        for other in self.arrivals.values() if first else (arrival,):
            other.ended(error)

    def _fetch(self, arrival: Arrival) -> None:
        descriptor = arrival.descriptor
        digest, total = str(descriptor.digest), descriptor.size
        with Partial(self._content, digest, total) as partial:
            if partial.complete:
                arrival.started(partial.open_reader(), total)
                self._report(digest, "Already exists", total, total)
                return
            arrival.started(partial.open_reader(), partial.size)
            self._fill(partial, arrival)
            self._report(digest, "Verifying Checksum", total, total)
            partial.finish()
            self._report(digest, "Download complete", total, total)

    def _fill(self, partial: Partial, arrival: Arrival) -> None:
        """From the first source that has the blob; from the next one, if that fails."""
        for number, source in enumerate(self._sources, 1):
            try:
                return self._fill_from(source, partial, arrival)
            except (RingfenceError, OSError) as error:
                if number == len(self._sources) or self._failed or isinstance(error, Corrupt):
                    raise
                source.session.tell(f"{error}: trying {self._sources[number].shown}")

    def _fill_from(self, source: Repository, partial: Partial, arrival: Arrival) -> None:
        digest, patience = str(arrival.descriptor.digest), source.session.patience
        attempt = 0
        while partial.size < partial.total:
            before = partial.size
            try:
                stream = source.blob(digest, before)  # tries again by itself: what it gives up is given up
            except NotFound:
                raise NotFound(f"{source.shown}: has no blob {digest}") from None
            try:
                self._receive(stream, partial, arrival)
                reason = f"{source.shown}: blob {digest}: ended after {partial.size} of {partial.total} bytes"
            except Unreachable as error:
                if self._failed:
                    raise
                reason = error.what
            if partial.size == partial.total:
                return
            attempt = 1 if partial.size - before >= _ADVANCE else attempt + 1
            if attempt > patience.retries:
                raise Unreachable(reason)
            pause = patience.before(attempt)
            source.session.tell(f"{reason}: going on in {pause:g} s ({attempt} of {patience.retries})")
            source.session.transport.wait(pause)

    def _receive(self, stream: BlobStream, partial: Partial, arrival: Arrival) -> None:
        """One request's bytes, appended; those that are there already are passed over."""
        digest = str(arrival.descriptor.digest)
        with stream:
            buffer = memoryview(bytearray(_PIECE))
            skip = partial.size - stream.start
            while count := stream.readinto(buffer):
                if self._failed:
                    raise Unreachable("stopped")
                new = buffer[min(skip, count) : count]
                skip -= count - len(new)
                if new:
                    partial.write(new)
                    arrival.grown(partial.size)
                    self._report(digest, "Downloading", partial.size, partial.total)
