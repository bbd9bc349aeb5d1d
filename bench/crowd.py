"""Many containers at once: how long they take to start, to be listed and to be removed, and what stands by them."""

from __future__ import annotations

from bench.candidates import Host
from bench.material import PAUSE
from bench.measure import Failure, timed
from bench.processes import helper_memory


class Crowd:
    """One candidate's figures: seconds to start and to remove all, milliseconds to list, helpers' kB per container."""

    def __init__(self, name: str, start: float, listing: float, memory: float | None, remove: float) -> None:
        self.name = name
        self.start = start
        self.listing = listing
        self.memory = memory
        self.remove = remove

    def row(self, reference: float | None) -> list[str]:
        share = f"{self.start / reference:.2f}" if reference else "-"
        memory = "-" if self.memory is None else f"{self.memory:.0f}"
        return [self.name, f"{self.start:.2f}", share, f"{self.listing:.1f}", memory, f"{self.remove:.2f}"]


def crowd(host: Host, count: int) -> Crowd | None:
    """Start `count` containers one after the other, look at them, and remove them."""
    containers: list[str] = []
    try:
        starting = timed(lambda: containers.extend(host.start() for _ in range(count))) / 1000
        listing = sorted(timed(host.ps) for _ in range(5))[2]
        memory = helper_memory(PAUSE, count)
        removing = timed(host.remove, containers) / 1000
        containers.clear()
    except Failure as failure:
        print(f"  {host.name} is left out: {failure}", flush=True)
        return None
    finally:
        host.dismiss(containers)
    return Crowd(host.name, starting, listing, memory, removing)
