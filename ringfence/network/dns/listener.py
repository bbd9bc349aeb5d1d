"""The sockets at one address of a network's gateway: port 53 of UDP and of TCP."""

from __future__ import annotations

from ringfence.linux.sockets import (
    AF_INET,
    AF_INET6,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    Socket,
    allow_foreign,
)
from ringfence.network.dns import message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.network.dns.loop import Loop
    from ringfence.network.dns.streams import Clients

    # A message, the address and port (0: of a connection) that it comes from, ours, and where its answer is to go.
    Asked = Callable[[bytes, str, int, str, Callable[[bytes], None]], None]

_AT_ONCE = 64  # datagrams that are taken from one address before others have their turn
_BACKLOG = 64


class Listener:
    """Waits at `address` for messages and hands them to `asked`. OSError EADDRINUSE if another server is there."""

    def __init__(self, loop: Loop, clients: Clients, address: str, asked: Asked) -> None:
        self.address = address
        self._loop = loop
        self._clients = clients
        self._asked = asked
        family = AF_INET6 if ":" in address else AF_INET
        self._udp = Socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
        self._tcp = Socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
        try:
            # Not for UDP: there it would let two servers have one address, and the later one would get all questions.
            self._tcp.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            for socket in (self._udp, self._tcp):
                allow_foreign(socket)  # an address of a bridge that is about to come, or that is not settled yet
                socket.bind((address, message.PORT))
            self._tcp.listen(_BACKLOG)
        except OSError:
            self._udp.close()
            self._tcp.close()
            raise
        loop.watch(self._udp.fileno(), self._datagrams)
        loop.watch(self._tcp.fileno(), self._connection)

    def close(self) -> None:
        for socket in (self._udp, self._tcp):
            self._loop.forget(socket.fileno())
            socket.close()

    def _datagrams(self) -> None:
        for _ in range(_AT_ONCE):
            if self._udp.fileno() < 0:  # with the question before it was seen that the network has gone
                return
            try:
                data, peer = self._udp.recvfrom(message.MOST)
            except BlockingIOError:
                return
            self._asked(data, peer[0], peer[1], self.address, self._sender(peer))

    def _sender(self, peer: tuple[str, int]) -> Callable[[bytes], None]:
        """A datagram may be lost, and then it is asked for again; so for whatever reason it cannot be sent now."""

        def send(answer: bytes) -> None:
            if answer and self._udp.fileno() >= 0:  # else the network has gone while the answer was on its way
                try:
                    self._udp.sendto(answer, peer)
                except OSError:
                    return

        return send

    def _connection(self) -> None:
        def handle(data: bytes, source: str, answer: Callable[[bytes], None]) -> None:
            self._asked(data, source, 0, self.address, answer)

        self._clients.accept(self._tcp, handle)
