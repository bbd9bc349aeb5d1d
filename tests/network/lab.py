"""A laboratory of network namespaces: this host, containers, and another host beyond, all within one test process.

Nobody lives in a namespace of it: a descriptor keeps it, and sockets are made in it by a thread that enters it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from ringfence.linux import namespaces, rtlink, rtroute, sysctl
from ringfence.linux.filedescriptor import FileDescriptor
from ringfence.linux.namespaces import Clone
from ringfence.linux.rtnetlink import RouteConnection
from tests import needs
from tests.linux import child

Result = TypeVar("Result")

BEYOND = "203.0.113.1"
BEYOND_SIX = "2001:db8:ffff::1"
PATIENCE = 10.0


class Box:
    """A network namespace of its own."""

    def __init__(self) -> None:
        def make() -> FileDescriptor:
            namespaces.unshare(Clone.NEWNET)
            return FileDescriptor(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

        self.namespace = namespaces.on_own_thread(make)

    def do(self, work: Callable[[], Result]) -> Result:
        def enter() -> Result:
            namespaces.enter(self.namespace, "network")
            return work()

        return namespaces.on_own_thread(enter)

    @contextlib.contextmanager
    def network(self) -> Iterator[RouteConnection]:
        with RouteConnection(self.namespace) as connection:
            yield connection

    def links(self) -> dict[str, rtlink.Link]:
        with self.network() as connection:
            return {link.name: link for link in connection.links()}

    def addresses(self, interface: str) -> list[str]:
        """Without the ones that IPv6 makes by itself."""
        with self.network() as connection:
            found = connection.addresses(connection.link(interface).index)
        return sorted(f"{one.address}/{one.prefix}" for one in found if one.scope == 0)

    def routes(self) -> list[rtroute.Route]:
        with self.network() as connection:
            return connection.routes()

    def defaults(self) -> list[tuple[str, str]]:
        """(gateway, interface) of the default routes, IPv4 first."""
        with self.network() as connection:
            names = {link.index: link.name for link in connection.links()}
            routes = [route for route in connection.routes() if not route.prefix]
        return [(route.gateway, names[route.link]) for route in routes if route.link]

    def listen(self, address: str) -> socket.socket:
        def make() -> socket.socket:
            server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            server.bind((address, 0))
            server.listen()
            return server

        return self.do(make)

    def call(self, address: tuple[str, int], timeout: float = 3) -> tuple[str, bytes]:
        """Our own address as the other side sees us, and what it says."""

        def connect() -> socket.socket:
            return socket.create_connection(address, timeout=timeout)

        with self.do(connect) as client:
            return str(client.getsockname()[0]), client.recv(100)

    def close(self) -> None:
        """The namespace goes with it."""
        self.namespace.close()


def reaches(caller: Box, server: Box, address: str, timeout: float = 3) -> str:
    """That a TCP connection is made and carries a word; the caller's address as the server sees it."""
    with server.listen(address) as listener:
        listener.settimeout(timeout)

        def connect() -> socket.socket:
            return socket.create_connection((address, listener.getsockname()[1]), timeout=timeout)

        with caller.do(connect) as client:
            accepted, peer = listener.accept()
            with accepted:
                accepted.sendall(b"word")
                assert client.recv(4) == b"word"
    return str(peer[0])


def is_cut_off(caller: Box, server: Box, address: str) -> bool:
    try:
        reaches(caller, server, address, timeout=0.3)
    except OSError:
        return True
    return False


class Lab:
    """`host` is this host, whose `wan` leads to `beyond`, another one, which routes everything of 10/8 and fd00/8 back.

    `lan` of the host is another cable to `beyond`, for networks that containers share with other hosts.
    """

    def __init__(self) -> None:
        self.host = Box.__new__(Box)
        self.host.namespace = FileDescriptor(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        self.connection = RouteConnection()
        sysctl.write("0", "net", "ipv4", "ip_forward")  # a new namespace has what the first one has
        self.connection.set_up(1)
        self.beyond = Box()
        with self.beyond.network() as there:
            there.set_up(1)
            there.new_address(1, BEYOND, 32)
            there.new_address(1, BEYOND_SIX, 128)
            for name in ("wan", "lan"):
                self.connection.new_veth(name, name, self.beyond.namespace)
                for box in (self.host, self.beyond):  # else IPv6 would look for duplicates for two seconds
                    box.do(partial(sysctl.write, "0", "net", "ipv6", "conf", name, "accept_dad"))
                self.connection.set_up(self.connection.link(name).index)
                there.set_up(there.link(name).index)
            for connection, last in ((self.connection, 2), (there, 1)):
                wan = connection.link("wan").index
                connection.new_address(wan, f"192.0.2.{last}", 24)
                connection.new_address(wan, f"2001:db8::{last}", 64)
            self.connection.new_route("0.0.0.0", 0, gateway="192.0.2.1")
            self.connection.new_route("::", 0, gateway="2001:db8::1")
            there.new_route("10.0.0.0", 8, gateway="192.0.2.2")
            there.new_route("fd00::", 8, gateway="2001:db8::2")
        self.boxes: list[Box] = []

    def box(self) -> Box:
        self.boxes.append(Box())
        return self.boxes[-1]

    def seen(self) -> list[str]:
        """All links, addresses and routes of the host, but for the link-local ones that IPv6 makes by itself."""
        names = {link.index: link.name for link in self.connection.links()}
        found = [f"link {link.name} {link.kind} {link.alias} {link.mtu}" for link in self.connection.links()]
        for one in self.connection.addresses():
            found.append(f"address {names.get(one.index)} {one.address}/{one.prefix}")
        for route in self.connection.routes():
            found.append(f"route {route.destination}/{route.prefix} {route.gateway} {names.get(route.link)}")
        return sorted(one for one in found if " fe80::" not in one)

    def becomes(self, before: list[str]) -> None:
        """The kernel removes the links of a namespace some time after it has gone."""
        deadline = time.monotonic() + PATIENCE
        while (now := self.seen()) != before:
            assert time.monotonic() < deadline, sorted(set(now) ^ set(before))
            time.sleep(0.02)


def run(work: Callable[[Lab], None]) -> None:
    """Do `work` in a child process whose network is a new one, all of which goes with it."""
    needs.root()

    def within() -> None:
        work(Lab())

    child.run(within, Clone.NEWNET)
