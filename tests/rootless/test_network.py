"""Networks of an ordinary user's containers, by pasta and by slirp4netns, judged from a host beside this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringfence.linux import namespaces
from ringfence.linux.namespaces import Clone
from tests import needs
from tests.linux import child
from tests.rootless.people import Person

BOTH = pytest.mark.parametrize("program", ["pasta", "slirp4netns"])

# What the engine does for a container, as its user: a process in a network namespace, and its connection.
CONNECT = """
import json, os, subprocess, sys, time
from ringfence.engine.rootless import enter_user_namespace
from ringfence.errors import RingfenceError
from ringfence.linux import namespaces, pidfd
from ringfence.network import rootless
from ringfence.network.values import Port
path, directory, ports, programs = json.loads(sys.argv[1])
enter_user_namespace(runtime_directory=directory)
os.environ["PATH"] = programs
container = subprocess.Popen(["/usr/bin/unshare", "--net", "/bin/sleep", "600"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while namespaces.same_as_host(container.pid)["network"]: time.sleep(0.005)
try:
    with namespaces.open(container.pid, "network") as there, pidfd.open(container.pid) as process:
        server = rootless.connect(path, there, [Port(**port) for port in ports], process=process)
    print(json.dumps({"server": server, "pid": container.pid}))
except RingfenceError as error:
    container.kill()
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
"""
DISCONNECT = "import sys; from ringfence.network import rootless; rootless.disconnect(sys.argv[1])"


class Lan:
    """A host with another one beside it (10.5.0.2, fd05::2), through which its default route leads."""

    def __init__(self, person: Person, directory: Path, programs: str) -> None:
        self.person = person
        self.path = str(person.runtime_directory / "netns" / "box")
        self._directory = directory
        self._programs = programs
        self._others: list[subprocess.Popen[str]] = []
        self.boxes: list[int] = []
        # The device may be root's alone on this machine, as it is on no ordinary one.
        tun = directory / "tun"
        self._sh(f"mount -t tmpfs none {directory}; mknod -m 666 {tun} c 10 200; mount --bind {tun} /dev/net/tun",
                 "ip link set lo up")  # fmt: skip
        other = self._start("unshare", "--net", "sleep", "600")
        until(lambda: not namespaces.same_as_host(other.pid)["network"])
        self.other = other.pid
        self._sh(f"ip link add ext type veth peer name eth0 netns {other.pid}", "ip addr add 10.5.0.1/24 dev ext",
                 "ip addr add fd05::1/64 dev ext nodad; ip link set ext up")  # fmt: skip
        there = ("ip addr add 10.5.0.2/24 dev eth0; ip addr add fd05::2/64 dev eth0 nodad\n"
                 "ip link set eth0 up; ip link set lo up")  # fmt: skip
        self._sh(f"nsenter --net=/proc/{other.pid}/ns/net sh -c '{there}'",
                 "ip route add default via 10.5.0.2; ip -6 route add default via fd05::2")  # fmt: skip
        (directory / "resolv.conf").write_text("nameserver 127.0.0.53\n")
        self._sh(f"mount --bind {directory}/resolv.conf {os.path.realpath('/etc/resolv.conf')}")

    def connect(self, *ports: dict[str, Any]) -> dict[str, Any]:
        given = json.dumps([self.path, str(self.person.runtime_directory), ports, self._programs])
        done = self.person(self.person.python, "-c", CONNECT, given)
        assert done.returncode == 0, done.stderr
        told = dict(json.loads(done.stdout))
        self.boxes += [told["pid"]] if "pid" in told else []
        return told

    def disconnect(self) -> None:
        done = self.person(self.person.python, "-c", DISCONNECT, self.path)
        assert done.returncode == 0, done.stderr

    def program(self) -> list[str]:
        return [name for name in self.person.processes() if name not in ("ringinit-holder", "sleep")]

    def serve(self, pid: int, port: int, text: str, kind: str = "STREAM") -> None:
        """In the network of a process, answer each connection or datagram of both families with the text."""
        stream = f"s.listen()\nwhile True: c = s.accept()[0]; c.recv(9); c.sendall(b'{text}'); c.close()"
        datagram = f"while True: s.sendto(b'{text}', s.recvfrom(99)[1])"
        script = (f"import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_{kind}); s.bind(('::', {port}))\n"
                  + (stream if kind == "STREAM" else datagram))  # fmt: skip
        self._start("nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", script)
        until(lambda: self.ask(pid, "127.0.0.1", port, kind) == text)

    def ask(self, pid: int, address: str, port: int, kind: str = "STREAM") -> str:
        """What is answered at an address to who asks from the network of a process; 0: this host."""
        family = "AF_INET6" if ":" in address else "AF_INET"
        script = (f"import socket; s = socket.socket(socket.{family}, socket.SOCK_{kind})\n"
                  f"s.settimeout(3); s.connect(('{address}', {port})); s.send(b'?')\n"
                  "print(s.recv(99).decode())")  # fmt: skip
        enter = ["nsenter", f"--net=/proc/{pid or os.getpid()}/ns/net"]
        return subprocess.run([*enter, sys.executable, "-c", script], capture_output=True, text=True).stdout.strip()

    def close(self) -> None:
        for pid in self.boxes:
            os.kill(pid, signal.SIGKILL)
        for other in self._others:
            other.kill()
            other.wait()

    def _sh(self, *lines: str) -> None:
        subprocess.run(["sh", "-ec", "\n".join(lines)], check=True)

    def _start(self, *argv: str) -> subprocess.Popen[str]:
        self._others.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True))
        return self._others[-1]


def on_lan(person: Person, directory: Path, programs: list[str], work: Callable[[Lan], None]) -> None:
    """Do `work` where of the two programs only these are to be found."""
    needs.program("ip", "nsenter", *programs)
    found = directory / "bin"
    found.mkdir()
    directory.chmod(0o755)
    for program in programs:
        (found / program).symlink_to(f"/usr/bin/{program}")

    def run() -> None:
        (directory / "lan").mkdir()
        lan = Lan(person, directory / "lan", str(found))
        try:
            work(lan)
        finally:
            lan.disconnect()
            lan.close()

    child.run(run, Clone.NEWNET | Clone.NEWNS)


@BOTH
def test_a_container_reaches_others_and_is_reached_by_its_ports(program: str, alice: Person,
                                                                short_directory: Path) -> None:  # fmt: skip
    def work(lan: Lan) -> None:
        box = lan.connect({"container_port": 80, "host_port": 8080},
                          {"container_port": 53, "host_port": 5353, "protocol": "udp"},
                          {"container_port": 81, "host_port": 8081, "host_ip": "127.0.0.1"})  # fmt: skip
        assert lan.program() == ["slirp4netns"] or (program == "pasta" and lan.program()[0].startswith("pas"))
        lan.serve(lan.other, 80, "other")
        assert lan.ask(box["pid"], "10.5.0.2", 80) == "other"
        until(lambda: lan.ask(box["pid"], "fd05::2", 80) == "other")  # of slirp4netns the address comes by and by
        lan.serve(box["pid"], 80, "box")
        lan.serve(box["pid"], 81, "inner")
        lan.serve(box["pid"], 53, "datagram", "DGRAM")
        assert lan.ask(lan.other, "10.5.0.1", 8080) == lan.ask(0, "127.0.0.1", 8080) == "box"
        assert lan.ask(lan.other, "10.5.0.1", 5353, "DGRAM") == "datagram"
        assert (lan.ask(0, "127.0.0.1", 8081), lan.ask(lan.other, "10.5.0.1", 8081)) == ("inner", "")
        if program == "pasta":
            until(lambda: lan.ask(lan.other, "fd05::1", 8080) == "box")
            assert lan.ask(0, "::1", 8080) == "box"
        lan.serve(os.getpid(), 8888, "mine")
        gateway = "10.0.2.2" if program == "slirp4netns" else "10.5.0.2"
        assert lan.ask(box["pid"], gateway, 8888) == ""  # the host's loopback is the host's
        lan.disconnect()
        assert lan.program() == [] and not os.path.exists(lan.path)
        assert lan.ask(0, "127.0.0.1", 8080) == ""

    on_lan(alice, short_directory, [program], work)


@BOTH
def test_names_are_asked_of_the_hosts_resolver_on_its_loopback(program: str, alice: Person,
                                                               short_directory: Path) -> None:  # fmt: skip
    def work(lan: Lan) -> None:
        needs.program("dnsmasq", "dig")
        server = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                  "--user=root", "--pid-file=", "--listen-address=127.0.0.53", "--bind-interfaces",
                  "--address=/up.example/203.0.113.7"]  # fmt: skip
        lan._start(*server)
        box = lan.connect()
        dig = [
            "nsenter",
            f"--net=/proc/{box['pid']}/ns/net",
            "dig",
            "+short",
            "+time=2",
            f"@{box['server']}",
            "up.example",
        ]
        assert subprocess.run(dig, capture_output=True, text=True).stdout == "203.0.113.7\n"

    on_lan(alice, short_directory, [program], work)


@BOTH
def test_a_port_in_use_is_told_and_nothing_is_left(program: str, alice: Person, short_directory: Path) -> None:
    def work(lan: Lan) -> None:
        lan.serve(os.getpid(), 8080, "mine")
        told = lan.connect({"container_port": 80, "host_port": 8080})["error"]
        assert told.startswith("Failed: ") and "8080" in told
        assert lan.program() == [] and not os.path.exists(lan.path)

    on_lan(alice, short_directory, [program], work)


@BOTH
def test_a_killed_command_leaves_nothing_that_the_next_one_does_not_find(program: str, alice: Person,
                                                                         short_directory: Path) -> None:  # fmt: skip
    def work(lan: Lan) -> None:
        first = lan.connect({"container_port": 80, "host_port": 8080})  # and its record is lost
        second = lan.connect({"container_port": 80, "host_port": 8080})
        assert len(lan.program()) == 1
        assert first["pid"] != second["pid"]
        lan.disconnect()
        assert lan.program() == []

    on_lan(alice, short_directory, [program], work)


def test_slirp4netns_ends_with_the_container_where_the_kernel_tells(alice: Person, short_directory: Path) -> None:
    def work(lan: Lan) -> None:
        box = lan.connect()
        os.kill(box["pid"], signal.SIGKILL)
        lan.boxes.clear()
        until(lambda: lan.program() == [])

    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 9):
        needs.missing("Linux 6.9")
    on_lan(alice, short_directory, ["slirp4netns"], work)


def test_without_either_program_one_line_says_what_to_do(alice: Person, short_directory: Path) -> None:
    def work(lan: Lan) -> None:
        told = lan.connect()["error"]
        assert told == (
            "Unsupported: networks of an ordinary user need pasta or slirp4netns "
            "(install the package passt or slirp4netns, or use --network host or none)"
        )

    on_lan(alice, short_directory, [], work)


def test_where_both_are_there_the_one_that_does_better_is_taken(alice: Person, short_directory: Path) -> None:
    def work(lan: Lan) -> None:
        version = subprocess.run(["pasta", "--version"], capture_output=True, text=True).stdout
        web = {"container_port": 80, "host_port": 8080}
        lan.connect()
        assert lan.program()[0].startswith("pas")
        lan.connect(web)
        assert (lan.program() == ["slirp4netns"]) == ("unknown version" in version)
        lan.connect({**web, "host_ip": "::1"})  # which slirp4netns cannot
        assert lan.program()[0].startswith("pas")

    on_lan(alice, short_directory, ["pasta", "slirp4netns"], work)


def test_what_a_program_cannot_pass_on_is_refused(alice: Person, short_directory: Path) -> None:
    def work(lan: Lan) -> None:
        sctp = {"container_port": 80, "host_port": 8080, "protocol": "sctp"}
        six = {"container_port": 80, "host_port": 8080, "host_ip": "::1"}
        assert lan.connect(sctp)["error"].startswith("Unsupported: cannot publish *:8080->80/sctp: ")
        assert lan.connect(six)["error"].startswith("Unsupported: cannot publish [::1]:8080->80/tcp: ")

    on_lan(alice, short_directory, ["slirp4netns"], work)


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
