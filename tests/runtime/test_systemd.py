"""ringrun --systemd-cgroup: systemd makes the scope, knows its limits, and nothing stays of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ringfence.errors import InvalidInput
from ringfence.linux.cgroups import systemd
from tests import needs
from tests.bundles import Bundle

RINGRUN = str(Path(sys.executable).parent / "ringrun")
Ringrun = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def ringrun(bundle: Bundle, short_directory: Path) -> Ringrun:
    needs.root()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [RINGRUN, "--root", str(short_directory / "state"), "--systemd-cgroup", *words]
        # into files: what a container inherits stays open for as long as it lives
        output, errors = short_directory / "output", short_directory / "errors"
        with open(output, "w") as stdout, open(errors, "w") as stderr:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, timeout=120)
        return subprocess.CompletedProcess(argv, done.returncode, output.read_text(), errors.read_text())

    return run


@pytest.fixture
def name(short_directory: Path) -> str:
    return f"t-{short_directory.name}".replace("/", "-")


def show(unit: str, property: str) -> str:
    done = subprocess.run(["systemctl", "show", "--value", "-p", property, unit], capture_output=True, text=True)
    return done.stdout.strip()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_scope_of_slice_prefix_and_name_is_below_all_parents_of_the_slice() -> None:
    assert systemd.path("a-b.slice:libpod:4d2f", "x") == "/a.slice/a-b.slice/libpod-4d2f.scope"
    assert systemd.path("-.slice::4d2f", "x") == "/4d2f.scope"
    assert systemd.path("", "x") == "/system.slice/ringrun-x.scope"


@pytest.mark.parametrize("wrong", ["/a/b", "a:b", "x.slice::", "x:p:n", "a--b.slice:p:n", "x.slice:p:a/b"])
def test_what_names_no_scope_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput, match=r"linux\.cgroupsPath"):
        systemd.path(wrong, "x")


def test_without_systemd_it_is_refused_in_one_line(ringrun: Ringrun, bundle: Bundle, name: str) -> None:
    if os.path.isdir("/run/systemd/system"):
        needs.missing("a machine without systemd")
    bundle.spec["process"]["args"] = ["true"]
    done = ringrun("run", "--bundle", str(bundle.write()), name)
    assert done.returncode == 1
    assert done.stderr == "ringrun: --systemd-cgroup: systemd does not run on this machine (leave the flag out)\n"


def test_systemd_knows_the_limits_and_their_change_and_nothing_stays(
    ringrun: Ringrun, bundle: Bundle, name: str
) -> None:
    needs.systemd()
    unit = f"test-{name}.scope"
    linux = bundle.spec["linux"]
    linux["cgroupsPath"] = f"ringfence-x.slice:test:{name}"
    linux["resources"] = {
        "memory": {"limit": 64 << 20},
        "pids": {"limit": 1},
        "cpu": {"shares": 1024, "quota": 50000, "period": 100000},
    }
    bundle.spec["annotations"] = {"org.systemd.property.TimeoutStopUSec": "uint64 7000000"}
    bundle.spec["process"]["args"] = ["sleep", "1000"]

    done = ringrun("create", "--bundle", str(bundle.write()), name)
    assert done.returncode == 0, done.stderr
    assert show(unit, "ActiveState") == "active"
    assert show(unit, "MemoryMax") == str(64 << 20)
    assert show(unit, "TasksMax") == "1"
    assert show(unit, "CPUWeight") == "100"
    assert show(unit, "CPUQuotaPerSecUSec") == "500ms"
    assert show(unit, "TimeoutStopUSec") == "7s"
    assert show(unit, "Delegate") == "yes"
    directory = Path("/sys/fs/cgroup/ringfence.slice/ringfence-x.slice", unit)
    assert (directory / "pids.max").read_text() == "1\n"
    assert len((directory / "cgroup.procs").read_text().split()) == 1

    assert ringrun("start", name).returncode == 0
    done = ringrun("update", "--memory", str(32 << 20), "--pids-limit", "20", name)
    assert done.returncode == 0, done.stderr
    assert show(unit, "MemoryMax") == str(32 << 20)
    assert (directory / "pids.max").read_text() == "20\n"
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    assert (directory / "memory.max").read_text() == f"{32 << 20}\n"
    assert ringrun("exec", name, "true").returncode == 0
    assert ringrun("pause", name).returncode == 0
    assert '"paused"' in ringrun("state", name).stdout
    assert ringrun("resume", name).returncode == 0

    done = ringrun("delete", "--force", name)
    assert done.returncode == 0, done.stderr
    assert not directory.exists()
    wait_for(lambda: show(unit, "LoadState") == "not-found")
    subprocess.run(["systemctl", "stop", "ringfence.slice"], check=True)  # systemd keeps empty slices


def test_a_run_gives_the_exit_status_and_leaves_no_scope(ringrun: Ringrun, bundle: Bundle, name: str) -> None:
    needs.systemd()
    bundle.spec["linux"]["cgroupsPath"] = f":test:{name}"
    bundle.spec["process"]["args"] = ["sh", "-c", "cat /proc/self/cgroup; exit 7"]
    done = ringrun("run", "--bundle", str(bundle.write()), name)
    assert done.returncode == 7, done.stderr
    wait_for(lambda: show(f"test-{name}.scope", "LoadState") == "not-found")
    assert not Path(f"/sys/fs/cgroup/system.slice/test-{name}.scope").exists()


def test_a_create_that_fails_leaves_no_scope(ringrun: Ringrun, bundle: Bundle, name: str) -> None:
    needs.systemd()
    bundle.spec["linux"]["cgroupsPath"] = f":test:{name}"
    bundle.spec["process"]["args"] = ["/no/such/program"]
    done = ringrun("run", "--bundle", str(bundle.write()), name)
    assert done.returncode == 1 and "/no/such/program" in done.stderr
    assert show(f"test-{name}.scope", "LoadState") == "not-found"
    assert not Path(f"/sys/fs/cgroup/system.slice/test-{name}.scope").exists()
