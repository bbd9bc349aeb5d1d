"""The most memory that the kernel charges a command for, with all that it starts: a cgroup of its own tells.

Not the resident memory of one process, most of which are pages of files that all share, and which leaves out what
works beside it.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.candidates import Runtime
from bench.measure import Failure

_PATIENCE = 5.0  # seconds
_PLACES = (  # where a cgroup is made, and the file that tells
    ("/sys/fs/cgroup/memory", "memory.max_usage_in_bytes"),
    ("/sys/fs/cgroup", "memory.peak"),
)


class Peak:
    """One candidate's figure: the median of several creates, in kB."""

    def __init__(self, name: str, kilobytes: float) -> None:
        self.name = name
        self.kilobytes = kilobytes

    def row(self, reference: float | None) -> list[str]:
        return [self.name, f"{self.kilobytes:.0f}", f"{self.kilobytes / reference:.2f}" if reference else "-"]


def creates(runtimes: Sequence[Runtime], rounds: int) -> list[Peak]:
    """What `create` takes; none where the kernel keeps no such figure."""
    place = next(((top, file) for top, file in _PLACES if _tells(top, file)), None)
    peaks: dict[str, list[float]] = {}
    for _ in range(rounds if place else 0):
        for runtime in runtimes:
            assert place is not None
            try:
                peaks.setdefault(runtime.label("create"), []).append(_peak(runtime, *place))
            except Failure as failure:
                print(f"  {runtime.name} is left out: {failure}", flush=True)
    return [Peak(name, statistics.median(found)) for name, found in peaks.items()]


def _tells(top: str, file: str) -> bool:
    try:
        group = tempfile.mkdtemp(prefix="rfb-", dir=top)
    except OSError:
        return False
    try:
        return os.path.exists(f"{group}/{file}")
    finally:
        os.rmdir(group)


def _peak(runtime: Runtime, top: str, file: str) -> float:
    group = Path(tempfile.mkdtemp(prefix="rfb-", dir=top))
    own, containers = Path(top) / _here(top), list[str]()
    try:
        (group / "cgroup.procs").write_text("0")
        try:
            containers.append(runtime.create())
        finally:
            (own / "cgroup.procs").write_text("0")
        return int((group / file).read_text()) / 1024
    finally:
        runtime.dismiss(containers)
        _remove(group)


def _here(top: str) -> str:
    """This process's cgroup, below the root of that hierarchy."""
    controller = "memory" if top.endswith("memory") else ""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path.lstrip("/")
    return ""


def _remove(group: Path) -> None:
    """With what a runtime has made below it; the kernel lets go of it a moment after its last process."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            for directory, _, _ in sorted(os.walk(group), reverse=True):
                os.rmdir(directory)
            return
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(0.02)
