"""The DNS server of an engine: one process that answers the containers of all its networks, at their gateways.

It lives as long as there is a container with names (see directory), and has no state but what the directory holds.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
import time

from ringfence.errors import Corrupt
from ringfence.linux import pidfd, processes
from ringfence.linux.inotify import BLIND, Changes
from ringfence.network.dns import directory
from ringfence.network.dns.answers import Answers
from ringfence.network.dns.forwarding import Forwarder
from ringfence.network.dns.listener import Listener
from ringfence.network.dns.loop import Loop
from ringfence.network.dns.names import Container, Names
from ringfence.network.dns.resolvers import Resolvers
from ringfence.network.dns.streams import Clients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ringfence.linux.pidfd import Pidfd
    from ringfence.network.dns.loop import Timer

LINGER = 0.5  # seconds without any container, after which it ends: `run --rm` in a row finds it still there
AGAIN = 2.0  # seconds until an address that somebody else has is tried again
REVIVED = 1.0  # seconds between a mistake of ours and the next attempt


def main(place: str) -> None:
    """Serve until nobody needs it; the lock of the directory is descriptor 3, held (see directory.ensure)."""
    os.closerange(directory.LOCK + 1, 1 << 16)  # what a program that uses the library has left open to its children
    os.set_inheritable(directory.LOCK, False)
    os.chdir("/")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        changes = Changes(place)
    except FileNotFoundError:  # it was removed, so nobody can publish anything to us
        return
    try:
        Server(place, changes).serve()
    except Exception:
        # Nobody would start it again before the next container does. All that it knew is in the directory.
        sys.excepthook(*sys.exc_info())
        time.sleep(REVIVED)
        os.set_inheritable(directory.LOCK, True)
        os.execv(sys.executable, sys.orig_argv)


class Server:
    """What it holds: the names, a pidfd of each container's process, and a listener at each gateway."""

    def __init__(self, place: str, changes: Changes) -> None:
        self._place = place
        self._loop = Loop()
        self._clients = Clients(self._loop)
        self._names = Names()
        self._alive: dict[str, Pidfd] = {}
        self._listeners: dict[str, Listener] = {}
        self._absent: set[str] = set()  # addresses that somebody else has
        self._retry: Timer | None = None
        self._end: Timer | None = None
        self._ended = False
        self._changes = changes
        self._answers = Answers(self._names, Forwarder(self._loop), Resolvers())

    def serve(self) -> None:
        if self._changes.descriptor is None:
            self._look()
        else:
            self._loop.watch(self._changes.descriptor, self._changed)
        self._read_all()
        while not self._ended:
            self._loop.turn()

    def _look(self) -> None:
        """Where inotify is used up."""
        self._read_all()
        self._loop.later(BLIND, self._look)

    def _changed(self) -> None:
        names = self._changes.read()
        if names is None:
            self._read_all()
        elif names:
            self._read(name.removesuffix(directory.SUFFIX) for name in names if name.endswith(directory.SUFFIX))

    def _read_all(self) -> None:
        self._read(self._all())

    def _all(self) -> set[str]:
        try:
            return {*directory.ids(self._place), *self._names.containers}
        except FileNotFoundError:  # it was removed
            self._ended = True
            return set(self._names.containers)

    def _read(self, ids: Iterable[str]) -> None:
        self._load(ids)
        self._settle()

    def _load(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._forget(id)
            try:
                fields = directory.read(self._place, id)
                if fields is not None:
                    self._know(Container(id, fields))
            except (ValueError, KeyError, TypeError, AttributeError, Corrupt) as error:
                self._say(f"{id}{directory.SUFFIX} is passed over: {type(error).__name__}: {error}")

    def _know(self, container: Container) -> None:
        try:
            alive = pidfd.open(container.pid, container.start)
        except ProcessLookupError:  # it was killed, and nobody has said so
            return
        if not processes.alive(container.pid, container.start):  # a zombie
            alive.close()
            return
        self._alive[container.id] = alive
        self._loop.watch(alive, lambda: self._exited(container.id))
        self._names.put(container)

    def _exited(self, id: str) -> None:
        self._forget(id)
        self._settle()

    def _forget(self, id: str) -> None:
        self._names.remove(id)
        alive = self._alive.pop(id, None)
        if alive is not None:
            self._loop.forget(alive)
            alive.close()

    def _settle(self) -> None:
        """Listen where there is somebody to listen to, and end if there is nobody."""
        wanted = self._names.listen()
        self._answers.listen = wanted
        for address in self._listeners.keys() - wanted.keys():
            self._listeners.pop(address).close()
        self._absent &= wanted.keys()
        for address in wanted.keys() - self._listeners.keys():
            self._listen(address)
        if self._absent and self._retry is None:
            self._retry = self._loop.later(AGAIN, self._try_again)
        if self._names.containers and self._end:
            self._end.cancel()
            self._end = None
        elif not self._names.containers and not self._end:
            self._end = self._loop.later(LINGER, self._leave)

    def _listen(self, address: str) -> None:
        try:
            self._listeners[address] = Listener(self._loop, self._clients, address, self._asked)
        except OSError as error:
            if address not in self._absent:
                reason = "another DNS server listens there" if error.errno == errno.EADDRINUSE else error.strerror
                self._say(f"port 53 of {address}: {reason}; names do not resolve there until it can be had")
            self._absent.add(address)
            return
        if address in self._absent:
            self._absent.remove(address)
            self._say(f"port 53 of {address}: names resolve there now")

    def _try_again(self) -> None:
        self._retry = None
        self._settle()

    def _asked(self, data: bytes, source: str, port: int, asked: str, answer: Callable[[bytes], None]) -> None:
        # Who asks right after it was published is to be known, though both were noticed in the same instant.
        if self._changes.descriptor is not None:
            self._changed()
        self._answers.asked(data, source, port, asked, answer)

    def _leave(self) -> None:
        """End, unless a container has come meanwhile: whoever published it before we gave up the lock saw us alive."""
        directory.yield_lock()
        self._load(self._all())
        self._ended = self._ended or not self._names.containers or not directory.retake_lock()
        if not self._ended:
            self._settle()

    def _say(self, line: str) -> None:
        print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), line, file=sys.stderr, flush=True)
