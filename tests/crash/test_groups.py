"""kill -9 of commands that deal with groups, at random instants: the next ones go on, and nothing is left of any."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ringfence.linux import cgroups
from tests import leaks

if TYPE_CHECKING:
    from ringfence import Engine

RINGFENCE = Path(sys.executable).with_name("ringfence")
TIMES = 12


@pytest.mark.timeout(120)
def test_kills_at_random_instants_leave_nothing_of_groups(engine: Engine) -> None:
    """After each kill the same command succeeds, and the kernel has the limits that the record tells."""
    engine.group_ls()  # opens the database
    before = leaks.Census.take(Path(engine.root).parent)
    environment = {**os.environ, "RINGFENCE_ROOT": engine.root, "RINGFENCE_STATE": engine.state}
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)

    def command(*words: str, kill: bool) -> int:
        victim = subprocess.Popen([RINGFENCE, *words], env=environment, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)  # fmt: skip
        if kill:  # the interpreter's start, in which nothing can go wrong, is a fifth of it
            time.sleep(chance.uniform(0.2, 1.2) * usual)
            victim.kill()
        return victim.wait()

    started = time.monotonic()
    command("group", "ls", kill=False)
    usual = time.monotonic() - started
    killed = 0
    for number in range(TIMES):
        for words in (
            ("group", "create", "--pids", "100", "gold"),
            ("run", "--rm", "--network", "none", "--group", "gold", "host", "true"),
            ("group", "update", "--pids", str(200 + number), "gold"),
            ("group", "rm", "gold"),
        ):
            killed += command(*words, kill=True) == -signal.SIGKILL
            done = command(*words, kill=False)
            assert done == 0 or words[1] in ("create", "rm"), f"seed {seed}, number {number}: {words}"
            for found in engine.group_ls():
                path = found["CgroupPath"]
                if cgroups.driver().exists(path):
                    limit = cgroups.driver().stats(path)["pids"]["limit"]
                    assert limit == found["Limits"]["PidsLimit"], f"seed {seed}, number {number}: {words}"
        for container in engine.ps(all=True):
            engine.rm(container["Id"], force=True)
        for found in engine.group_ls():
            engine.group_rm(found["Name"])
    assert killed > TIMES
    leaks.assert_nothing_left(before, files=False)
    assert not os.listdir(f"{engine.state}/groups")
