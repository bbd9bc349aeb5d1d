"""Timing: candidates take turns, so that whatever else this machine does meets all of them alike; medians are told."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence

IDLE = 0.05  # seconds of sleep before each start "after idling", the pause in which processors and RCU go to sleep


class Failure(Exception):
    """A command of a candidate failed; the text is its standard error."""


class Candidate:
    """Something to be timed. With `every` n it takes part in each n-th round only, because it is slow."""

    def __init__(self, name: str, once: Callable[[], None], *, every: int = 1) -> None:
        self.name = name
        self.once = once
        self.every = every


class Timing:
    """The samples of one candidate, in milliseconds."""

    def __init__(self, name: str, samples: Sequence[float]) -> None:
        self.name = name
        self.samples = sorted(samples)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def ninetieth(self) -> float:
        return self.samples[min(len(self.samples) - 1, len(self.samples) * 9 // 10)]


def take_turns(candidates: Iterable[Candidate], rounds: int, *, idle: float = 0.0) -> list[Timing]:
    """Time each candidate once a round, each time in another order; one turn before does not count.

    What one leaves for the kernel to do (namespaces, cgroups) is done at the expense of the next, which therefore must
    not always be the same one.

    A candidate that fails is told of and left out.
    """
    alive = list(candidates)
    samples: dict[str, list[float]] = {candidate.name: [] for candidate in alive}
    for number in range(-1, rounds):
        for candidate in random.Random(number).sample(alive, len(alive)):
            if number > 0 and number % candidate.every:
                continue
            time.sleep(idle)
            try:
                samples[candidate.name].append(timed(candidate.once))
            except Failure as failure:
                print(f"  {candidate.name} is left out: {failure}", flush=True)
                alive.remove(candidate)
    return [Timing(candidate.name, samples[candidate.name][1:]) for candidate in alive]


def timed(work: Callable[..., object], *arguments: object) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - begin) * 1000


def execute(argv: Sequence[str], *, environment: dict[str, str] | None = None, log: str = "/dev/null") -> None:
    """Run a command to its end with nothing on its stdin and stdout; Failure tells what it printed to stderr.

    By posix_spawn, which takes the same time however large this process is; a fork would not.
    """
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    pid = os.posix_spawn(argv[0], list(argv), os.environ if environment is None else environment, file_actions=actions)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        with open(log, errors="replace") as file:
            said = file.read().strip()
        raise Failure(f"{' '.join(argv)}: exit status {status}: {said[-600:] or 'no message'}")
