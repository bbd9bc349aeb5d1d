"""The containers' processes and what stands by them, found in /proc; and the end of all that a failed run left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_PATIENCE = 15  # seconds


def helper_memory(argv: Sequence[str], count: int) -> float | None:
    """kB of PSS per container of the processes that stand by: the parents of those that execute `argv`.

    None if there are none (the containers' parent is init or this process).
    """
    parents = set(executing(argv).values()) - {0, 1, os.getpid()}
    return sum(map(_pss, parents)) / count if parents else None


def executing(argv: Sequence[str]) -> dict[int, int]:
    """Processes with exactly these arguments, and the parent of each."""
    wanted, found = [word.encode() for word in argv], {}
    for pid, words in _commands():
        if words == wanted:
            try:
                with open(f"/proc/{pid}/stat") as file:
                    found[pid] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended
    return found


def end(argv: Sequence[str], state: Path) -> None:
    """Kill what still executes `argv`, and wait for its helpers, and for podman's exit commands below `state`.

    After a run without failures there is nothing to kill, but podman still cleans up when `podman rm` has returned.
    """
    left = executing(argv)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    helpers, deadline = set(left.values()) - {0, 1, os.getpid()}, time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        busy = [pid for pid, words in _commands() if pid in helpers or any(bytes(state) in word for word in words)]
        if not busy:
            return
        time.sleep(0.1)


def _commands() -> Iterator[tuple[int, list[bytes]]]:
    """Every living process with its arguments."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().rstrip(b"\0").split(b"\0")
        except OSError:
            continue
        if words != [b""]:  # it has exited, or is the kernel's
            yield int(name), words


def _pss(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
