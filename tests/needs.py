"""What a test needs of the machine: a missing need skips with its reason, and fails where CI=true promised it.

A lane (tests/lanes) declares by the same words what its machine lacks: that skips there, too.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

import pytest

from tests import lanes


def missing(need: str, reason: str = "") -> None:
    """The test needs something else, which this machine lacks."""
    reason = reason or f"needs {need}"
    if os.environ.get("CI") == "true" and need not in lanes.current().lacks:
        pytest.fail(f"CI lacks what this test needs: {reason}")
    pytest.skip(reason)


def root() -> None:
    """The test needs uid 0 with CAP_SYS_ADMIN in the initial user namespace."""
    if os.geteuid() != 0:
        missing("root")


def program(*names: str) -> None:
    """The test needs these programs on PATH (a peer or a tool)."""
    for name in names:
        if shutil.which(name) is None:
            missing(name, f"needs the program {name}")


def static_program(name: str) -> None:
    """The test needs this program on PATH, needing no library: one that runs in an image of its own."""
    program(name)
    if subprocess.run(["ldd", str(shutil.which(name))], capture_output=True).returncode == 0:
        missing(f"a static {name}")


def file(path: str) -> None:
    """The test needs this file or directory of the host."""
    if not os.path.exists(path):
        missing(path)


def cgroup_v1() -> None:
    """The test needs controllers that are mounted as cgroup v1."""
    from ringfence.linux import cgroups

    if cgroups.layout().kind == "v2":
        missing("cgroup v1")


def cgroup_v2() -> None:
    """The test needs a cgroup v2 hierarchy, with or without controllers."""
    from ringfence.linux import cgroups

    if cgroups.layout().unified is None:
        missing("cgroup v2")


def cgroup_v2_alone() -> None:
    """The test needs cgroup v2 with all controllers."""
    from ringfence.linux import cgroups

    if cgroups.layout().kind != "v2":
        missing("cgroup v2 alone")


def controller(name: str) -> None:
    """The test needs this cgroup controller, in either version."""
    from ringfence.linux import cgroups

    if cgroups.layout().of(name) is None:
        missing(f"controller {name}")


def block_weights(*files: str) -> None:
    """The test needs a scheduler of block I/O that heeds weights: one of these files of a cgroup."""
    if not any(os.path.exists(path) for path in files):
        missing("block I/O weights")


def huge_pages(count: int) -> None:
    """The test needs so many free huge pages of 2 MB."""
    with open("/proc/meminfo") as file:
        fields = dict(line.split(":", 1) for line in file)
    if int(fields.get("HugePages_Free", "0")) < count or fields["Hugepagesize"].split() != ["2048", "kB"]:
        missing("huge pages", f"needs {count} free huge pages")


def swap_file() -> str:
    """The test needs a file to swap to; its path. Only a machine that nobody else uses has one (tests/lanes)."""
    path = "/tmp/lane.swap"
    if not os.path.exists(path):
        missing("a swap file")
    return path


def apparmor() -> None:
    """The test needs AppArmor to be on, and its parser to load profiles."""
    if not os.path.exists("/sys/kernel/security/apparmor/.load"):
        missing("AppArmor")
    program("apparmor_parser")


def selinux() -> str:
    """The test needs a lane whose kernel has SELinux and no policy: it will keep the test's. Where selinuxfs is."""
    place = "/sys/fs/selinux"
    if lanes.current() is lanes.HERE or not os.path.isdir(place):
        missing("SELinux")
    program("secilc")
    if not os.path.exists(f"{place}/load"):
        subprocess.run(["mount", "-t", "selinuxfs", "selinuxfs", place], check=True)
    return place


def sctp() -> None:
    """The test needs a kernel with SCTP."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
    except OSError:
        missing("SCTP")


def ps() -> None:
    """The test needs a ps(1) that works: it refuses a kernel that counts no idle time."""
    program("ps")
    if subprocess.run(["ps", "-ef"], capture_output=True, check=False).stderr:
        missing("a working ps")


def systemd() -> None:
    """The test needs systemd as pid 1."""
    if not os.path.isdir("/run/systemd/system"):
        missing("systemd")
