"""Cgroup file systems made of ordinary files, in the three layouts, and the text of /proc that describes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ringfence.linux.cgroups import CgroupDriver, detect, driver

SEPARATE = ["cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio", "rdma"]
V1 = ["cpu,cpuacct", *SEPARATE]
V2 = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"]
KINDS = ("v1", "v2", "hybrid")


def make(kind: str, top: Path) -> CgroupDriver:
    """The driver of a machine of this kind whose hierarchies are below `top`; root cgroups have what kernels show."""
    controllers = {"v1": V1, "v2": [], "hybrid": [name for name in V1 if name != "hugetlb"]}[kind]
    mountinfo, groups = [], []
    for number, names in enumerate(controllers, 1):
        directory = top / names
        directory.mkdir(parents=True)
        mountinfo.append(f"{40 + number} 31 0:{number} / {directory} rw,relatime shared:9 - cgroup cgroup rw,{names}")
        groups.append(f"{number}:{names}:/own")
    if "cpuset" in controllers:
        (top / "cpuset/cpuset.cpus").write_text("0-3\n")
        (top / "cpuset/cpuset.mems").write_text("0\n")
    if kind != "v1":
        directory = top if kind == "v2" else top / "unified"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.controllers").write_text(" ".join(V2 if kind == "v2" else ["hugetlb"]) + "\n")
        (directory / "cgroup.subtree_control").write_text("\n")
        mountinfo.append(f"90 31 0:90 / {directory} rw,relatime - cgroup2 cgroup2 rw")
        groups.append("0::/own")
    return driver(detect("\n".join(mountinfo), "\n".join(groups)))


def written(driver: CgroupDriver, resources: Mapping[str, object], cgroup: str = "/box") -> list[str]:
    """The settings for `resources` as lines "file=value"; those marked ? are optional."""
    return [
        f"{Path(setting.path).name}{'?' if setting.optional else ''}={setting.value}"
        for setting in driver.settings(cgroup, resources)
    ]


def present(driver: CgroupDriver, cgroup: str = "/box", **files: str) -> None:
    """Make the cgroup with these files in it; `__` in a name stands for the point."""
    for directory in driver.directories(cgroup):
        Path(directory).mkdir(parents=True, exist_ok=True)
        for name, text in files.items() if directory.endswith(cgroup) else ():
            (Path(directory) / name.replace("__", ".")).write_text(text + "\n")
