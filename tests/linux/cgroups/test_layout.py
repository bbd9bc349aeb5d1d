"""Reading the layout from /proc."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux.cgroups import detect, driver, layout
from tests.linux.cgroups import layouts

V1_MOUNT = "32 31 0:29 / {} rw,relatime - cgroup cgroup rw,{}"


def test_each_kind_is_recognized_by_what_is_mounted(tmp_path: Path) -> None:
    for kind in layouts.KINDS:
        assert layouts.make(kind, tmp_path / kind).kind == kind


def test_a_hierarchy_is_found_by_all_of_its_controllers_or_by_its_name() -> None:
    mounts = "\n".join([
        V1_MOUNT.format("/c/cpu,cpuacct", "cpu,cpuacct"),
        V1_MOUNT.format("/c/systemd", "xattr,release_agent=/x,name=systemd"),
    ])  # fmt: skip
    found = detect(mounts, "2:cpu,cpuacct:/a\n1:name=systemd:/b\n").hierarchies
    assert [(h.controllers, h.name, h.mountpoint, h.own_path, h.version) for h in found] == [
        (("cpu", "cpuacct"), "", "/c/cpu,cpuacct", "/a", 1),
        ((), "systemd", "/c/systemd", "/b", 1),
    ]


def test_a_hierarchy_that_is_not_mounted_here_is_left_out() -> None:
    assert detect(V1_MOUNT.format("/c/pids", "pids"), "3:hugetlb:/\n2:pids:/\n").of("hugetlb") is None


def test_a_mount_of_the_root_is_preferred_to_a_bind_of_some_cgroup() -> None:
    bind = "40 31 0:29 /some/group /box/pids rw - cgroup cgroup rw,pids"
    found = detect(f"{bind}\n{V1_MOUNT.format('/c/pids', 'pids')}", "2:pids:/")
    assert found.hierarchies[0].mountpoint == "/c/pids"
    assert detect(bind, "2:pids:/").hierarchies[0].mountpoint == "/box/pids"


def test_a_path_with_spaces_is_read_as_mountinfo_writes_it() -> None:
    found = detect(V1_MOUNT.format(r"/a\040b\134c", "pids"), "2:pids:/")
    assert found.hierarchies[0].mountpoint == "/a b\\c"


def test_the_v2_tree_tells_its_controllers_itself(tmp_path: Path) -> None:
    machine = layouts.make("hybrid", tmp_path)
    assert "/hugetlb" not in "".join(machine.joins("/x")[0])
    assert layout().kind in layouts.KINDS


def test_paths_start_at_the_own_cgroup_if_that_is_asked_for(tmp_path: Path) -> None:
    text = f"90 31 0:90 / {tmp_path} rw - cgroup2 cgroup2 rw"
    rootless = driver(detect(text, "0::/user.slice/me"), own=True)
    assert rootless.directories("/box") == [f"{tmp_path}/user.slice/me/box"]


def test_this_machine_is_described_as_it_is() -> None:
    for hierarchy in layout().hierarchies:
        assert os.path.exists(f"{hierarchy.mountpoint}/cgroup.procs")


@given(st.text(), st.lists(st.from_regex(r"[0-9]{1,2}:[a-z,=]{0,12}:/[a-z]{0,5}", fullmatch=True)))
def test_any_mount_table_is_read(mountinfo: str, groups: list[str]) -> None:
    # Invariant: whatever the mount table says, the result is a layout of hierarchies named in /proc/self/cgroup.
    found = detect(mountinfo, "\n".join(groups))
    assert len(found.hierarchies) <= len(groups)
