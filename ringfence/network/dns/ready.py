"""Waiting for the server: a container whose first act is to look up a name must find it there."""

from __future__ import annotations

import time

from ringfence.linux.sockets import AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM, Socket
from ringfence.network.dns import directory, message
from ringfence.network.dns.message import Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STATUS = message.encode(Message(0, 2 << 11))  # opcode 2: nobody has that, so that everybody says so at once
_PAUSE = 0.001  # seconds between two attempts


def wait(place: str, argv: Sequence[str], addresses: Iterable[str], seconds: float) -> list[str]:
    """Wait until somebody answers at all these addresses of this machine; those where nobody did in `seconds`.

    Whatever had been published when this was called is known to the server when it answers. One that was being killed
    while `directory.ensure` looked is started again. With a server that runs already it takes a fifth of a millisecond
    for each address, with one that was just started 30.
    """
    deadline = time.monotonic() + seconds
    return [address for address in addresses if not _answers(place, argv, address, deadline)]


def _answers(place: str, argv: Sequence[str], address: str, deadline: float) -> bool:
    with Socket(AF_INET6 if ":" in address else AF_INET, SOCK_DGRAM | SOCK_CLOEXEC) as socket:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            socket.settimeout(left)
            try:
                socket.connect((address, message.PORT))
                socket.send(_STATUS)
                return bool(socket.recv(message.PLAIN))
            except TimeoutError:
                return False
            except OSError:  # nobody listens there yet, or the address itself is yet to come
                time.sleep(_PAUSE)
            directory.ensure(place, argv)
