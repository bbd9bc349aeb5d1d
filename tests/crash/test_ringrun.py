"""A09 through ringrun: whichever operation fails, one line names it, and everything is as before."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.runtime import create
from ringfence.runtime.plan import Plan
from tests import leaks, needs
from tests.bundles import Bundle
from tests.crash.test_faults import rich

PROJECT = Path(__file__).parents[2]


class Failing:
    """ringrun with a fault at an operation: a call gives the exit status and what was said on standard error."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.failing"], cwd=PROJECT, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, operation: int, *words: str) -> tuple[int, str]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([operation, "--root", str(self.root), *words]) + "\n")
        status, said, descriptors = json.loads(self.process.stdout.readline())
        assert descriptors == [], (operation, words)
        return status, said


@pytest.fixture
def failing(short_directory: Path) -> Iterator[Failing]:
    needs.root()
    made = Failing(short_directory / "state")
    yield made
    made.process.communicate()


def is_named(plan: Plan, operation: int, said: str) -> bool:
    """In one line, by what it does and on what; of the program itself the line says that it cannot be executed."""
    named = said.startswith(f"ringrun: {plan.describe(operation)[:160]}")
    return said.count("\n") == 1 and (named or said.startswith("ringrun: cannot execute "))


def operations(plan: Plan, *, every: bool) -> Iterator[int]:
    """Their numbers: all, or the first and the last of each kind."""
    names = [operation.name for operation in plan.operations]
    last = {name: number for number, name in enumerate(names)}
    for number, name in enumerate(names):
        if every or number in (names.index(name), last[name]):
            yield number


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", ["create", "run"])
def test_a_fault_at_any_operation_is_named_and_leaves_everything_as_it_was(
    verb: str, failing: Failing, bundle: Bundle, short_directory: Path
) -> None:
    launch = rich(bundle, short_directory)
    launch.monitoring = None
    words = [verb, "--bundle", str(bundle.write()), bundle.id]
    assert failing(-1, *words)[0] == 0  # makes what all containers share: the directory of states, the parent cgroup
    failing(-1, "delete", "--force", bundle.id)
    plan = create.plan_of(str(failing.root), launch, wait=verb == "create")
    waiting = next((n for n, one in enumerate(plan.operations) if one.name == "WAIT"), len(plan.operations))
    before = leaks.Census.take(short_directory)
    for operation in operations(plan, every=verb == "create"):
        status, said = failing(operation, *words)
        if operation > waiting:  # what comes after the wait fails for `start`
            assert status == 0, said
            status, said = failing(-1, "start", bundle.id)
            assert status == 1 and said.startswith("ringrun: injected fault: "), (operation, said)
            assert failing(-1, "delete", "--force", bundle.id)[0] == 0
        else:
            assert status == 1 and is_named(plan, operation, said), (operation, said)
        leaks.assert_nothing_left(before)
