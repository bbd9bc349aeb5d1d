"""Forwarding: questions for what is no container's name, put to other servers, whose answers are passed on as they are.

Each question gets a socket of its own, connected with the server (so that the kernel lets nobody else's datagram in),
at a port that the kernel draws, and an id drawn anew: an answer counts only if it comes from there with that id and for
that question (RFC 5452).
"""

from __future__ import annotations

import os

from ringfence.errors import Corrupt
from ringfence.linux.sockets import (
    AF_INET,
    AF_INET6,
    SO_ERROR,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    Socket,
)
from ringfence.network.dns import message
from ringfence.network.dns.loop import WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from ringfence.network.dns.loop import Loop, Timer

ROUNDS = 2  # how often each server is asked
PATIENCE = 2.0  # seconds for one server's answer; a resolver of libc waits 5 for ours
MOST, MOST_EACH = 400, 100  # questions under way: of all, and of one asker
_ELSEWHERE = (message.SERVFAIL, message.NOTIMP, message.REFUSED)  # answers for which libc, too, asks the next server


class Forwarder:
    """The questions under way."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.under_way: dict[Hashable, Exchange] = {}  # the oldest first
        self._of: dict[str, int] = {}

    def ask(self, key: Hashable, source: str, servers: Sequence[str], query: bytes, answer: Callable[[bytes], None],
            *, stream: bool) -> None:  # fmt: skip
        """Put a question to the servers, in order, and call `answer` once; with no answer if there is none to be had.

        A `key` that is under way is the same question, asked again: its answer comes already.
        """
        if key in self.under_way:
            return
        if self._of.get(source, 0) >= MOST_EACH:
            return answer(b"")
        if len(self.under_way) >= MOST:
            next(iter(self.under_way.values())).finish(b"")
        self._of[source] = self._of.get(source, 0) + 1

        def finished(data: bytes) -> None:
            del self.under_way[key]
            self._of[source] -= 1
            if not self._of[source]:
                del self._of[source]
            answer(data)

        exchange = Exchange(self.loop, list(servers) * ROUNDS, query, finished, stream=stream)
        self.under_way[key] = exchange
        exchange.next()


class Exchange:
    """One question, which goes to one server after the other until there is an answer."""

    def __init__(self, loop: Loop, servers: list[str], query: bytes, finished: Callable[[bytes], None],
                 *, stream: bool) -> None:  # fmt: skip
        self._loop = loop
        self._servers = servers
        self._query = query
        self._asked = [question.key for question in message.parse_question(query).questions]
        self._finished = finished
        self._stream = stream
        self._socket: Socket | None = None
        self._timer: Timer | None = None
        self._id = b""
        self._received = b""
        self._refusal = b""

    def next(self) -> None:
        """Ask the next server, of those that can be sent to."""
        self._close()
        while self._servers:
            server = self._servers.pop(0)
            try:
                self._ask(server)
            except OSError:  # no route, no such interface, port closed: what matters is whether there is another server
                self._close()
                continue
            self._timer = self._loop.later(PATIENCE, self.next)
            return
        self.finish(self._refusal)

    def finish(self, data: bytes) -> None:
        self._close()
        self._finished(data)

    def _ask(self, server: str) -> None:
        family = AF_INET6 if ":" in server else AF_INET
        kind = SOCK_STREAM if self._stream else SOCK_DGRAM
        self._socket = Socket(family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC)
        self._id = os.urandom(2)
        self._received = b""
        if self._stream:
            self._socket.connect_ex((server, message.PORT))  # what comes of it is told when it can be written to
            self._loop.watch(self._socket.fileno(), self._connected, WRITE)
        else:
            self._socket.connect((server, message.PORT))
            self._socket.send(self._id + self._query[2:])
            self._loop.watch(self._socket.fileno(), self._datagram)

    def _connected(self) -> None:
        assert self._socket
        data = len(self._query).to_bytes(2, "big") + self._id + self._query[2:]
        if self._socket.getsockopt(SOL_SOCKET, SO_ERROR) or not self._sent(data):
            return self.next()
        self._loop.watch(self._socket.fileno(), self._segment)

    def _sent(self, data: bytes) -> bool:
        """A question fits into the buffer of a new connection whole, or something is wrong with it."""
        assert self._socket
        try:
            return self._socket.send(data) == len(data)
        except OSError:
            return False

    def _datagram(self) -> None:
        assert self._socket
        try:
            data = self._socket.recv(message.MOST)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there
            return self.next()
        self._take(data)

    def _segment(self) -> None:
        assert self._socket
        try:
            data = self._socket.recv(message.MOST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self.next()
        self._received += data
        size = int.from_bytes(self._received[:2], "big")
        whole = len(self._received) >= max(2 + size, 3)
        if whole and not self._take(self._received[2 : 2 + size]):
            self.next()

    def _take(self, data: bytes) -> bool:
        """Whether these bytes were the answer."""
        try:
            answer = message.parse_question(data)
        except Corrupt:
            return False
        asked = [question.key for question in answer.questions]
        if data[:2] != self._id or not answer.response or asked not in (self._asked, []):
            return False
        if not asked and answer.code in (message.NOERROR, message.NXDOMAIN):
            return False  # only who could not read the question may leave it out
        data = self._query[:2] + data[2:]
        if answer.code in _ELSEWHERE:
            self._refusal = data
            self.next()
        else:
            self.finish(data)
        return True

    def _close(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._socket:
            if self._loop.watches(self._socket.fileno()):
                self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None
