"""kill -9 of the command, at every operation of the plan and at random instants: `system prune` leaves nothing behind.

Beside each victim a container runs on: its process must be the same one afterwards.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ringfence.errors import NotFound
from tests import leaks

if TYPE_CHECKING:
    from ringfence import Engine
    from ringfence.engine.container import Container

PROJECT = Path(__file__).parent.parent.parent
RINGFENCE = Path(sys.executable).with_name("ringfence")


class Bystander:
    """A container that runs all the while, and the census taken when it did."""

    def __init__(self, engine: Engine, container: Container) -> None:
        self.engine = engine
        self.container = container
        self.pid = container.inspect()["State"]["Pid"]
        self.before = leaks.Census.take(Path(engine.root).parent)

    def check(self) -> None:
        """Clean up as a person would, and see that all is as before."""
        for container in self.engine.ps(all=True):
            if container["Id"] != self.container.id:
                with suppress(NotFound):  # its monitor was removing it
                    self.engine.rm(container["Id"], force=True, volumes=True)
        _let_an_hour_pass(Path(self.engine.root))
        self.engine.system_prune(volumes=True)
        assert self.container.inspect()["State"]["Pid"] == self.pid
        assert self.container.status == "running"
        self.engine.runtime.close()  # what is prepared for a next container is no leak
        leaks.assert_nothing_left(self.before)


@pytest.fixture
def bystander(engine: Engine) -> Iterator[Bystander]:
    engine.volume_create("kept")
    engine.run("host", ["true"], network="none", rm=True, volume=["kept:/kept"])
    container = engine.run("host", ["sleep", "600"], detach=True, network="none", name="bystander", memory="64m")
    yield Bystander(engine, container)


@pytest.mark.timeout(600)
def test_a_kill_at_every_operation_of_the_plan_leaves_nothing(bystander: Bystander) -> None:
    engine = bystander.engine
    deaths = 0
    for operation in range(10_000):
        argv = [sys.executable, "-m", "tests.crash.dying", engine.root, engine.state, str(operation)]
        done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        deaths += 1
        # Any command repairs what it meets: the same name is free again.
        if operation % 10 == 0:
            assert engine.run("host", ["true"], network="none", rm=True, name="dying").exit_code == 0
            bystander.check()
    assert deaths > 80
    bystander.check()


COMMANDS = {
    "run": ["run", "--rm", "--network", "none", "host", "true"],
    "run detached": ["run", "-d", "--network", "none", "-v", "/scratch", "host", "sleep", "600"],
    "create": ["create", "--network", "none", "host", "true"],
    "exec": ["exec", "bystander", "true"],
    "commit": ["commit", "bystander", "made:latest"],
    "pause": ["pause", "bystander"],
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_kill_at_a_random_instant_leaves_nothing(bystander: Bystander, command: str) -> None:
    times = 200 if command.startswith("run") else 30
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    environment = {
        **os.environ, "RINGFENCE_ROOT": bystander.engine.root, "RINGFENCE_STATE": bystander.engine.state,
    }  # fmt: skip
    argv = [str(RINGFENCE), *COMMANDS[command]]
    started = time.monotonic()
    subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)
    usual = time.monotonic() - started

    killed = 0
    for number in range(times):
        victim = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0, usual * 1.2))
        victim.kill()
        _, complaint = victim.communicate()
        killed += victim.returncode == -signal.SIGKILL
        assert victim.returncode in (0, 1, -signal.SIGKILL), f"seed {seed}, number {number}: {complaint.decode()}"
        if number % 20 == 19 or times < 100:
            _resume(bystander)
            _forget_images(bystander.engine)
            bystander.check()
    assert killed > times // 4
    _resume(bystander)
    _forget_images(bystander.engine)
    bystander.check()


@pytest.mark.timeout(300)
def test_ctrl_c_at_a_random_instant_of_a_start_ends_the_command_and_leaves_nothing(bystander: Bystander) -> None:
    """As a terminal sends it, but to the command alone. Once the program runs, it gets the signal, and ends by it."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    environment = {**os.environ, "RINGFENCE_ROOT": bystander.engine.root, "RINGFENCE_STATE": bystander.engine.state}
    argv = [str(RINGFENCE), "run", "--rm", "--init", "--network", "none", "host", "sleep", "60"]
    endings = []
    for number in range(60):
        victim = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.03, 0.3))
        victim.send_signal(signal.SIGINT)
        endings.append(victim.wait(timeout=20))
        assert endings[-1] in (0, 1, 130, -signal.SIGINT), f"seed {seed}, number {number}: {endings[-1]}"
    assert endings.count(130) > 10
    bystander.check()


def _let_an_hour_pass(root: Path) -> None:
    """A sweep leaves alone what somebody may be making this very minute: make it older than that."""
    for staging in (root / "volumes").glob(".new-*"):
        os.utime(staging, (time.time() - 3600,) * 2)


def _resume(bystander: Bystander) -> None:
    """What was paused is the command's success, and no leak."""
    if bystander.container.status == "paused":
        bystander.container.unpause()


def _forget_images(engine: Engine) -> None:
    for image in engine.images():
        if "made:latest" in str(image.get("RepoTags")):
            engine.rmi("made:latest")
