"""A container that is like one before takes its plan, which is the very one that would have been compiled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ringfence import Engine
from ringfence.errors import CannotExecute, Failed, InvalidInput
from ringfence.runtime import repeat
from ringfence.runtime.compile import compile_container
from ringfence.runtime.facts import Facts
from ringfence.runtime.interface import Launch
from ringfence.runtime.native import OciRuntime
from ringfence.runtime.plan import Plan
from ringfence.runtime.sandbox import Sandboxes


class Checked(repeat.Compiled):
    """One that is compared, when it is taken, with what would have been compiled."""

    def __init__(self, kept: repeat.Compiled, taken: list[bool]) -> None:
        self._kept = kept
        self._taken = taken

    def again(self, spec: dict[str, Any], facts: Facts) -> tuple[Plan, bytes] | None:
        found = self._kept.again(spec, facts)
        self._taken.append(found is not None)
        if found is not None:
            assert facts.monitoring is not None
            compiled = compile_container(spec, facts)
            stdio = "terminal" if facts.monitoring.terminal else "pipes"
            assert found[1] == compiled.encode(stdio=stdio, stdin=facts.monitoring.stdin, parent="monitor")
            assert [repr(one) for one in found[0].operations] == [repr(one) for one in compiled.operations]
            assert found[0].slots == compiled.slots
        return found


class Watched(repeat.Plans):
    """`taken` tells of each start that found a plan whether it could have it."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[bool] = []

    def of(self, launch: Launch) -> repeat.Compiled | None:
        known = super().of(launch)
        return None if known is None else Checked(known, self.taken)


@pytest.fixture
def watched(engine: Engine) -> Watched:
    """Of an engine that has started one container, and so keeps plans from now on."""
    runtime, plans = engine.runtime, Watched()
    assert isinstance(runtime, OciRuntime)
    runtime._sandboxes, runtime._plans = Sandboxes(), plans
    return plans


OPTIONS: list[dict[str, Any]] = [
    {},
    {"network": "bridge", "publish": ["127.0.0.1::80"]},
    {"memory": "64m", "cpus": 0.5, "pids_limit": 20, "ulimit": ["nofile=100"]},
    {"name": "proc", "hostname": "sys", "env": {"container": "id"}, "workdir": "/tmp"},
    {"read_only": True, "tmpfs": ["/run"], "security_opt": ["no-new-privileges"], "cap_drop": ["ALL"], "user": "65534"},
    {"privileged": True},
    {"init": True, "tty": True},
    {"userns": "auto"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) or "none")
def test_it_is_the_one_that_would_be_compiled(engine: Engine, watched: Watched, options: dict[str, Any]) -> None:
    command = ["sh", "-c", "hostname; echo done"]
    results = [engine.run("host", command, rm=True, **{"network": "none"} | options) for _ in range(4)]
    assert watched.taken == [True, True, True]
    for result in results:
        name, done = result.stdout.decode().split()
        assert done == "done"
        assert name == options.get("hostname", result.id[:12])


def test_what_the_spec_says_otherwise_is_done(engine: Engine, watched: Watched) -> None:
    for number in range(5):
        result = engine.run("host", ["sh", "-c", f"echo $N; exit {number}"], rm=True, network="none", env={"N": "1"})
        assert (result.exit_code, result.stdout) == (number, b"1\n")
    assert watched.taken == []


def test_an_id_of_another_container_in_the_spec_stays(engine: Engine, watched: Watched) -> None:
    first = engine.run("host", ["true"], rm=True, network="none").id
    for _ in range(3):
        result = engine.run("host", ["sh", "-c", "echo $ID $SHORT; hostname"], rm=True, network="none",
                            env={"ID": first, "SHORT": first[:12]})  # fmt: skip
        assert result.stdout.decode().split() == [first, first[:12], result.id[:12]]
    assert watched.taken == [True, True]


def test_cgroups_that_say_something_else_than_before_are_heeded(engine: Engine, watched: Watched) -> None:
    """A plan writes what it read of the cgroups above: the processors that a v1 cpuset begins with."""
    hierarchy = Path("/sys/fs/cgroup/cpuset")
    if not (hierarchy / "cpuset.cpus").exists() or os.cpu_count() == 1:
        pytest.skip("cpuset is not a hierarchy of v1 here, or there is but one processor")
    name = f"rf-repeat-{os.getpid()}"
    command = ["cat", "/sys/fs/cgroup/cpuset/cpuset.cpus"]
    try:
        for _ in range(3):
            engine.run("host", command, rm=True, network="none", cgroup_parent=name)
        engine.runtime.close()  # what is prepared has all processors
        (hierarchy / name / "cpuset.cpus").write_text("0")
        assert engine.run("host", command, rm=True, network="none", cgroup_parent=name).stdout == b"0\n"
        assert watched.taken == [False, True, False]  # at first there is no parent, and then it has one processor
    finally:
        engine.runtime.close()
        for directory in hierarchy.parent.glob(f"*/{name}"):
            directory.rmdir()


def test_what_fails_is_told_as_ever(engine: Engine, watched: Watched, tmp_path: Path) -> None:
    for _ in range(3):
        with pytest.raises(CannotExecute, match="no-such-program"):
            engine.run("host", ["/no-such-program"], rm=True, network="none")
    target = tmp_path / "file"
    target.touch()
    for _ in range(3):
        engine.run("host", ["true"], rm=True, network="none", volume=[f"{target}:/srv/file"])
    assert watched.taken[-1]
    target.unlink()
    target.symlink_to(tmp_path / "nothing")
    with pytest.raises(Failed) as failed:
        engine.run("host", ["true"], rm=True, network="none", volume=[f"{target}:/srv/file"])
    assert str(target) in str(failed.value)
    assert watched.taken[-1]


def test_a_start_that_fails_before_the_runtime_hears_of_it_leaves_no_sandbox(engine: Engine, tmp_path: Path) -> None:
    for _ in range(2):
        engine.run("host", ["true"], rm=True, network="none")
    with pytest.raises(InvalidInput, match="does not exist"):
        engine.run("host", ["true"], rm=True, network="none", mount=[f"type=bind,src={tmp_path}/none,dst=/srv"])
    assert engine.runtime._sandboxes._taken == {}  # type: ignore[attr-defined]


def test_a_layer_more_is_another_plan(engine: Engine, watched: Watched) -> None:
    for _ in range(3):
        engine.run("host", ["true"], rm=True, network="none")
    engine.run("host", ["sh", "-c", "echo new >/new"], network="none", name="box")
    engine.commit("box", "host:latest-but-one")
    engine.rm("box")
    for _ in range(3):
        assert engine.run("host:latest-but-one", ["cat", "/new"], rm=True, network="none").stdout == b"new\n"


def test_no_more_plans_are_kept_than_sixteen(engine: Engine, watched: Watched) -> None:
    for number in range(20):
        assert engine.run("host", ["sh", "-c", f"exit {number}"], rm=True, network="none").exit_code == number
    plans = engine.runtime._plans  # type: ignore[attr-defined]
    assert 0 < len(plans._known) <= 16
