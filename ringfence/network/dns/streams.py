"""Questions by TCP (RFC 7766): connections of clients, each message behind its length."""

from __future__ import annotations

from ringfence.linux.sockets import MSG_NOSIGNAL, accept
from ringfence.network.dns import message
from ringfence.network.dns.loop import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.linux.sockets import Socket
    from ringfence.network.dns.loop import Loop, Timer

    Handle = Callable[[bytes, str, Callable[[bytes], None]], None]

IDLE = 10.0  # seconds without a question
MOST, MOST_EACH = 100, 20  # connections: of all, and of one address
_FULL = 4 * message.MOST  # answers that a client does not fetch


class Clients:
    """The connections there are."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.there: list[Client] = []

    def accept(self, listener: Socket, handle: Handle) -> None:
        """Take a connection in, for `handle(message, source address, answer)`; one too many is closed at once."""
        try:
            connection, source = accept(listener)
        except (BlockingIOError, ConnectionAbortedError):
            return
        same = sum(client.source == source for client in self.there)
        if len(self.there) >= MOST or same >= MOST_EACH:
            connection.close()
            return
        self.there.append(Client(self, connection, source, handle))


class Client:
    """One connection."""

    def __init__(self, clients: Clients, connection: Socket, source: str, handle: Handle) -> None:
        self.source = source
        self._clients = clients
        self._socket = connection
        self._handle = handle
        self._received = b""
        self._waiting = 0  # questions whose answers are still to come
        self._to_send = b""
        self._ended = False
        self._timer: Timer = clients.loop.later(IDLE, self.close)
        clients.loop.watch(connection.fileno(), self._ready)

    def close(self) -> None:
        if self in self._clients.there:
            self._clients.there.remove(self)
            self._timer.cancel()
            self._clients.loop.forget(self._socket.fileno())
            self._socket.close()

    def _ready(self) -> None:
        try:
            self._send()
            data = self._socket.recv(message.MOST)
        except BlockingIOError:
            return
        except OSError:  # it has broken the connection off
            return self.close()
        if not data:
            if self._ended or not (self._waiting or self._to_send):
                return self.close()
            self._ended = True  # nothing more to ask, but it waits for its answers
            return self._watch()
        self._timer.cancel()
        self._timer = self._clients.loop.later(IDLE, self.close)
        self._received += data
        self._take()

    def _take(self) -> None:
        while len(self._received) > 2 and self in self._clients.there:
            end = 2 + int.from_bytes(self._received[:2], "big")
            if len(self._received) < end:
                return
            data, self._received = self._received[2:end], self._received[end:]
            self._waiting += 1
            self._handle(data, self.source, self._answer)

    def _answer(self, data: bytes) -> None:
        """Send an answer; without one the connection ends."""
        self._waiting -= 1
        if self not in self._clients.there:
            return
        self._to_send += len(data).to_bytes(2, "big") + data
        try:
            self._send()
        except OSError:
            return self.close()
        if not data or len(self._to_send) > _FULL or (self._ended and not self._waiting and not self._to_send):
            self.close()

    def _send(self) -> None:
        try:
            while self._to_send:
                self._to_send = self._to_send[self._socket.send(self._to_send, MSG_NOSIGNAL) :]
        except BlockingIOError:
            return self._watch()
        self._watch()

    def _watch(self) -> None:
        events = (0 if self._ended else READ) | (WRITE if self._to_send else 0)
        self._clients.loop.watch(self._socket.fileno(), self._ready, events)
