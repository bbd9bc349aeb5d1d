"""kill -9 of commands that deal with networks, at random instants: the next ones go on, and nothing is left of any."""

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

from tests import leaks, needs
from tests.engine.test_network import becomes
from tests.network.hosts import seen

if TYPE_CHECKING:
    from ringfence import Engine

RINGFENCE = Path(sys.executable).with_name("ringfence")
TIMES = 25  # of four kills each


@pytest.mark.timeout(240)
def test_kills_at_random_instants_leave_no_link_address_or_rule(engine: Engine) -> None:
    """A running container comes into a network and leaves it, others are started with published ports: each killed."""
    needs.program("nft")
    machine = seen()
    engine.run("host", ["true"], rm=True)  # opens the databases
    before = leaks.Census.take(Path(engine.root).parent)
    environment = {**os.environ, "RINGFENCE_ROOT": engine.root, "RINGFENCE_STATE": engine.state}
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    engine.network_create("net1", subnet=["10.208.0.0/24"])
    engine.run("host", ["sleep", "600"], detach=True, name="stays", network="net1", init=True)
    engine.run("host", ["sleep", "600"], detach=True, name="moves", init=True)

    def command(*words: str, kill: bool) -> int:
        victim = subprocess.Popen([RINGFENCE, *words], env=environment, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)  # fmt: skip
        if kill:
            time.sleep(chance.uniform(0.3, 1.3) * usual)
            victim.kill()
        return victim.wait()

    started = time.monotonic()
    command("network", "ls", kill=False)
    usual = time.monotonic() - started
    killed = 0
    for number in range(TIMES):
        for words in (
            ("network", "connect", "net1", "moves"),
            ("run", "--rm", "--network", "net1", "-p", "0:80", "host", "true"),
            ("network", "disconnect", "net1", "moves"),
            ("run", "-d", "--network", "net1", "-p", "0:80", "host", "true"),
        ):
            killed += command(*words, kill=True) == -signal.SIGKILL
            done = command(*words, kill=False)
            assert done == 0 or words[0] == "network", f"seed {seed}, number {number}: {words}"
    assert killed > TIMES
    inside = engine.exec("moves", ["ls", "/sys/class/net"]).stdout.decode().split()
    assert inside == ["eth0", "lo"], f"seed {seed}"
    command("system", "prune", "-f", kill=False)
    held = {endpoint.attachment.container for endpoint in engine.networks.endpoints()}
    assert held == {engine.inspect(name)["Id"] for name in ("stays", "moves")} and not engine.networks.ports()
    for name in ("stays", "moves"):
        engine.rm(name, force=True)
    engine.network_rm("net1")
    becomes(machine)
    engine.runtime.close()  # what is prepared for a next container is no leak
    leaks.assert_nothing_left(before, files=False)
