"""On this machine's kernel and its own layout: limits take hold, processes freeze, die, are counted, nothing stays."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ringfence.linux.cgroups import CgroupDriver, driver, layout
from ringfence.linux.cgroups.bpf import attach_device_program, device_program
from tests import needs

Start = Callable[[str], "subprocess.Popen[str]"]
COUNTER = "i=0; while :; do i=$((i+1)); echo $i >&3; sleep 0.01; done"


@pytest.fixture
def machine() -> CgroupDriver:
    needs.root()
    return driver()


@pytest.fixture
def cgroup(machine: CgroupDriver) -> Iterator[str]:
    """A made and joinable cgroup of two levels, which is removed with all that is in it."""
    top = f"/ringfence-test-{uuid.uuid4().hex[:8]}"
    path = f"{top}/box"
    for directory in machine.directories(path):
        os.mkdir(directory)
    for setting in machine.preset(path):
        Path(setting.path).write_text(setting.value)
    yield path
    if machine.frozen(path):
        machine.thaw(path)
    machine.kill(path, signal.SIGKILL)
    machine.remove(top)


@pytest.fixture
def start(machine: CgroupDriver, cgroup: str) -> Iterator[Start]:
    """Starts a shell script in the cgroup, which it joins itself, as the executor of plans does."""
    started: list[subprocess.Popen[str]] = []

    def run(script: str) -> subprocess.Popen[str]:
        tasks, tree = machine.joins(cgroup)
        files = [*tasks, *([f"{tree}/cgroup.procs"] if tree else [])]
        joins = "".join(f"echo 0 > {file}; " for file in files)
        started.append(
            subprocess.Popen(["sh", "-c", f"{joins}echo joined; {script}"], stdout=subprocess.PIPE, text=True)
        )
        assert started[-1].stdout is not None and started[-1].stdout.readline() == "joined\n"
        return started[-1]

    yield run
    machine.kill(cgroup, signal.SIGKILL)
    for process in started:
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def apply(machine: CgroupDriver, cgroup: str, resources: dict[str, object]) -> None:
    for setting in machine.settings(cgroup, resources):
        try:
            Path(setting.path).write_text(setting.value)
        except OSError:
            if not setting.optional:
                raise


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def value(machine: CgroupDriver, cgroup: str, *names: str) -> str:
    """The first of these files that this layout has."""
    for directory in machine.directories(cgroup):
        for name in names:
            if directory.endswith(cgroup) and os.path.exists(f"{directory}/{name}"):
                return Path(directory, name).read_text().strip()
    raise AssertionError(f"no file {names}")


def test_limits_read_back_as_they_were_written(machine: CgroupDriver, cgroup: str) -> None:
    resources: dict[str, object] = {
        "memory": {"limit": 64 << 20, "reservation": 32 << 20},
        "cpu": {"shares": 512, "quota": 50000, "period": 200000, "burst": 10000},
        "pids": {"limit": 99},
    }
    apply(machine, cgroup, resources)
    assert value(machine, cgroup, "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert value(machine, cgroup, "memory.soft_limit_in_bytes", "memory.low") == str(32 << 20)
    assert value(machine, cgroup, "cpu.shares", "cpu.weight") in ("512", "59")
    assert value(machine, cgroup, "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    assert value(machine, cgroup, "pids.max") == "99"
    stats = machine.stats(cgroup)
    assert stats["memory"]["limit"] == 64 << 20 and stats["pids"]["limit"] == 99


def test_cpus_and_memory_nodes_are_taken_by_the_kernel(machine: CgroupDriver, cgroup: str) -> None:
    needs.controller("cpuset")
    apply(machine, cgroup, {"cpu": {"cpus": "0", "mems": "0"}})
    assert value(machine, cgroup, "cpuset.cpus") == "0"


def test_memory_limits_can_be_raised_and_lowered_again(machine: CgroupDriver, cgroup: str) -> None:
    if layout().kind != "v2":
        needs.file(machine.oom_file(cgroup)[0].replace("oom_control", "memsw.limit_in_bytes"))
    for mebibytes in (64, 256, 32, 512):
        apply(machine, cgroup, {"memory": {"limit": mebibytes << 20, "swap": mebibytes << 20}})
        assert machine.stats(cgroup)["memory"]["limit"] == mebibytes << 20
    apply(machine, cgroup, {"memory": {"limit": -1}})
    assert machine.stats(cgroup)["memory"]["limit"] is None


def test_cpu_bandwidth_can_be_changed_below_a_limited_parent(machine: CgroupDriver, cgroup: str) -> None:
    apply(machine, os.path.dirname(cgroup), {"cpu": {"quota": 50000, "period": 100000}})
    for quota, period in ((50000, 100000), (5000, 10000), (250000, 500000), (-1, 100000), (10000, 20000)):
        apply(machine, cgroup, {"cpu": {"quota": quota, "period": period}})
        assert value(machine, cgroup, "cpu.cfs_quota_us", "cpu.max").split()[0] in (str(quota), "max")


def test_idle_and_shares_go_together(machine: CgroupDriver, cgroup: str) -> None:
    apply(machine, cgroup, {"cpu": {"shares": 300, "idle": 1}})
    apply(machine, cgroup, {"cpu": {"shares": 300, "idle": 0}})
    assert value(machine, cgroup, "cpu.shares", "cpu.weight") in ("300", "38", "39", "40")


def test_block_io_throttles_are_taken_by_the_kernel(machine: CgroupDriver, cgroup: str, tmp_path: Path) -> None:
    device = os.stat(tmp_path).st_dev
    disk = {"major": os.major(device), "minor": os.minor(device)}
    if not os.path.exists(f"/sys/dev/block/{disk['major']}:{disk['minor']}"):
        pytest.skip("the temporary directory is not on a block device")
    apply(machine, cgroup, {"blockIO": {"throttleReadBpsDevice": [{**disk, "rate": 1 << 20}]}})
    assert str(1 << 20) in value(machine, cgroup, "blkio.throttle.read_bps_device", "io.max")


def test_block_io_weights_are_taken_by_the_kernel(machine: CgroupDriver, cgroup: str) -> None:
    files = ("blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight")
    needs.block_weights(*(f"{directory}/{file}" for directory in machine.directories(cgroup) for file in files))
    apply(machine, cgroup, {"blockIO": {"weight": 200}})
    assert value(machine, cgroup, *files).split()[-1] in ("200", "1920")  # io.weight has another scale


def test_huge_pages_are_limited_wherever_their_controller_is_bound(machine: CgroupDriver, cgroup: str) -> None:
    hierarchy = layout().of("hugetlb")
    with open("/proc/cgroups") as file:
        hidden = any(line.split()[0] == "hugetlb" and line.split()[1] != "0" for line in file)
    if hierarchy is None and hidden:
        pytest.skip("somebody has mounted the hugetlb controller as v1 where we do not see it")
    needs.controller("hugetlb")
    assert hierarchy is not None
    if "hugetlb" not in Path(hierarchy.mountpoint, "cgroup.controllers").read_text() and hierarchy.version == 2:
        pytest.skip("somebody has mounted the hugetlb controller as v1 meanwhile")
    resources: dict[str, object] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]}
    loan = machine.lend(cgroup, resources)
    apply(machine, cgroup, resources)
    if loan is not None:
        loan.end()
    assert value(machine, cgroup, "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max") == str(4 << 20)
    machine.remove(os.path.dirname(cgroup))
    machine.give_back(cgroup)
    for directory in machine.directories(cgroup):
        os.makedirs(directory, exist_ok=True)


def test_a_frozen_container_does_nothing_and_then_goes_on(
    machine: CgroupDriver, cgroup: str, start: Start, tmp_path: Path
) -> None:
    ticks = tmp_path / "ticks"
    start(f"exec 3>{ticks}; {COUNTER}")
    wait_for(lambda: ticks.exists() and ticks.read_text() != "")
    machine.freeze(cgroup)
    assert machine.frozen(cgroup)
    before = ticks.read_text()
    time.sleep(0.2)
    assert ticks.read_text() == before
    machine.thaw(cgroup)
    assert not machine.frozen(cgroup)
    wait_for(lambda: ticks.read_text() != before)
    assert ticks.read_text().split() == [str(number) for number in range(1, len(ticks.read_text().split()) + 1)]


def test_a_frozen_container_can_be_killed(machine: CgroupDriver, cgroup: str, start: Start) -> None:
    process = start("sleep 1000 & sleep 1000")
    machine.freeze(cgroup)
    machine.kill(cgroup, signal.SIGKILL)
    assert process.wait(timeout=5) == -signal.SIGKILL
    if machine.frozen(cgroup):
        machine.thaw(cgroup)


def test_every_process_is_listed_and_gets_the_signal(machine: CgroupDriver, cgroup: str, start: Start) -> None:
    process = start("sleep 1000 & sleep 1000 & wait")
    wait_for(lambda: len(machine.processes(cgroup)) == 3)
    assert process.pid in machine.processes(cgroup)
    assert machine.stats(cgroup)["pids"]["current"] == 3
    machine.kill(cgroup, signal.SIGTERM)
    assert process.wait(timeout=5) == -signal.SIGTERM
    assert not machine.frozen(cgroup)


def test_a_fork_bomb_does_not_outrun_kill(machine: CgroupDriver, cgroup: str, start: Start) -> None:
    apply(machine, cgroup, {"pids": {"limit": 60}})
    process = start("f() { sleep 0.02; f & f & wait; }; f 2>/dev/null")
    time.sleep(0.2)
    machine.kill(cgroup, signal.SIGKILL)
    process.wait(timeout=10)
    wait_for(lambda: not machine.processes(cgroup))


def test_an_oom_kill_is_counted(machine: CgroupDriver, cgroup: str, start: Start) -> None:
    apply(machine, cgroup, {"memory": {"limit": 16 << 20}})
    assert machine.oom_kills(cgroup) == 0
    process = start("head -c 64M /dev/zero | tail")
    process.wait(timeout=20)
    assert machine.oom_kills(cgroup) >= 1
    path, key = machine.oom_file(cgroup)
    assert any(line.startswith(f"{key} ") for line in Path(path).read_text().splitlines())


def test_cpu_time_and_memory_are_accounted(machine: CgroupDriver, cgroup: str, start: Start) -> None:
    process = start("head -c 200M /dev/zero >/dev/null; sleep 1000")
    wait_for(lambda: bool(machine.stats(cgroup)["cpu"]["total"]))
    stats = machine.stats(cgroup)
    assert 0 < (stats["cpu"]["total"] or 0) < 60_000_000_000
    assert 0 < (stats["memory"]["usage"] or 0) < 1 << 30
    assert process.poll() is None


def test_removing_takes_all_that_is_below_and_waits_for_dying_processes(
    machine: CgroupDriver, cgroup: str, start: Start
) -> None:
    for directory in machine.directories(cgroup):
        if directory.endswith(cgroup):
            os.makedirs(f"{directory}/below/deeper")
    process = start("sleep 1000")
    machine.kill(cgroup, signal.SIGKILL)
    machine.remove(cgroup)
    assert not machine.exists(cgroup)
    machine.remove(cgroup)
    process.wait()
    for directory in machine.directories(cgroup):
        os.makedirs(directory, exist_ok=True)


def test_a_cgroup_may_be_removed_while_it_is_asked_and_killed(machine: CgroupDriver) -> None:
    name = f"/ringfence-test-{uuid.uuid4().hex[:8]}"
    ends = threading.Event()

    def come_and_go() -> None:
        while not ends.is_set():
            for directory in machine.directories(name):
                os.mkdir(directory)
            machine.remove(name)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(200):
            machine.frozen(name)
            machine.stats(name)
            machine.processes(name)
            machine.oom_kills(name)
            machine.kill(name, signal.SIGKILL)
            machine.exists(name)
    finally:
        ends.set()
        thread.join()
    assert not machine.exists(name)


def test_killing_what_is_not_there_does_nothing(machine: CgroupDriver) -> None:
    machine.kill("/ringfence-test-absent", signal.SIGKILL)
    machine.kill("/ringfence-test-absent", signal.SIGTERM)


def test_a_living_process_keeps_its_cgroup(machine: CgroupDriver, cgroup: str, start: Start) -> None:
    start("sleep 1000")
    started = time.monotonic()
    with pytest.raises(OSError, match="busy"):
        machine.remove(cgroup)
    assert time.monotonic() - started < 10


def test_v1_device_rules_hold(machine: CgroupDriver, cgroup: str, start: Start) -> None:
    needs.controller("devices")
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"},
        {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "w"},
    ]
    for setting in machine.devices(cgroup, rules):
        Path(setting.path).write_text(setting.value)
    assert verdicts(start) == "null zero-refused full-refused"


def test_the_v2_device_program_holds(machine: CgroupDriver, cgroup: str, start: Start) -> None:
    needs.cgroup_v2()
    tree = machine.joins(cgroup)[1]
    assert tree is not None
    rules = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": -1, "access": "rw"},
        {"allow": False, "type": "c", "major": 1, "minor": 5, "access": "r"},
        {"allow": False, "type": "c", "major": 1, "minor": 7, "access": "rwm"},
    ]
    directory = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        attach_device_program(directory, device_program(rules))
    finally:
        os.close(directory)
    assert verdicts(start) == "null zero-refused full-refused"


def verdicts(start: Start) -> str:
    """What a process in the cgroup can open for reading."""
    names = ("null", "zero", "full")
    process = start("; ".join(f"(: </dev/{name}) 2>&- && echo {name} || echo {name}-refused" for name in names))
    assert process.stdout is not None
    return " ".join(process.stdout.read().split())


def test_the_mounts_show_a_container_its_own_cgroups(machine: CgroupDriver, cgroup: str, tmp_path: Path) -> None:
    needs.program("unshare")
    tasks, tree = machine.joins(cgroup)
    joins = [f"echo 0 > {file}" for file in [*tasks, *([f"{tree}/cgroup.procs"] if tree else [])]]
    for number, mounts in enumerate((machine.mounts(), machine.mounts(cgroup))):
        top = tmp_path / str(number)
        top.mkdir()
        shown = [
            mount[2].replace("/sys/fs/cgroup", str(top)) for mount in mounts if mount[0] not in ("tmpfs", "symlink")
        ]
        looks = [f"grep -qx $$ {directory}/cgroup.procs" for directory in shown]
        inner = ["mount --make-rprivate /", *[shell_mount(*mount, top=str(top)) for mount in mounts], *looks]
        script = [*joins, f"exec unshare -m -C sh -c '{' && '.join(inner)}'"]
        subprocess.run(["sh", "-c", " && ".join(script)], check=True)


def shell_mount(type: str, source: str, destination: str, options: list[str], *, top: str) -> str:
    target = destination.replace("/sys/fs/cgroup", top)
    if type == "symlink":
        return f"ln -s {source} {target}"
    kind = "--rbind" if type == "bind" else f"-t {type} -o {','.join(options)}"
    return f"mkdir -p {target} && mount {kind} {source} {target}"
