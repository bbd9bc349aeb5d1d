"""Start to exit of a program that does nothing, with processors warm and after idling; and exec into a container."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial

from bench.candidates import EngineCommand, Host, Library, Runtime
from bench.material import SMALL, Material
from bench.measure import IDLE, Candidate, Timing, execute, take_turns

SLOW = {"podman": 5, "docker": 5, "ringfence": 2}  # they take part in each n-th round only


def starts(
    material: Material, library: Library, runtimes: Sequence[Runtime], engines: Sequence[EngineCommand], rounds: int
) -> tuple[list[Timing], list[Timing]]:
    """Start to exit: hot, and after idling."""
    candidates = [Candidate("library", partial(library.run, SMALL))]
    for runtime in runtimes:
        candidates.append(Candidate(runtime.label("run"), runtime.run, every=2 if runtime.confined else 1))
    bubblewrap = shutil.which("bwrap")
    if bubblewrap:
        argv = [bubblewrap, "--unshare-all", "--bind", str(material.rootfs), "/", "--proc", "/proc", "--dev", "/dev"]
        candidates.append(Candidate("bwrap --unshare-all", partial(execute, [*argv, "/bin/true"])))
    for engine in engines:
        candidates.append(Candidate(f"{engine.name} run --rm", partial(engine.run, SMALL), every=SLOW[engine.name]))
    return take_turns(candidates, rounds), take_turns(candidates, rounds, idle=IDLE)


def execs(hosts: Sequence[Host], rounds: int) -> list[Timing]:
    """A program in a running container."""
    running: list[tuple[Host, str]] = []
    try:
        for host in hosts:
            container = host.try_start()
            if container is not None:
                running.append((host, container))
        candidates = [
            Candidate(host.label("exec"), partial(host.exec, container), every=SLOW.get(host.name, 1))
            for host, container in running
        ]
        return take_turns(candidates, rounds)
    finally:
        for host, container in running:
            host.dismiss([container])
