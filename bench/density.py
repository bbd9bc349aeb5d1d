"""Containers of a large image: they should start as fast as those of a small one, and add nothing to the disk."""

from __future__ import annotations

import statistics

from bench.candidates import ImageHost
from bench.material import LARGE, SMALL
from bench.measure import Failure, timed
from bench.workplace import used


class Density:
    """Medians of one start in milliseconds, and what all containers of the large image add to the disk, in bytes."""

    def __init__(self, name: str, large: float, small: float, disk: int) -> None:
        self.name = name
        self.large = large
        self.small = small
        self.disk = disk

    def row(self) -> list[str]:
        share = f"{self.large / self.small:.2f}"
        return [self.name, f"{self.large:.1f}", f"{self.small:.1f}", share, f"{self.disk / 1e6:.2f}"]


def density(host: ImageHost, count: int) -> Density | None:
    """Start pairs of a large and a small one in turns; then `count` large ones, between two looks at the disk."""
    containers: list[str] = []
    samples: dict[str, list[float]] = {LARGE: [], SMALL: []}
    try:
        for number in range(count + 1):
            for image in (LARGE, SMALL) if number % 2 else (SMALL, LARGE):
                took = timed(lambda image: containers.append(host.start_image(image)), image)
                if number:  # the first pair only warms up
                    samples[image].append(took)
        host.remove(containers)
        containers.clear()
        before = used(host.data)
        containers.extend(host.start_image(LARGE) for _ in range(count))
        disk = used(host.data) - before
    except Failure as failure:
        print(f"  {host.name} is left out: {failure}", flush=True)
        return None
    finally:
        host.dismiss(containers)
    return Density(host.name, statistics.median(samples[LARGE]), statistics.median(samples[SMALL]), disk)
