"""What a container has of a kernel's feature that not every machine has: controllers, huge pages, swap, AppArmor."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.errors import RingfenceError, Unsupported
from ringfence.linux.cgroups import driver
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle, exec_in

MIB = 1 << 20
PROFILE = """
profile {name} flags=(attach_disconnected,mediate_deleted) {{
  file,
  capability,
  mount,
  umount,
  pivot_root,
  signal,
  ptrace,
  unix,
  deny /forbidden w,
}}
"""


@pytest.fixture
def limited(bundle: Bundle) -> Bundle:
    return bundle.mount("/memory", "tmpfs", "tmpfs")


@pytest.fixture
def swap() -> Iterator[None]:
    file = needs.swap_file()
    subprocess.run(["swapon", file], check=True)
    yield
    subprocess.run(["swapoff", file], check=True)


def limit(bundle: Bundle, **resources: object) -> Bundle:
    bundle.spec["linux"]["resources"].update(resources)
    return bundle


def value(bundle: Bundle, file: str) -> str:
    """A file of the container's cgroup, in whichever hierarchy has it."""
    machine = driver()
    found = [Path(path, file) for path in machine.directories(f"/ringrun/{bundle.id}") if path.endswith(bundle.id)]
    return next(path.read_text().strip() for path in found if path.exists())


def test_its_processes_run_on_its_cpus_and_use_its_memory_nodes(bundle: Bundle, runtime: OciRuntime) -> None:
    needs.controller("cpuset")
    limit(bundle, cpu={"cpus": "1", "mems": "0"}).shell("grep _allowed_list /proc/self/status; nproc")
    assert bundle.run(runtime).stdout.split() == ["Cpus_allowed_list:", "1", "Mems_allowed_list:", "0", "1"]


def test_an_update_moves_its_processes_to_other_cpus(bundle: Bundle, runtime: OciRuntime) -> None:
    needs.controller("cpuset")
    limit(bundle, cpu={"cpus": "1"}).shell("exec sleep 60").start(runtime)
    runtime.update(bundle.id, {"cpu": {"cpus": "0"}})
    assert exec_in(runtime, bundle, ["nproc"]).stdout == "1\n"
    assert "Cpus_allowed_list:\t0\n" in exec_in(runtime, bundle, ["cat", "/proc/1/status"]).stdout


def test_huge_pages_beyond_the_limit_are_refused(bundle: Bundle, runtime: OciRuntime) -> None:
    """By reservation: the call fails, and no process is killed at its first touch."""
    needs.controller("hugetlb")
    needs.huge_pages(4)
    needs.static_program("busybox")
    bundle.mount("/huge", "hugetlbfs", "hugetlbfs")
    subprocess.run(["cp", "/usr/bin/busybox", bundle.rootfs / "bin/busybox"], check=True)
    limit(bundle, hugepageLimits=[{"pageSize": "2MB", "limit": 4 * MIB}])
    bundle.shell("busybox fallocate -l 4M /huge/fits && busybox fallocate -l 2M /huge/more; echo $?")
    result = bundle.run(runtime)
    assert result.stdout == "1\n" and "No space left" in result.stderr


@pytest.mark.usefixtures("swap")
def test_above_memory_high_it_is_slowed_down_and_feels_pressure(limited: Bundle, runtime: OciRuntime) -> None:
    needs.cgroup_v2_alone()
    needs.file("/proc/pressure/memory")
    limit(limited, unified={"memory.high": str(8 * MIB), "memory.low": str(1 * MIB), "memory.max": str(256 * MIB)})
    limited.shell("head -c 24M /dev/zero >/memory/file; echo $?; exec sleep 60").start(runtime)
    done = exec_in(runtime, limited, ["sh", "-c", "while [ $(wc -c </memory/file) -lt 25165824 ]; do sleep 0.1; done"])
    assert done.exit_code == 0
    assert int(dict(line.split() for line in value(limited, "memory.events").splitlines())["high"]) > 0
    assert value(limited, "memory.low") == str(MIB)
    assert "total=0" not in value(limited, "memory.pressure").splitlines()[0]


@pytest.mark.usefixtures("swap")
def test_memory_that_is_too_small_is_swapped_as_far_as_that_is_allowed(limited: Bundle, runtime: OciRuntime) -> None:
    limit(limited, memory={"limit": 16 * MIB, "swap": 48 * MIB})
    # What fills it is alone there in the end: the kernel might as well kill a shell that waited for it.
    limited.shell("head -c 30M /dev/zero >/memory/file && echo fits; exec head -c 60M /dev/zero >/memory/file")
    result = limited.run(runtime)
    assert (result.stdout, result.exit_code) == ("fits\n", 137)


def test_its_clocks_are_those_of_its_time_namespace(bundle: Bundle, runtime: OciRuntime) -> None:
    needs.file("/proc/self/ns/time")
    bundle.spec["linux"]["namespaces"].append({"type": "time"})
    bundle.spec["linux"]["timeOffsets"] = {"boottime": {"secs": 1_000_000}, "monotonic": {"secs": 5, "nanosecs": 7}}
    result = bundle.shell("cat /proc/uptime /proc/self/timens_offsets").run(runtime)
    words = result.stdout.split()
    assert float(words[0]) > 1_000_000
    assert words[2:] == ["monotonic", "5", "7", "boottime", "1000000", "0"]


def test_its_user_may_divide_its_cgroup_but_not_lift_its_limits(bundle: Bundle, runtime: OciRuntime) -> None:
    """config-linux.md, "Cgroup ownership": the directory and what the kernel lists, and nothing else."""
    needs.cgroup_v2_alone()
    linux = bundle.spec["linux"]
    linux["namespaces"] += [{"type": "user"}]
    if {"type": "cgroup"} not in linux["namespaces"]:
        linux["namespaces"] += [{"type": "cgroup"}]
    linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    subprocess.run(["chown", "-R", "100000:100000", bundle.rootfs], check=True)
    bundle.without_mount("/sys/fs/cgroup").mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev")
    limit(bundle, pids={"limit": 50})
    bundle.shell(
        "cd /sys/fs/cgroup; mkdir below below/deeper; echo $$ >below/cgroup.procs && cat /proc/self/cgroup;"
        "echo 99 >pids.max || cat pids.max"
    )
    result = bundle.run(runtime)
    assert result.stdout == "0::/below\n50\n", result.stderr


def test_an_apparmor_profile_confines_its_program_and_those_that_enter(bundle: Bundle, runtime: OciRuntime) -> None:
    needs.apparmor()
    name = f"ringfence-{bundle.id}"
    text = PROFILE.format(name=name)
    subprocess.run(["apparmor_parser", "--add"], input=text, text=True, check=True)
    try:
        bundle.spec["process"]["apparmorProfile"] = name
        script = "cat /proc/self/attr/current; echo >/allowed && echo written; (echo >/forbidden) 2>&- || echo denied"
        bundle.shell(f"{script}; exec sleep 60")
        bundle.start(runtime)
        entered = exec_in(runtime, bundle, ["sh", "-c", script])
        assert entered.stdout == f"{name} (enforce)\nwritten\ndenied\n"
        runtime.delete(bundle.id, force=True)
        assert bundle.shell(script).run(runtime).stdout == entered.stdout
    finally:
        subprocess.run(["apparmor_parser", "--remove"], input=text, text=True, check=True)


def test_an_apparmor_profile_that_is_not_loaded_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    needs.apparmor()
    bundle.spec["process"]["apparmorProfile"] = "ringfence-absent"
    with pytest.raises(RingfenceError, match=r"process\.apparmorProfile"):
        bundle.run(runtime)


def test_where_apparmor_is_off_a_profile_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    if os.path.exists("/sys/kernel/security/apparmor/.load"):
        needs.missing("a kernel without AppArmor")
    bundle.spec["process"]["apparmorProfile"] = "ringfence-absent"
    with pytest.raises(Unsupported, match=r"process\.apparmorProfile: AppArmor is not enabled"):
        bundle.run(runtime)
