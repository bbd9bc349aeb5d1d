"""Networks: a start with a bridge and a published port, and what passes through both, beside podman and docker.

All of it happens in a network namespace of the bench's own, with another one beside it that stands for another host.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from bench.candidates import EngineCommand, podman, ringfence
from bench.material import SMALL, Material
from bench.measure import Candidate, Failure, Timing, take_turns
from bench.pulls import dockerd
from ringfence.linux import namespaces
from ringfence.linux.namespaces import Clone

PUBLISHED = ["--publish", "18080:80"]
SECONDS = 2  # of each measurement with iperf3
_HERE, _OUTSIDE = "192.0.2.1", "192.0.2.2"
_PORT, _OUTER = 5201, 15201


class Passed:
    """What passed in a second, in Gbit: from container to container, and from another host by a published port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.between: list[float] = []
        self.published: list[float] = []

    def row(self) -> list[str]:
        return [self.name, str(len(self.between)), *(f"{value:.1f}" for value in self.medians())]

    def medians(self) -> list[float]:
        return [statistics.median(values) for values in (self.between, self.published)]


@contextlib.contextmanager
def engines(material: Material, data: Path, state: Path) -> Iterator[list[EngineCommand]]:
    """The engines with the small image, on bridges of their own; docker with a daemon in this namespace."""
    with contextlib.ExitStack() as stack:
        found = [ringfence(data / "ringfence", state / "ringfence", network=())]
        if shutil.which("podman"):
            found.append(podman(data, state, network=()))
        if shutil.which("dockerd") and shutil.which("docker"):
            try:
                address = stack.enter_context(dockerd(data / "docker", state / "docker", bridge=True))
                argv = ["docker", "--host", address]
                found.append(EngineCommand("docker", [shutil.which("docker") or "", *argv[1:]], data / "docker",
                                           state / "docker.log", network=()))  # fmt: skip
            except Failure as failure:
                print(f"  docker is left out: {failure}", flush=True)
        yield [engine for engine in found if engine.try_load([material.archives[SMALL]])]


def network_starts(hosts: Sequence[EngineCommand], rounds: int) -> list[Timing]:
    """Start to exit with a bridge and a published port."""
    return take_turns([Candidate(host.name, partial(host.run, SMALL, PUBLISHED)) for host in hosts], rounds)


def throughput(hosts: Sequence[EngineCommand], rounds: int) -> list[Passed]:
    """Each engine's two containers, one after the other, measured in turns; podman takes no part."""
    found = []
    with contextlib.ExitStack() as stack:
        measured: list[tuple[Passed, int, int, int]] = []
        for host in hosts:
            if host.name != "podman" and shutil.which("iperf3"):
                server = stack.enter_context(_container(host, ["--publish", f"{_OUTER + len(measured)}:{_PORT}"]))
                measured.append((Passed(host.name), server, stack.enter_context(_container(host)), len(measured)))
        for _ in range(rounds):
            for passed, server, client, number in measured:
                with _serving(server):
                    passed.between.append(_iperf(client, _address(server), _PORT))
                    passed.published.append(_iperf(_outside(), _HERE, _OUTER + number))
        found = [passed for passed, *_ in measured]
    return found


def enter_network() -> None:
    """Leave this machine's network for one with another host beside it."""
    namespaces.unshare(Clone.NEWNET)
    beside = subprocess.Popen(["unshare", "--net", "sleep", "3600"])
    _BESIDE.append(beside.pid)
    while os.readlink(f"/proc/{beside.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    there = f"ip addr add {_OUTSIDE}/24 dev ext1; ip link set ext1 up; ip link set lo up"
    script = (f"ip link set lo up; ip link add ext0 type veth peer name ext1 netns {beside.pid};"
              f"ip addr add {_HERE}/24 dev ext0; ip link set ext0 up; ip route add default via {_OUTSIDE};"
              f"nsenter --net=/proc/{beside.pid}/ns/net sh -c '{there}'")  # fmt: skip
    subprocess.run(["sh", "-ec", script], check=True)


_BESIDE: list[int] = []


def leave_network() -> None:
    for pid in _BESIDE:
        os.kill(pid, 9)


def _outside() -> int:
    return _BESIDE[0]


@contextlib.contextmanager
def _container(host: EngineCommand, flags: Sequence[str] = ()) -> Iterator[int]:
    """The pid of one that stays meanwhile."""
    name = host.start_image(SMALL, flags)
    try:
        yield host.pid(name)
    finally:
        host.dismiss([name])


@contextlib.contextmanager
def _serving(pid: int) -> Iterator[None]:
    server = subprocess.Popen(_in(pid, "iperf3", "--server", "--port", str(_PORT)), stdout=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        yield
    finally:
        server.kill()
        server.wait()


def _iperf(pid: int, address: str, port: int) -> float:
    argv = _in(pid, "iperf3", "--json", "--time", str(SECONDS), "--client", address, "--port", str(port))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"iperf3 to {address}:{port}: {done.stdout[-300:]}")
    return float(json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]) / 1e9


def _address(pid: int) -> str:
    argv = _in(pid, "ip", "-4", "-o", "addr", "show", "eth0")
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[3].partition("/")[0]


def _in(pid: int, *argv: str) -> list[str]:
    return ["nsenter", f"--net=/proc/{pid}/ns/net", *argv]
