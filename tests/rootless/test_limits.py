"""What an ordinary user may limit: a delegated part of cgroup v2, or nothing, and then one line says so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.linux import cgroups
from tests import needs
from tests.rootless.people import Person


@pytest.fixture
def delegated(alice: Person) -> Iterator[Path]:
    """A cgroup v2 that is alice's, as a session manager would make it; commands are to be in `session` below it."""
    tree = cgroups.layout().unified
    if tree is None:
        needs.missing("a cgroup v2 hierarchy")
        return
    directory = Path(tree.mountpoint) / f"rf-delegated-{os.getpid()}"
    (directory / "session").mkdir(parents=True)
    if tree.controllers:
        (directory.parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in tree.controllers))
    for path in (directory, directory / "session"):
        for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(path / name, alice.uid, alice.gid)
    yield directory
    containers = alice.ringfence("ps", "-aq").stdout.split()
    if containers:
        alice.ringfence("rm", "-f", *containers)
    for id in alice.ringrun("list", "-q").stdout.split():
        alice.ringrun("delete", "--force", id)
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
    directory.rmdir()


def inside(delegated: Path, alice: Person, *words: str | Path, program: str = "ringfence",
           ) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """A command of ours, begun in the delegated session."""
    become = f"setpriv --reuid {alice.uid} --regid {alice.gid} --clear-groups"
    script = f'echo $$ >{delegated}/session/cgroup.procs && exec {become} "$@"'
    argv = ["sh", "-c", script, "sh", *alice.argv(program), *map(str, words)]
    return subprocess.run(argv, env=alice.identity()["env"], cwd=alice.home, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)  # fmt: skip


def test_limits_that_nobody_delegated_are_told_of_in_one_line(alice: Person) -> None:
    done = alice.ringfence("run", "--rm", "-m", "64m", "--pids-limit", "9", "--cpus", "1", "host", "echo", "runs")
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr == (
        "WARNING: limits of memory, cpu, pids are not applied: this user has no part of cgroup v2 that has them\n"
    )


def test_without_a_cgroup_what_needs_one_is_refused_with_its_reason(alice: Person) -> None:
    alice.ringfence("run", "-d", "--name", "web", "host", "sleep", "100")
    for words in (["pause", "web"], ["update", "-m", "64m", "web"]):
        done = alice.ringfence(*words)
        assert done.returncode == 1
        assert "an ordinary user needs a delegated part of cgroup v2" in done.stderr
    assert alice.run("host", "ls", "/sys/fs/cgroup") == ""


def test_in_a_delegated_cgroup_a_container_has_one_of_its_own(alice: Person, delegated: Path) -> None:
    id = inside(delegated, alice, "run", "-d", "--name", "web", "host", "sleep", "100").stdout.strip()
    assert (delegated / "ringfence" / id / "cgroup.procs").read_text().count("\n") == 1
    assert inside(delegated, alice, "pause", "web").returncode == 0
    assert "(Paused)" in alice.ringfence("ps").stdout  # from anywhere else, too
    assert alice.ringfence("unpause", "web").returncode == 0
    assert inside(delegated, alice, "exec", "web", "cat", "/proc/self/cgroup").stdout.splitlines()[-1] == "0::/"
    assert alice.ringfence("rm", "-f", "web").returncode == 0
    assert not (delegated / "ringfence" / id).exists()


def test_in_a_delegated_cgroup_with_controllers_limits_hold(alice: Person, delegated: Path) -> None:
    present = set((delegated / "cgroup.controllers").read_text().split())
    if not {"memory", "pids"} <= present:
        pytest.skip("the v2 tree of this machine has no controllers: seen by `make test-v2`")
    limits = ("-m", "64m", "--pids-limit", "9")
    done = inside(delegated, alice, "run", "-d", "--name", "web", *limits, "host", "sleep", "9")
    assert done.stderr == ""
    group = delegated / "ringfence" / done.stdout.strip()
    assert (group / "memory.max").read_text() == f"{64 << 20}\n"
    assert (group / "pids.max").read_text() == "9\n"
    assert inside(delegated, alice, "update", "--pids-limit", "8", "web").returncode == 0
    assert (group / "pids.max").read_text() == "8\n"


def test_a_group_in_a_delegated_cgroup_is_found_from_anywhere(alice: Person, delegated: Path) -> None:
    assert inside(delegated, alice, "group", "create", "gold").stdout == "gold\n"
    path = alice.ringfence("group", "inspect", "-f", "{{.CgroupPath}}", "gold").stdout.strip()
    run = inside(delegated, alice, "run", "-d", "--name", "web", "--group", "gold", "host", "sleep", "100")
    assert (Path(f"{delegated}{path}") / run.stdout.strip() / "cgroup.procs").read_text().count("\n") == 1
    assert alice.ringfence("group", "stats", "--no-stream", "--format", "{{.Containers}}").stdout == "1\n"
    assert alice.ringfence("group", "rm", "gold").returncode == 1
    assert alice.ringfence("rm", "-f", "web").returncode == 0
    assert alice.ringfence("group", "rm", "gold").returncode == 0
    assert not Path(f"{delegated}{path}").exists()


def test_a_groups_limits_that_nobody_delegated_are_told_of_in_one_line(alice: Person) -> None:
    made = alice.ringfence("group", "create", "--memory", "64m", "gold")
    assert (made.returncode, made.stdout) == (0, "gold\n")
    assert made.stderr.startswith("WARNING: limits of memory are not applied: this user has no part of cgroup v2")
    assert alice.run("--group", "gold", "host", "echo", "runs") == "runs\n"
    assert alice.ringfence("group", "rm", "gold").returncode == 0


def test_a_delegated_cgroup_is_not_writable_inside(alice: Person, delegated: Path) -> None:
    script = "mkdir /sys/fs/cgroup/x; echo 1 >/sys/fs/cgroup/cgroup.procs; find /sys/fs/cgroup -writable -type f"
    done = inside(delegated, alice, "run", "--rm", "host", "sh", "-c", script)
    assert done.stdout == ""
    assert done.stderr.count("Read-only file system") == 2
