"""The bench: Ringfence beside whichever peers are installed, in one run; docs/benchmarks.md tells the method.

Run as root in a set-up clone: `make bench`, or `.venv/bin/python -m bench --quick`; `-m bench starts` measures starts
and execs alone, `-m bench images` what is done with images. The exit status is 1 if a promise is broken.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from bench import report
from bench.builds import warm_builds
from bench.candidates import EngineCommand, Host, ImageHost, Library, peers, ringfence, runtimes
from bench.crowd import crowd
from bench.density import density
from bench.layers import Layers, unpacks
from bench.material import LARGE, MIB, SMALL, Material
from bench.measure import Timing
from bench.memory import creates
from bench.networks import engines, enter_network, leave_network, network_starts, throughput
from bench.pulls import pulls
from bench.report import Promise, ratio
from bench.starts import execs, starts
from bench.workplace import enter_namespace, workplace
from ringfence import Engine


class Scale:
    """How much is done: `--quick` takes less than a minute and gives the same table with more noise."""

    def __init__(self, *, quick: bool) -> None:
        self.rounds = 11 if quick else 100
        self.exec_rounds = 11 if quick else 60
        self.creates = 3 if quick else 15
        self.crowd = 20 if quick else 100
        self.build_rounds = 3 if quick else 15
        self.layers = 100_000_000 if quick else 500_000_000
        self.unpack_rounds = 3 if quick else 7
        self.pull_rounds = 1 if quick else 5
        self.throughput_rounds = 3 if quick else 7
        self.density = 5 if quick else 20
        self.image = 100_000_000 if quick else 1_000_000_000
        self.disk = 5_000_000_000 if quick else 24_000_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Ringfence beside its peers.")
    parser.add_argument("--quick", action="store_true", help="less than a minute, with fewer runs and a smaller image")
    parser.add_argument("lane", nargs="?", choices=[*LANES], default="all", help="a part of it alone")
    given = parser.parse_args()
    scale = Scale(quick=given.quick)
    enter_namespace()
    begin = time.monotonic()
    load, processors = os.getloadavg()[0], os.cpu_count()
    print(f"load average {load:.1f} on {processors} processors before the first run: the less, the truer", flush=True)
    with workplace(scale.disk) as (data, state):
        kept = LANES[given.lane](scale, data, state)
    report.promises(kept)
    print(f"\n{time.monotonic() - begin:.0f} s")
    return int(any(promise.verdict == "FAIL" for promise in kept))


class Participants:
    """All that start containers, with their images loaded."""

    def __init__(self, material: Material, data: Path, state: Path) -> None:
        self.library = Library(data / "ringfence", state / "ringfence")
        self.runtimes = runtimes(material, state)
        print("loading images", flush=True)
        for archive in material.archives.values():
            self.library.load(archive)
        others = [engine for engine in peers(data, state) if engine.try_load(material.archives.values())]
        self.engines = [ringfence(data / "ringfence", state / "ringfence"), *others]

    def leave(self) -> None:
        for engine in self.engines:
            if engine.name == "docker":
                for image in (SMALL, LARGE):
                    engine.discard(image)


def measure(scale: Scale, data: Path, state: Path) -> list[Promise]:
    material = Material(data / "material", scale.image)
    hosts = Participants(material, data, state)
    try:
        return [
            *measure_starts(scale, material, hosts),
            *measure_memory(scale, hosts),
            *measure_crowds(scale, hosts),
            *measure_density(scale, hosts),
            *measure_layers(scale, data, state),
            *measure_builds(scale, data, hosts.engines),
        ]
    finally:
        hosts.leave()


def measure_starts_alone(scale: Scale, data: Path, state: Path) -> list[Promise]:
    """Starts and execs, one by one and in crowds."""
    material = Material(data / "material", 4 * MIB)
    hosts = Participants(material, data, state)
    try:
        return [
            *measure_starts(scale, material, hosts),
            *measure_memory(scale, hosts),
            *measure_crowds(scale, hosts),
        ]
    finally:
        hosts.leave()


def measure_images(scale: Scale, data: Path, state: Path) -> list[Promise]:
    """What is done with images: none is started, but by the builds."""
    material = Material(data / "material", 4 * MIB)
    ours = ringfence(data / "ringfence", state / "ringfence")
    ours.load(material.archives[SMALL])
    others = [peer for peer in peers(data, state) if peer.name != "docker"]
    builders = [ours, *(peer for peer in others if peer.try_load([material.archives[SMALL]]))]
    return [*measure_layers(scale, data, state), *measure_builds(scale, data, builders)]


def measure_starts(scale: Scale, material: Material, hosts: Participants) -> list[Promise]:
    hot, idle = starts(material, hosts.library, hosts.runtimes, hosts.engines, scale.rounds)
    report.timings("start to exit, hot", hot, "crun run")
    report.timings("start to exit, after 50 ms idle", idle, "crun run")
    executed = execs([*hosts.runtimes, hosts.library, *hosts.engines], scale.exec_rounds)
    report.timings("exec", executed, "crun exec")
    return [
        Promise("library start to exit, hot / crun run", _of(hot, "library", "crun run"), 0.6, "x"),
        Promise("library start to exit, idle / crun run", _of(idle, "library", "crun run"), 0.35, "x"),
        Promise("ringfence run --rm / podman run --rm", _of(hot, "ringfence run --rm", "podman run --rm"), 0.5, "x"),
        Promise("ringfence exec / podman exec", _of(executed, "ringfence exec", "podman exec"), 0.4, "x"),
        Promise("ringrun run, hot / runc run", _of(hot, "ringrun run", "runc run"), 0.9, "x"),
        Promise("ringrun run, hot / crun run", _of(hot, "ringrun run", "crun run"), 2.0, "x"),
        Promise("ringrun run, idle / crun run", _of(idle, "ringrun run", "crun run"), 1.0, "x"),
        Promise("ringrun exec / runc exec", _of(executed, "ringrun exec", "runc exec"), 0.9, "x"),
    ]


def measure_memory(scale: Scale, hosts: Participants) -> list[Promise]:
    peaks = {one.name: one for one in creates(hosts.runtimes, scale.creates)}
    theirs = peaks["runc create"].kilobytes if "runc create" in peaks else None
    rows = [one.row(theirs) for one in peaks.values()]
    report.table("create: the most memory that the kernel charges", ["", "kB", "x runc create"], rows)
    ours = peaks["ringrun create"].kilobytes if "ringrun create" in peaks else None
    return [Promise("ringrun create / runc create, most memory", ratio(ours, theirs), 1.0, "x")]


def measure_crowds(scale: Scale, hosts: Participants) -> list[Promise]:
    all_of_them: list[Host] = [*hosts.runtimes, hosts.library, *hosts.engines]
    measured = [crowd(host, scale.crowd) for host in all_of_them]
    crowds = {one.name: one for one in measured if one is not None}
    reference = crowds["crun"].start if "crun" in crowds else None
    head = ["", "start all s", "x crun", "ps ms", "helpers kB each", "remove all s"]
    report.table(f"{scale.crowd} detached containers", head, [one.row(reference) for one in crowds.values()])
    promises = []
    for name in ("library", "ringfence"):
        one = crowds.get(name)
        started, memory = (one.start, one.memory) if one else (None, None)
        promises.append(Promise(f"{scale.crowd} detached starts, {name} / crun", ratio(started, reference), 3.0, "x"))
        promises.append(Promise(f"helper memory per container (PSS), {name}", memory, 150.0, "kB"))
    return promises


def measure_density(scale: Scale, hosts: Participants) -> list[Promise]:
    size = f"{scale.image / 1e9:g} GB"
    engines: list[ImageHost] = [hosts.library, *hosts.engines]
    measured = [density(engine, scale.density) for engine in engines]
    densities = {one.name: one for one in measured if one is not None}
    head = ["", f"{size} image ms", "5 MB image ms", "ratio", "disk MB"]
    report.table(f"{scale.density} containers of a {size} image", head, [one.row() for one in densities.values()])
    what = f"{scale.density} containers of a {size} image"
    promises = []
    for name in ("library", "ringfence"):
        one = densities.get(name)
        disk, share = (one.disk / 1e6, one.large / one.small) if one else (None, None)
        promises.append(Promise(f"{what}, {name}: disk", disk, 2.0, "MB"))
        promises.append(Promise(f"{what}, {name}: start / a 5 MB image's", share, 1.1, "x"))
    return promises


def measure_layers(scale: Scale, data: Path, state: Path) -> list[Promise]:
    layers = Layers(data / "layers", scale.layers)
    with Engine(str(data / "unpacked"), str(state / "unpacked")) as engine:
        timings = unpacks(layers, engine, scale.unpack_rounds)
    size = f"{scale.layers / 1e6:g} MB in seven layers"
    report.timings(f"unpack of {size}", timings, "igzip -dc | tar x")
    pulled = {one.name: one for one in pulls(layers, data, state, scale.pull_rounds)}
    head = ["", "runs", "wall s", "CPU s", "memory MB"]
    report.table(f"pull of {size}, from a registry on loopback", head, [one.row() for one in pulled.values()])
    ours, podman, docker = (pulled.get(f"{name} pull") for name in ("ringfence", "podman", "docker"))
    wall = ratio(ours.wall, docker.wall) if ours and docker else None
    cpu = ratio(ours.cpu, podman.cpu) if ours and podman else None
    unpacked = _of(timings, "library unpack", "igzip -dc | tar x")
    return [
        Promise("unpack / igzip -dc | tar x of all layers at once", unpacked, 2.0, "x"),
        Promise("ringfence pull / docker pull", wall, 0.6, "x"),
        Promise("ringfence pull / podman pull, CPU time", cpu, 0.4, "x"),
        Promise("ringfence pull: most memory", ours.memory if ours else None, 150.0, "MB"),
    ]


def measure_builds(scale: Scale, data: Path, engines: list[EngineCommand]) -> list[Promise]:
    daemonless = [engine for engine in engines if engine.name != "docker"]  # whose builder may be a download away
    builds = warm_builds(data / "context", daemonless, scale.build_rounds)
    report.timings("build of ten steps, all from the cache", builds, "podman build")
    measured = _of(builds, "ringfence build", "podman build")
    return [Promise("ringfence build / podman build, from the cache", measured, 0.3, "x")]


def measure_networks(scale: Scale, data: Path, state: Path) -> list[Promise]:
    """Starts with a bridge and a published port, and what passes through both."""
    material = Material(data / "material", 4 * MIB)
    enter_network()
    try:
        with engines(material, data, state) as hosts:
            timings = network_starts(hosts, scale.exec_rounds)
            report.timings("start to exit with a bridge and a published port", timings, "podman")
            passed = {one.name: one for one in throughput(hosts, scale.throughput_rounds)}
            head = ["", "runs", "container to container Gbit/s", "by a published port Gbit/s"]
            report.table("what passes", head, [one.row() for one in passed.values()])
    finally:
        leave_network()
    what = "ringfence run --rm with a bridge and a port /"
    ours, theirs = passed.get("ringfence"), passed.get("docker")
    both = list(zip(ours.medians(), theirs.medians(), strict=True)) if ours and theirs else [(None, None)] * 2
    return [
        Promise(f"{what} podman's", _of(timings, "ringfence", "podman"), 0.35, "x"),
        Promise(f"{what} docker's", _of(timings, "ringfence", "docker"), 0.25, "x"),
        Promise("docker's throughput / ours, container to container", ratio(both[0][1], both[0][0]), 1 / 0.95, "x"),
        Promise("docker's throughput / ours, by a published port", ratio(both[1][1], both[1][0]), 1 / 0.95, "x"),
    ]


LANES = {"all": measure, "starts": measure_starts_alone, "images": measure_images, "networks": measure_networks}


def _of(timings: list[Timing], ours: str, theirs: str) -> float | None:
    medians = {timing.name: timing.median for timing in timings}
    return ratio(medians.get(ours), medians.get(theirs))


if __name__ == "__main__":
    sys.exit(main())
