"""Pulling: an image of seven layers from a registry on loopback, by each engine into a store that is empty."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.candidates import our_command
from bench.layers import Layers
from bench.measure import Failure
from ringfence import Engine

PATIENCE = 20.0  # seconds for a server to answer
_BETWEEN = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
wall, used = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""  # a small process between: Linux counts what a process was before it became another program (getrusage(2))


class Pulls:
    """What the pulls of one engine took: seconds, seconds of CPU (of the command alone), and most MB of memory."""

    def __init__(self, name: str, samples: list[tuple[float, float, float]]) -> None:
        self.name = name
        self.runs = len(samples)
        self.wall = statistics.median(sample[0] for sample in samples)
        self.cpu = statistics.median(sample[1] for sample in samples)
        self.memory = max(sample[2] for sample in samples)

    def row(self) -> list[str]:
        return [self.name, str(self.runs), f"{self.wall:.2f}", f"{self.cpu:.2f}", f"{self.memory:.0f}"]


class Puller:
    """An engine that pulls. `argv` makes the command for a place of its own, below which nothing is yet."""

    def __init__(self, name: str, argv: Callable[[Path], contextlib.AbstractContextManager[list[str]]]) -> None:
        self.name = name
        self.argv = argv


def pulls(layers: Layers, data: Path, state: Path, rounds: int) -> list[Pulls]:
    """Each turn in a store of its own, never removed: ext4 is slow to make files soon after many were removed."""
    if not shutil.which("docker-registry"):
        return []
    place, places = data / "pulls", itertools.count()
    place.mkdir()
    with _registry(place) as host:
        name = f"{host}/layers:1"
        with Engine(str(place / "origin"), str(state / "origin")) as engine:
            engine.tag(layers.image(engine).id, name)
            engine.push(name)
        alive = _pullers(name, state)
        samples: dict[str, list[tuple[float, float, float]]] = {puller.name: [] for puller in alive}
        for number in range(-1, rounds):
            first = number % max(1, len(alive))
            for puller in alive[first:] + alive[:first]:
                store = place / str(next(places))
                store.mkdir()
                try:
                    with puller.argv(store) as argv:
                        os.sync()  # what the last one wrote is not this one's work
                        sample = _timed(argv)
                except Failure as failure:
                    print(f"  {puller.name} is left out: {failure}", flush=True)
                    alive.remove(puller)
                    continue
                if number >= 0:
                    samples[puller.name].append(sample)
    return [Pulls(puller.name, samples[puller.name]) for puller in alive]


def _pullers(name: str, state: Path) -> list[Puller]:
    @contextlib.contextmanager
    def ringfence(store: Path) -> Iterator[list[str]]:
        yield [our_command("ringfence"), "--root", str(store), "--state", str(state / f"r{store.name}"), "pull", name]

    @contextlib.contextmanager
    def podman(store: Path) -> Iterator[list[str]]:
        own = ["--root", str(store), "--runroot", str(state / f"p{store.name}"), "--tmpdir", str(state / "libpod")]
        yield ["podman", *own, "pull", "--tls-verify=false", name]

    @contextlib.contextmanager
    def docker(store: Path) -> Iterator[list[str]]:
        with dockerd(store, state / f"d{store.name}") as address:
            yield ["docker", "--host", address, "pull", name]

    found = [Puller("ringfence pull", ringfence)]
    if shutil.which("podman"):
        found.append(Puller("podman pull", podman))
    if shutil.which("docker") and shutil.which("dockerd"):
        found.append(Puller("docker pull", docker))
    return found


def _timed(argv: list[str]) -> tuple[float, float, float]:
    done = subprocess.run([sys.executable, "-c", _BETWEEN, *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(done.stderr[-600:])
    code, wall, cpu, memory = json.loads(done.stdout)
    if code:
        raise Failure(f"{' '.join(argv)}: exit status {code}: {done.stderr.strip()[-600:] or 'no message'}")
    return wall, cpu, memory


@contextlib.contextmanager
def _registry(place: Path) -> Iterator[str]:
    """Debian's docker-registry on loopback; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(place / "registry")}},
        "http": {"addr": host},
    }
    file = place / "registry.json"
    file.write_text(json.dumps(settings))
    with _serving(["docker-registry", "serve", str(file)], place / "registry.log") as alive:
        address, port = host.split(":")

        def answers() -> bool:
            with socket.socket() as client:
                return client.connect_ex((address, int(port))) == 0

        _wait(answers, alive)
        yield host


@contextlib.contextmanager
def dockerd(store: Path, state: Path, *, bridge: bool = False) -> Iterator[str]:
    """A daemon with a store of its own; its address. Without `bridge` it leaves this machine's network alone."""
    store.mkdir(exist_ok=True)
    state.mkdir()
    address = f"unix://{state}/sock"
    own = ["--data-root", str(store), "--exec-root", str(state), "--pidfile", f"{state}/pid", "--host", address]
    network = ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
    with _serving(["dockerd", *own, *(() if bridge else network), "--storage-driver=overlay2"], state / "log") as alive:

        def answers() -> bool:
            asked = subprocess.run(["docker", "--host", address, "info"], capture_output=True, check=False)
            return asked.returncode == 0

        _wait(answers, alive)
        yield address


@contextlib.contextmanager
def _serving(argv: list[str], log: Path) -> Iterator[Callable[[], bool]]:
    """A server while the block runs; whether it is still there."""
    with open(log, "wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file)
    try:
        yield lambda: process.poll() is None
    finally:
        process.terminate()
        process.wait()


def _wait(answers: Callable[[], bool], alive: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not answers():
        if not alive() or time.monotonic() > end:
            raise Failure("a server does not answer")
        time.sleep(0.05)
