"""Many network namespaces on one link: who of them reaches whom, by datagrams sent and answered inside of each."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ringfence.linux import namespaces

_PORT = 4007
_PATIENCE = 20.0  # seconds, for all of them together


def unreached(processes: Mapping[str, int]) -> set[tuple[str, str]]:
    """The ordered pairs (sender, receiver) of addresses without an answer; `processes` are pids by address.

    Everybody asks everybody else and answers whoever asks, from a socket of its own namespace: a pair counts when the
    answer has come back to the one who asked.
    """
    missing = {(one, other) for one in processes for other in processes if one != other}
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        sockets = {}
        for address, pid in processes.items():
            sockets[address] = stack.enter_context(_socket(pid, address))
            selector.register(sockets[address], selectors.EVENT_READ, address)
        deadline = time.monotonic() + _PATIENCE
        while missing and time.monotonic() < deadline:
            for number, (sender, receiver) in enumerate(sorted(missing)):
                sockets[sender].sendto(b"?", (receiver, _PORT))
                if number % len(processes) == 0:  # no socket's buffer overflows meanwhile
                    _receive(selector, missing, 0)
            _receive(selector, missing, 0.5)
    return missing


def _receive(selector: selectors.BaseSelector, missing: set[tuple[str, str]], silence: float) -> None:
    """Answer and count what comes, until nothing has for so many seconds."""
    while ready := selector.select(silence):
        for key, _ in ready:
            assert isinstance(key.fileobj, socket.socket)
            said, (caller, _) = key.fileobj.recvfrom(16)
            if said == b"?":
                key.fileobj.sendto(b"!", (caller, _PORT))
            else:
                missing.discard((key.data, caller))


def _socket(pid: int, address: str) -> socket.socket:
    def make() -> socket.socket:
        with namespaces.open(pid, "network") as namespace:
            namespaces.enter(namespace, "network")
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, _PORT))
        return made

    return namespaces.on_own_thread(make)


@contextmanager
def room_for_neighbours(count: int) -> Iterator[None]:
    """The kernel keeps so many neighbours, of all network namespaces together, while this lasts."""
    files = sorted(Path("/proc/sys/net/ipv4/neigh/default").glob("gc_thresh?"))
    before = [file.read_text() for file in files]
    try:
        for file in files:
            file.write_text(str(max(count, int(file.read_text()))))
        yield
    finally:
        for file, text in zip(files, before, strict=True):
            file.write_text(text)
