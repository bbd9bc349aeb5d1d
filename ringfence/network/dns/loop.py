"""What the server waits for: descriptors that become ready, and times that come (asyncio costs 37 ms and 10 MB)."""

from __future__ import annotations

import select
import time
from _heapq import heappop, heappush  # without the rest of `heapq`

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
_MOST = 64  # events that are taken at once


class Timer:
    """A call that is due at a time, unless it is cancelled."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], None] | None) -> None:
        self.due = due
        self.call = call

    def __lt__(self, other: Timer) -> bool:
        return self.due < other.due

    def cancel(self) -> None:
        self.call = None


class Loop:
    """Calls whoever waits for a descriptor or a time, one after the other, on this thread."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}
        self._timers: list[Timer] = []

    def watch(self, descriptor: int, call: Callable[[], None], events: int = READ) -> None:
        """Call whenever one of `events` (or an error, or the end) is there, until `forget`."""
        if descriptor in self._ready:
            self._epoll.modify(descriptor, events)
        else:
            self._epoll.register(descriptor, events)
        self._ready[descriptor] = call

    def watches(self, descriptor: int) -> bool:
        return descriptor in self._ready

    def forget(self, descriptor: int) -> None:
        """Before it is closed."""
        del self._ready[descriptor]
        self._epoll.unregister(descriptor)

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once, after so many seconds."""
        timer = Timer(time.monotonic() + seconds, call)
        heappush(self._timers, timer)
        return timer

    def turn(self) -> None:
        """Wait for something, and do it."""
        while self._timers and self._timers[0].call is None:
            heappop(self._timers)
        wait = max(self._timers[0].due - time.monotonic(), 0) if self._timers else -1
        for descriptor, _ in self._epoll.poll(wait, _MOST):
            call = self._ready.get(descriptor)
            if call:  # else what was done just before has ended that wait
                call()
        while self._timers and (self._timers[0].call is None or self._timers[0].due <= time.monotonic()):
            timer = heappop(self._timers)
            if timer.call:
                timer.call()
