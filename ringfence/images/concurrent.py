"""The layers of one image worked on at once: the lowest first, each by the next free thread, each able to wait for the
one below it. So the lowest that is not done is always being worked on, and nobody waits for ever.
"""

from __future__ import annotations

import os
import threading

from ringfence.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.oci.digest import Source


_MOST = 3  # layers at once: each may hold a window of 32 MiB in memory (layers/compression.py)


class Stopped(Conflict):
    """A layer below has failed, which is what the caller hears of."""


class Concurrent:
    """`work(number)` is called for each of `numbers`, ascending; it may `wait` for the one before.

    `stop` ends what the work waits for elsewhere, when it is interrupted.
    """

    def __init__(self, numbers: range, work: Callable[[int], None], stop: Callable[[], None] = lambda: None) -> None:
        self._numbers = iter(numbers)
        self._first = numbers.start
        self._work = work
        self._stop = stop
        self._lock = threading.Lock()
        self._done = {number: threading.Event() for number in numbers}
        self._errors: dict[int, BaseException] = {}

    def run(self) -> None:
        """Return when all is done, or raise what the lowest that failed has raised; no thread is left."""
        count = min(len(self._done), os.cpu_count() or 1, _MOST)
        threads = [threading.Thread(target=self._take, name=f"layer thread {number}") for number in range(1, count)]
        for thread in threads:
            thread.start()
        try:
            self._take()
            for thread in threads:
                thread.join()
        except BaseException as error:  # an interruption, which reaches this thread alone
            self._errors.setdefault(-1, error)
            self._stop()
            for thread in threads:
                thread.join()
            raise
        if self._errors:
            raise self._errors[min(self._errors)]

    def wait(self, number: int) -> None:
        """Return when that one is done; those before the first always are. Stopped if it or one below has failed."""
        if number >= self._first:
            while not self._done[number].wait(0.1):
                self.check(number + 1)
        self.check(number + 1)

    def check(self, number: int) -> None:
        """Stopped if one below that has failed: those below a failure go on, so that always the same one is told."""
        if any(failed < number for failed in list(self._errors)):
            raise Stopped("a layer below has failed")

    def stream(self, source: Source, number: int) -> Source:
        """The bytes for that one, but Stopped once one below has failed."""
        return _Checked(source, self, number)

    def _take(self) -> None:
        while not self._errors:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            try:
                self._work(number)
            except BaseException as error:
                self._errors[number] = error
                if not isinstance(error, Exception):
                    raise  # an interruption: `run` ends the others
            finally:
                self._done[number].set()


class _Checked:
    def __init__(self, source: Source, whole: Concurrent, number: int) -> None:
        self._source = source
        self._whole = whole
        self._number = number

    def read(self, size: int, /) -> bytes:
        self._whole.check(self._number)
        return self._source.read(size)
