"""Attacks from inside a running container: powers, devices, the host's kernel files, other roots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.errors import InvalidInput
from ringfence.runtime.interface import Launch, Monitoring
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle, exec_in

# What docker gives to a container's root, for the attacks that a container as people run it would try.
USUAL = [
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
]  # fmt: skip


@pytest.fixture
def usual(hostile: Bundle) -> Bundle:
    """The hostile bundle with docker's capabilities."""
    hostile.spec["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), USUAL)
    return hostile


def test_nothing_is_inheritable_or_ambient_unless_the_spec_says_so(usual: Bundle, runtime: OciRuntime) -> None:
    """CVE-2022-29162: inheritable capabilities come back when a file with capabilities is executed by another user."""
    script = "grep -E 'CapInh|CapAmb' /proc/self/status"
    started = usual.shell(script).run(runtime)
    usual.shell("sleep 30").start(runtime)
    executed = exec_in(runtime, usual, ["sh", "-c", script])
    expected = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n"
    assert (started.stdout, executed.stdout) == (expected, expected)


def test_the_root_of_a_container_is_the_top_of_its_tree(usual: Bundle, runtime: OciRuntime) -> None:
    """pivot_root and a detached old root: there is nothing above to climb to, even with CAP_SYS_CHROOT."""
    usual.spec["process"]["args"] = ["/attacks", "climb"]
    result = usual.run(runtime)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_no_file_of_the_host_is_opened_by_handle(usual: Bundle, runtime: OciRuntime, outside: Path) -> None:
    """ "Shocker" (2014): a volume's file system is the host's, and a handle names any file of it."""
    usual.mount("/volume", "bind", outside, "rbind")
    usual.spec["process"]["args"] = ["/attacks", "handle", "/volume"]
    assert usual.run(runtime).stdout == ""


def test_kill_of_its_process_group_ends_nothing_outside(usual: Bundle, runtime: OciRuntime) -> None:
    """It knows no pid namespace: in the group of its monitor a container could end that, and nobody told of it."""
    assert usual.shell("kill -KILL 0; exit 3").run(runtime).exit_code == 3


@pytest.mark.parametrize("device", ["b 8 0", "b 259 0", "b 254 0", "b 7 0", "c 1 1", "c 1 4", "c 10 200", "c 10 229"])
def test_devices_that_were_not_given_cannot_be_opened(usual: Bundle, runtime: OciRuntime, device: str) -> None:
    """Disks, /dev/mem, /dev/port, tun, fuse: CAP_MKNOD makes the node, the devices cgroup keeps it shut."""
    usual.spec["process"]["args"] = ["/attacks", "device", *device.split()]
    result = usual.run(runtime)
    assert (result.exit_code, result.stdout) == (0, "")


def test_devices_that_were_given_can_be_opened(usual: Bundle, runtime: OciRuntime) -> None:
    """The attack above works where it is allowed: the test can fail."""
    usual.spec["linux"]["resources"]["devices"].append(
        {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rwm"}
    )
    usual.spec["process"]["args"] = ["/attacks", "device", "c", "1", "5"]
    assert usual.run(runtime).stdout == "opened device c 1:5\n"


WRITES = {
    "/proc/sysrq-trigger": "h",
    "/proc/sys/kernel/core_pattern": "|/pwned",
    "/proc/sys/kernel/modprobe": "/pwned",
    "/proc/sys/vm/panic_on_oom": "0",
    "/proc/irq/default_smp_affinity": "3",
    "/proc/bus/pci/devices": "x",
    "/sys/kernel/uevent_helper": "/pwned",
    "/sys/kernel/mm/transparent_hugepage/enabled": "never",
    "/sys/fs/cgroup/cgroup.procs": "1",
    "/sys/fs/cgroup/memory/release_agent": "/pwned",
    "/sys/fs/cgroup/memory/cgroup.procs": "1",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "-1",
    "/sys/fs/cgroup/devices/devices.allow": "a",
    "/sys/fs/cgroup/unified/cgroup.procs": "1",
    "/sys/fs/cgroup/memory.max": "max",
    "/sys/fs/cgroup/cgroup.subtree_control": "-pids",
    "/sys/fs/cgroup/cgroup.kill": "1",
}


@pytest.mark.parametrize("path", WRITES)
def test_no_file_that_steers_the_host_can_be_written(usual: Bundle, runtime: OciRuntime, path: str) -> None:
    readable = os.access(path, os.R_OK) and "cgroup" not in path and "sysrq" not in path
    before = Path(path).read_bytes() if readable else b""
    result = usual.shell(f"echo '{WRITES[path]}' >{path} && echo written").run(runtime)
    assert "written" not in result.stdout
    if before:
        assert Path(path).read_bytes() == before


def test_masked_directories_are_empty_and_read_only_and_masked_files_are_null(
    usual: Bundle, runtime: OciRuntime
) -> None:
    look = "ls -A /proc/acpi /sys/firmware; cat /proc/keys /proc/timer_list"
    result = usual.shell(f"{look}; touch /sys/firmware/x; grep firmware /proc/mounts").run(runtime)
    listed = [line for line in result.stdout.splitlines() if line and not line.endswith(":")]
    assert len(listed) == 1, listed
    assert " ro," in listed[0]
    assert "nr_inodes=1" in listed[0]
    assert "Read-only file system" in result.stderr


def test_a_read_only_path_keeps_the_other_flags_of_its_mount(usual: Bundle, runtime: OciRuntime) -> None:
    """A clone that lost nosuid, nodev or noexec on its way to being read-only would be worse than none."""
    proc = next(mount for mount in usual.spec["mounts"] if mount["destination"] == "/proc")
    proc["options"] = ["nosuid", "nodev", "noexec"]
    mounts = usual.shell("cat /proc/mounts").run(runtime).stdout.splitlines()
    flags = {line.split()[1]: set(line.split()[3].split(",")) for line in mounts}
    assert {"ro", "nosuid", "nodev", "noexec"} <= flags["/proc/sys"]


def test_device_rules_hold_before_there_is_a_process(usual: Bundle, runtime: OciRuntime) -> None:
    plan = runtime.plan(Launch(usual.id, usual.spec, str(usual.path), monitoring=Monitoring()))
    rules = [
        number
        for number, operation in enumerate(plan.operations)
        if operation.name == "CGROUP_DEVICES" or "/devices." in str(operation.arguments[:1])
    ]
    first_process = next(number for number, operation in enumerate(plan.operations) if operation.name == "CLONE")
    assert rules and max(rules) < first_process


def test_each_container_has_a_session_keyring_of_its_own(usual: Bundle, runtime: OciRuntime) -> None:
    """Keys are not namespaced: the keyring that login gave to the caller must not arrive."""
    needs.file("/proc/keys")
    usual.spec["linux"]["maskedPaths"] = []
    assert f"_ses.{usual.id}" in usual.shell("cat /proc/keys").run(runtime).stdout


def test_an_unmount_uncovers_nothing(usual: Bundle, runtime: OciRuntime) -> None:
    """Without CAP_SYS_ADMIN no mask and no read-only mount comes off."""
    covered = "/proc/keys /proc/sys /sys /sys/fs/cgroup /dev"
    result = usual.shell(f"for at in {covered}; do umount $at && echo off; done").run(runtime)
    assert "off" not in result.stdout


@pytest.mark.parametrize("id", ["", ".", "..", "../x", "a/b", "/etc", "a\0b", "x" * 1025, "a b", "é"])
def test_an_id_never_names_a_path(bundle: Bundle, runtime: OciRuntime, id: str) -> None:
    with pytest.raises(InvalidInput):
        runtime.start(Launch(id, bundle.spec, str(bundle.path), monitoring=Monitoring()))


@pytest.mark.parametrize("path", ["../../escape", "/a/../../escape", "a/.."])
def test_a_cgroup_path_never_climbs(bundle: Bundle, runtime: OciRuntime, path: str) -> None:
    bundle.spec["linux"]["cgroupsPath"] = path
    with pytest.raises(InvalidInput, match="cgroupsPath"):
        bundle.run(runtime)
