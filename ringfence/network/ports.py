"""Ports of this host for containers: chosen, and taken by sockets, so that nobody else can have them meanwhile.

The sockets are bound, and listen at once. They go to the forwarder (ringfence/network/forwarder.py), which keeps them
while the container runs and serves what nftables does not translate (ringfence/network/firewall.py).
"""

from __future__ import annotations

import errno
import os

from ringfence.errors import Conflict, Denied, InvalidInput, NotFound, RingfenceError, Unsupported
from ringfence.linux import socketowners, sockets
from ringfence.linux.filedescriptor import Room
from ringfence.network.values import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FORWARDER = "forward"  # the role of the helper that keeps the sockets; its next argument says for whom
NAMES = "ringfence.network.dns.server"  # what the arguments of the server of names have (ringfence/network/dns)
_KINDS = {"tcp": (sockets.SOCK_STREAM, 0), "udp": (sockets.SOCK_DGRAM, 0), "sctp": (sockets.SOCK_STREAM, 132)}
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}  # IPPROTO_*
_WILDCARDS = {"": ("0.0.0.0", "::"), "0.0.0.0": ("0.0.0.0",), "::": ("::",)}
_BACKLOG = 4096  # the kernel takes net.core.somaxconn if that is less
_ATTEMPTS = 100
_SPARE = 32  # descriptors
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class Reserved:
    """A port of the host that is ours, and the sockets that hold it: at most one of each family. Closed by `with`."""

    __slots__ = ("port", "sockets")

    def __init__(self, port: Port, held: list[sockets.Socket]) -> None:
        self.port = port
        self.sockets = held

    def __enter__(self) -> Reserved:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        for socket in self.sockets:
            socket.close()


def reserve(ports: Sequence[Port], last: int = 0) -> list[Reserved]:
    """Take consecutive ports of the host for these: as many as one `-p` tells, of one address and one protocol.

    The first one's host port is where they begin; with `last` they begin anywhere between it and that one. With 0 the
    kernel chooses (net.ipv4.ip_local_port_range). All of them or none: Conflict tells who has a port; NotFound an
    address that is not this host's; Denied, Unsupported, InvalidInput.
    """
    first = ports[0].host_port
    if first == 0:
        return _anywhere(ports)
    if first + len(ports) - 1 > 0xFFFF:
        raise InvalidInput(f"port {first + len(ports) - 1}/{ports[0].protocol} is above 65535")
    failure: Conflict | None = None
    for start in range(first, max(last - len(ports) + 1, first) + 1):
        try:
            return _from(ports, start)
        except Conflict as conflict:
            failure = conflict
    assert failure is not None
    if last > first:
        raise Conflict(f"all ports from {first} to {last}/{ports[0].protocol} are in use", hint=failure.what)
    raise failure


def holds(socket: sockets.Socket, port: Port) -> bool:
    """Whether it is one that `reserve` has made for this port."""
    address, number = socket.getsockname()[:2]
    if number != port.host_port or address not in _WILDCARDS.get(port.host_ip, (port.host_ip,)):
        return False
    return socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_PROTOCOL) == PROTOCOLS[port.protocol]


def _anywhere(ports: Sequence[Port]) -> list[Reserved]:
    for _ in range(_ATTEMPTS):
        try:
            return _from(ports, 0)
        except Conflict:  # the kernel chose one that is free in one family, and its neighbours are not
            continue
    raise Conflict(f"found no {len(ports)} free ports in a row for {ports[0].protocol}",
                   hint="see net.ipv4.ip_local_port_range")  # fmt: skip


def _from(ports: Sequence[Port], start: int) -> list[Reserved]:
    taken: list[Reserved] = []
    open_now = len(os.listdir("/proc/self/fd"))
    try:
        with Room(open_now + 2 * len(ports) + _SPARE):
            for port in ports:
                one = Reserved(Port(port.container_port, start, port.host_ip, port.protocol), [])
                taken.append(one)
                _take(one)
                start = one.port.host_port + 1
    except BaseException:
        for one in taken:
            one.close()
        raise
    return taken


def _take(one: Reserved) -> None:
    """Bind the sockets of a port; a host port of 0 becomes the one that the kernel chooses."""
    port = one.port
    for address in _WILDCARDS.get(port.host_ip, (port.host_ip,)):
        try:
            socket = _bound(address, port)
        except OSError as error:
            if error.errno in _NO_SUCH_FAMILY and port.host_ip == "" and one.sockets:
                continue  # a machine without IPv6
            raise _explained(error, port) from None
        except OverflowError:
            raise Conflict(f"port {port.host_port}/{port.protocol} is above 65535") from None
        one.sockets.append(socket)
        port.host_port = socket.getsockname()[1]


def _bound(address: str, port: Port) -> sockets.Socket:
    kind, protocol = _KINDS[port.protocol]
    family = sockets.AF_INET6 if ":" in address else sockets.AF_INET
    socket = sockets.Socket(family, kind | sockets.SOCK_CLOEXEC, protocol)
    try:
        if family == sockets.AF_INET6:
            socket.setsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, 1)
        if port.protocol == "tcp":  # past connections may still linger on the port (TIME_WAIT)
            socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        socket.bind((address, port.host_port))
        if port.protocol == "tcp":  # nobody serves the sockets of SCTP: nftables alone does
            socket.listen(_BACKLOG)
    except BaseException:
        socket.close()
        raise
    return socket


def _explained(error: OSError, port: Port) -> RingfenceError:
    what = f"port {port.host_port}/{port.protocol}"
    if error.errno == errno.EADDRINUSE:
        return _conflict(what, port)
    if error.errno == errno.EADDRNOTAVAIL:
        return NotFound(f"no interface of this machine has the address {port.host_ip}", hint="see ip address")
    if error.errno == errno.EAFNOSUPPORT:
        return Unsupported(f"this kernel has no IPv6, which the address {port.host_ip} is of")
    if error.errno == errno.EPROTONOSUPPORT:
        return Unsupported(f"this kernel has no {port.protocol.upper()}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return Denied(f"{what} is for root alone", hint="choose one above net.ipv4.ip_unprivileged_port_start")
    return Conflict(f"{what} cannot be had: {error.strerror}")


def _conflict(what: str, port: Port) -> Conflict:
    owner = socketowners.of_port(port.protocol, port.host_port)
    if owner is None:
        return Conflict(f"{what} is in use")
    if owner.command[1:2] == [FORWARDER]:
        return Conflict(f"{what} is in use by the container {' '.join(owner.command[2:3])}")
    if any(NAMES in word for word in owner.command):
        return Conflict(f"{what} is in use by the server of containers' names, at the gateways of their networks",
                        hint=f"publish it on one address: ADDRESS:{port.host_port}:{port.container_port}")  # fmt: skip
    return Conflict(f"{what} is in use by {owner.name} (pid {owner.pid})")
