"""A network namespace that stands for a host with bridges, and others that stand for containers in its networks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ringfence.linux import namespaces, processes
from ringfence.linux.namespaces import Clone
from ringfence.network.dns import directory, message, ready
from ringfence.network.dns.message import Message, Question
from tests import needs
from tests.linux import child

PATIENCE = 10.0  # seconds


def on_host(place: Path, work: Callable[[Host], None]) -> None:
    """Do `work` on a host of its own; afterwards its server has ended by itself, since no container is left."""
    needs.root()
    needs.program("ip", "dig", "nsenter")

    def run() -> None:
        host = Host(place)
        try:
            work(host)
        finally:
            host.close()

    child.run(run, Clone.NEWNET | Clone.NEWNS)


class Container:
    """A process in a network namespace of its own, with an interface in each of its networks."""

    def __init__(self, host: Host, id: str) -> None:
        self.host = host
        self.id = id
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        until(lambda: not namespaces.same_as_host(self.process.pid)["network"])
        until(lambda: processes.command(self.process.pid)[:1] == ["sleep"])
        self.networks: dict[str, Any] = {}

    def join(self, number: int, last: int, *names: str, internal: bool = False) -> Container:
        """Be 10.89.NUMBER.LAST and fd00:NUMBER::LAST in a network, by these names."""
        self.host.bridge(number)
        self.host.links += 1
        here, there = f"v{self.host.links}", f"eth{len(self.networks)}"
        self.host.ip(f"link add {here} type veth peer name {there} netns {self.process.pid}",
                     f"link set {here} master br{number} up")  # fmt: skip
        addresses = (f"10.89.{number}.{last}", f"fd00:{number}::{last:x}")
        lines = ["link set lo up", f"addr add {addresses[0]}/24 dev {there}",
                 f"addr add {addresses[1]}/64 dev {there} nodad", f"link set {there} up",
                 f"route replace default via 10.89.{number}.1"]  # fmt: skip
        self.run("ip", "-batch", "-", input="\n".join(lines))
        self.networks[f"n{number}"] = {"listen": list(listen(number)), "addresses": list(addresses),
                                       "names": list(names), "internal": internal}  # fmt: skip
        return self

    def publish(self, *servers: str) -> Container:
        place = self.host.place
        directory.publish(place, self.id, directory.document(self.process.pid, self.networks, servers))
        directory.ensure(place, directory.command(place))
        gateways = [address for network in self.networks.values() for address in network["listen"]]
        assert ready.wait(place, directory.command(place), gateways, PATIENCE) == []
        return self

    def run(self, *argv: str, input: str = "") -> str:
        entered = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", *argv]
        done = subprocess.run(entered, input=input, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def dig(self, *question: str, server: str = "") -> list[str]:
        """The lines of dig's short answer, sorted."""
        server = server or next(iter(self.networks.values()))["listen"][0]
        return sorted(self.run("dig", "+short", "+tries=2", "+time=5", f"@{server}", *question).split("\n")[:-1])

    def status(self, *question: str, server: str = "") -> str:
        """The status and the flags of the answer."""
        server = server or next(iter(self.networks.values()))["listen"][0]
        text = self.run("dig", "+tries=1", "+time=9", f"@{server}", *question)
        return text.split("status: ")[1].split(",")[0] + " " + text.split("flags: ")[1].split(";")[0]

    def exit(self) -> None:
        self.process.kill()
        self.process.wait()


class Host:
    """A host; `place` is the directory of its server."""

    def __init__(self, directory: Path) -> None:
        self.place = str(directory / "dns")
        self.containers: list[Container] = []
        self.others: list[subprocess.Popen[bytes]] = []
        self.links = 0
        self._bridges: set[int] = set()
        self.ip("link set lo up")
        self.resolv_conf = directory / "resolv.conf"
        self.resolv_conf.touch()
        subprocess.run(["mount", "--bind", self.resolv_conf, os.path.realpath("/etc/resolv.conf")], check=True)

    def container(self, id: str) -> Container:
        self.containers.append(Container(self, id))
        return self.containers[-1]

    def bridge(self, number: int) -> None:
        if number not in self._bridges:
            self._bridges.add(number)
            four, six = listen(number)
            # A MAC of its own: else it is the least of its ports', another one when that goes, and packets are lost.
            self.ip(f"link add br{number} address 02:00:00:00:00:{number:02x} type bridge",
                    f"addr add {four}/24 dev br{number}",
                    f"addr add {six}/64 dev br{number} nodad", f"link set br{number} up")  # fmt: skip

    def ip(self, *lines: str) -> None:
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)

    def start(self, *argv: str) -> None:
        """A program that goes with the host."""
        self.others.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL))

    def server(self) -> int:
        """The pid of the server; 0 if none runs."""
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(ProcessLookupError):
                    argv = processes.command(int(name))
                    if argv[-1:] == [self.place] and argv[3:4] == ["-c"]:
                        return int(name)
        return 0

    def log(self) -> str:
        return Path(self.place, "log").read_text()

    def close(self) -> None:
        for other in self.others:
            other.kill()
            other.wait()
        for container in self.containers:
            container.exit()
        try:
            until(lambda: not self.server())
        finally:
            if self.server():
                os.kill(self.server(), signal.SIGKILL)


def listen(number: int) -> tuple[str, str]:
    return f"10.89.{number}.1", f"fd00:{number}::1"


def question(name: str, type: int, id: int = 1) -> bytes:
    return message.encode(Message(id, message.RD, [Question(message.name(name), type)]))


def until(true: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)
