"""Network namespaces that stand for this machine, other hosts and containers, with servers that say who has called.

    outside 192.0.2.2 ── ext0 192.0.2.1 │ this machine │ br-web 10.78.0.1 ── web, more ...
                                        │              │ br-db  10.79.0.1 ── db ...

`on_machine` runs a test in the namespace of "this machine"; nothing is left when it ends.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ringfence.linux import namespaces
from ringfence.linux.namespaces import Clone
from ringfence.network.values import Network, Subnet
from tests import needs
from tests.linux import child

Result = TypeVar("Result")
OUTSIDE = {4: "192.0.2.2", 6: "2001:db8:2::2"}
HERE = {4: "192.0.2.1", 6: "2001:db8:2::1"}
WEB = Network("web", "1", "bridge", "br-web", subnets=[Subnet("10.78.0.0/24", "10.78.0.1"),
                                                       Subnet("fd00:78::/64", "fd00:78::1")])  # fmt: skip
DB = Network("db", "2", "bridge", "br-db", subnets=[Subnet("10.79.0.0/24", "10.79.0.1"),
                                                    Subnet("fd00:79::/64", "fd00:79::1")])  # fmt: skip
KINDS = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "sctp": (socket.SOCK_STREAM, 132)}
PATIENCE = 3.0  # seconds for an answer; a first packet may be lost, and is sent again after one
SILENCE = 0.4  # seconds without an answer that was not expected


class Space:
    """A network namespace of its own, or that of a container's process."""

    def __init__(self, name: str, pid: int = 0) -> None:
        self.name = name
        self.addresses: list[str] = []
        self._servers: list[Server] = []
        if pid:
            self.descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            return

        def make() -> int:
            namespaces.unshare(Clone.NEWNET)
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        self.descriptor = namespaces.on_own_thread(make)
        self.do(_no_waiting)
        self.ip("link set lo up")

    def do(self, work: Callable[[], Result]) -> Result:
        """`work` as a process in this namespace does it: sockets and children belong to it."""

        def enter() -> Result:
            namespaces.enter(self.descriptor, "network")
            return work()

        return namespaces.on_own_thread(enter)

    def ip(self, *commands: str) -> None:
        self.do(lambda: ip(*commands))

    def serve(self, port: int, protocol: str = "tcp", address: str = "") -> Server:
        """Answer every call with our name and the caller's address."""
        for one in [address] if address else ["0.0.0.0", "::"]:
            self._servers.append(self.do(lambda one=one: Server(self.name, one, port, protocol)))  # type: ignore[misc]
        return self._servers[-1]

    def ask(self, address: str, port: int, protocol: str = "tcp", patience: float = PATIENCE) -> str:
        """What is answered there: "NAME CALLER"; "refused", "unreachable" or "silence"."""
        return self.do(lambda: ask(address, port, protocol, patience))

    def no_answer(self, address: str, port: int) -> bool:
        return self.ask(address, port, patience=SILENCE) == "silence"

    def close(self) -> None:
        for server in self._servers:
            server.close()
        os.close(self.descriptor)


class Server(threading.Thread):
    """Answers on one address and port until it is closed."""

    def __init__(self, name: str, address: str, port: int, protocol: str) -> None:
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, *KINDS[protocol])
        if family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        if protocol != "udp":
            self._socket.listen(1024)  # what overflows is sent again after a second, or for ever looks connected
        self._said = name
        self._over, self._end = os.pipe()
        self.start()

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._over, selectors.EVENT_READ)
            while all(key.fileobj is self._socket for key, _ in selector.select()):
                self._answer()

    def _answer(self) -> None:
        if self._socket.type == socket.SOCK_STREAM:
            connection, caller = self._socket.accept()
            with connection:
                connection.sendall(f"{self._said} {caller[0]}".encode())
            return
        _, caller = self._socket.recvfrom(100)
        self._socket.sendto(f"{self._said} {caller[0]}".encode(), caller)

    def close(self) -> None:
        os.close(self._end)
        self.join()
        self._socket.close()
        os.close(self._over)


class Machine:
    """This machine, as the test's own namespace, with one host outside and two bridges."""

    def __init__(self) -> None:
        self.spaces: list[Space] = []
        for path in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            Path("/proc/sys", path).write_text("1")
        _no_waiting()
        ip("link set lo up")
        self.outside = self._space("outside", "ext0", "eth0", list(OUTSIDE.values()), list(HERE.values()))
        for family, here in HERE.items():
            ip(f"address add {here}/{_prefix(family)} dev ext0")
        for network in (WEB, DB):
            ip(f"link add {network.interface} type bridge", f"link set {network.interface} up",
               *[f"address add {one.gateway}/{one.prefix} dev {network.interface}"
                 for one in network.subnets])  # fmt: skip
        self._count = 1

    def container(self, network: Network, *families: int) -> Space:
        """One more in that network, with addresses of these families (both)."""
        self._count += 1
        subnets = [one for one in network.subnets if (6 if one.ipv6 else 4) in (families or (4, 6))]
        addresses = [one.gateway[:-1] + str(self._count) for one in subnets]
        link = f"c{self._count}"
        space = self._space(f"box{self._count}", link, "eth0", addresses, [one.gateway for one in subnets])
        ip(f"link set {link} master {network.interface}", f"link set {link} type bridge_slave hairpin on")
        return space

    def _space(self, name: str, link: str, inside: str, addresses: list[str], gateways: list[str]) -> Space:
        space = Space(name)
        self.spaces.append(space)
        ip(f"link add {link} type veth peer name {inside} netns /proc/self/fd/{space.descriptor}",
           f"link set {link} up", descriptor=space.descriptor)  # fmt: skip
        space.addresses = addresses
        space.ip(f"link set {inside} up",
                 *[f"address add {one}/{_prefix(6 if ':' in one else 4)} dev {inside}"
                   for one in addresses],
                 *[f"route add default via {gateway}" for gateway in gateways])  # fmt: skip
        return space

    def close(self) -> None:
        for space in self.spaces:
            space.close()


def on_machine(work: Callable[[Machine], None]) -> None:
    needs.root()
    needs.program("ip", "nft")

    def run() -> None:
        machine = Machine()
        try:
            work(machine)
        finally:
            machine.close()

    child.run(run, Clone.NEWNET)


def ask(address: str, port: int, protocol: str = "tcp", patience: float = PATIENCE) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, *KINDS[protocol]) as connection:
        connection.settimeout(min(patience, 1) if protocol == "udp" else patience)
        try:
            connection.connect(socket.getaddrinfo(address, port, family)[0][4])
            if protocol == "udp":
                connection.send(b"?")
                if patience > 1:
                    with suppress(TimeoutError):
                        return connection.recv(100).decode()
                    connection.send(b"?")
            return connection.recv(100).decode()
        except ConnectionError:
            return "refused"
        except TimeoutError:
            return "silence"
        except OSError as error:
            return f"unreachable: {error}"


def ip(*commands: str, descriptor: int = -1) -> None:
    """Commands of ip(8), all of which must succeed."""
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True,
                   pass_fds=[descriptor] if descriptor >= 0 else [])  # fmt: skip


def seen() -> str:
    """What of this machine a container may not leave changed: the ruleset, routes, links, addresses, listening sockets.

    Without whether a link is up: the kernel finds that out up to a second later (linkwatch).
    """
    commands = ["nft list ruleset", "ip route", "ip -6 route", "ip -o link", "ip -o address",
                "cat /proc/net/tcp /proc/net/tcp6"]
    shown = [subprocess.run(one.split(), capture_output=True, text=True, check=True).stdout for one in commands]
    listening = [line.split()[1] for line in shown.pop().splitlines() if " 0A " in line]
    return re.sub(r",LOWER_UP| state [A-Z]+| linkdown| valid_lft .*", "", "\n".join([*shown, *sorted(listening)]))


def _no_waiting() -> None:
    """IPv6 addresses, the link-local ones too, may be used before others were asked whether they have them."""
    for name in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{name}/accept_dad").write_text("0")


def _prefix(family: int) -> int:
    return 64 if family == 6 else 24
