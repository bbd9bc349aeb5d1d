"""The DNS servers that the host itself asks (resolv.conf(5)), read again when the file has changed."""

from __future__ import annotations

import os

from ringfence.errors import Corrupt
from ringfence.network.dns.names import plain

RESOLV_CONF = "/etc/resolv.conf"


class Resolvers:
    """The name servers of a resolv.conf as it is now."""

    def __init__(self, path: str = RESOLV_CONF) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._servers: list[str] = []

    def servers(self) -> list[str]:
        """Their addresses, in order; the machine's own if none is named, as resolv.conf(5) has it."""
        try:
            status = os.stat(self._path)
            seen = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                with open(self._path, encoding="utf-8", errors="surrogateescape") as file:
                    self._servers = named(file.read())
                self._seen = seen
        except FileNotFoundError:
            self._servers, self._seen = [], None
        return self._servers or ["127.0.0.1"]


def named(text: str) -> list[str]:
    """The addresses of the name servers in a resolv.conf; lines that name none are passed over, as libc does."""
    found = []
    for line in text.split("\n"):
        key, address, *_ = [*line.split(), "", ""]
        if key == "nameserver" and _is_address(address):
            found.append(address)
    return found


def _is_address(text: str) -> bool:
    address, _, _interface = text.partition("%")  # fe80::1%eth0
    try:
        plain(address)
    except Corrupt:
        return False
    return True
