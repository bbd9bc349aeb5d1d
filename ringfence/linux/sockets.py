"""Sockets (unix(7), netlink(7)) by the C half of the standard library's `socket`: the other takes 5 to 9 ms to import.

`Socket` is what `socket.socket` is built upon: the same methods, closed on exec, for `with` as well.
"""

from __future__ import annotations

import sys
from _socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    CMSG_LEN,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_PEEK,
    MSG_TRUNC,
    NETLINK_ROUTE,
    SCM_RIGHTS,
    SHUT_WR,
    SO_ERROR,
    SO_PROTOCOL,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_RAW,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    inet_ntop,
    inet_pton,
)
from _socket import socket as _Socket
from _socket import socketpair as _socketpair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

__all__ = [
    "AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX", "IPPROTO_IPV6", "IPV6_V6ONLY", "MSG_DONTWAIT", "MSG_NOSIGNAL",
    "MSG_PEEK", "MSG_TRUNC", "NETLINK_ROUTE", "SHUT_WR", "SOCK_CLOEXEC", "SOCK_DGRAM", "SOCK_NONBLOCK", "SOCK_RAW",
    "SOCK_SEQPACKET", "SOCK_STREAM", "SOL_SOCKET", "SO_ERROR", "SO_PROTOCOL", "SO_REUSEADDR", "Socket",
    "accept", "allow_foreign", "inet_ntop", "inet_pton", "of_process", "pack_address", "pair", "receive_descriptors",
    "send_descriptors",
]  # fmt: skip

_DESCRIPTOR = 4  # bytes: an int of C
_FREEBIND = {AF_INET: (0, 15), AF_INET6: (41, 78)}  # IP_FREEBIND of linux/in.h, IPV6_FREEBIND of linux/in6.h


class Socket(_Socket):
    """A socket that `with` closes."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def receive(self, size: int, flags: int = 0) -> bytes:
        """The next message of a Unix socket, b"" at the end.

        An end that is closed with messages unread makes the other's next recv(2) fail with ECONNRESET, once, and before
        the messages that it has sent itself.
        """
        try:
            return self.recv(size, flags)
        except ConnectionResetError:
            return self.recv(size, flags)


def pack_address(address: str) -> tuple[int, bytes]:
    """The family of an IP address and its 4 or 16 bytes. OSError EINVAL."""
    family = AF_INET6 if ":" in address else AF_INET
    try:
        return family, inet_pton(family, address)
    except (OSError, ValueError):  # ValueError: a NUL in it
        import errno

        raise OSError(errno.EINVAL, "not an IP address", address) from None


def pair(type: int = SOCK_SEQPACKET) -> tuple[Socket, Socket]:
    """Two Unix sockets connected with each other."""
    first, second = _socketpair(AF_UNIX, type)
    return Socket(fileno=first.detach()), Socket(fileno=second.detach())


def accept(listener: Socket) -> tuple[Socket, str]:
    """The next connection, which does not block, and the address of who has made it."""
    descriptor, peer = listener._accept()  # type: ignore[attr-defined]  # socket.socket's own accept calls it
    connection = Socket(fileno=descriptor)
    connection.setblocking(False)
    return connection, peer[0]


def of_process(process: int, number: int) -> Socket:
    """A duplicate of another process's descriptor, a socket (pidfd_getfd(2)); `process` is a pidfd."""
    from ringfence.linux import _libc

    return Socket(fileno=_libc.pidfd_getfd(process, number))


def allow_foreign(socket: Socket) -> None:
    """Let it be bound to an address that this machine does not have yet (IP_FREEBIND, ip(7))."""
    socket.setsockopt(*_FREEBIND[socket.family], 1)


def send_descriptors(socket: Socket, message: bytes, descriptors: Sequence[int]) -> None:
    """Send a message with open files (SCM_RIGHTS, unix(7))."""
    packed = b"".join([descriptor.to_bytes(_DESCRIPTOR, sys.byteorder) for descriptor in descriptors])
    socket.sendmsg([message], [(SOL_SOCKET, SCM_RIGHTS, packed)], MSG_NOSIGNAL)


def close_later(socket: Socket) -> None:
    """Close it without waiting for its release, which then is a kernel thread's.

    It goes into the queue of a Unix socket that is itself in that queue, and so nobody's once we have closed both: the
    kernel collects such garbage in the background (before Linux 6.9 at once, and we wait).
    """
    first, second = pair()
    with first, second:
        send_descriptors(first, b"\0", [socket.fileno(), second.fileno()])
        socket.close()  # before there is garbage: not the last one


def receive_descriptors(socket: Socket, size: int, most: int) -> tuple[bytes, list[int]]:
    """A message of up to `size` bytes and up to `most` open files that come with it."""
    room = CMSG_LEN(most * _DESCRIPTOR)
    try:
        message, ancillary, _flags, _address = socket.recvmsg(size, room)
    except ConnectionResetError:  # as in Socket.receive
        message, ancillary, _flags, _address = socket.recvmsg(size, room)
    descriptors: list[int] = []
    for level, type, data in ancillary:
        if level == SOL_SOCKET and type == SCM_RIGHTS:
            whole = range(0, len(data) - _DESCRIPTOR + 1, _DESCRIPTOR)  # one that was cut off did not arrive
            descriptors += [int.from_bytes(data[start : start + _DESCRIPTOR], sys.byteorder) for start in whole]
    return message, descriptors
