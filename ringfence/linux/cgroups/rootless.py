"""Delegation: which part of the v2 tree an ordinary user may change, and which controllers work there (cgroups(7)).

A user's session manager hands a subtree over by giving its files to the user (systemd: Delegate=). A process may be
born in another cgroup only if the files of the nearest cgroup above both are its own, so containers go below the
highest one above ours that is. v1 hierarchies are never delegated.
"""

from __future__ import annotations

import os

from ringfence.linux.cgroups.driver import CgroupDriver, driver
from ringfence.linux.cgroups.layout import Hierarchy, Layout, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FILES = ("cgroup.procs", "cgroup.subtree_control")
_CONTROLLERS = {"memory": "memory", "pids": "pids", "blockIO": "io", "hugepageLimits": "hugetlb", "rdma": "rdma",
                "network": "net_cls"}  # fmt: skip
"""The v2 controller of a part of linux.resources; net_cls exists in v1 only."""


def delegated() -> CgroupDriver:
    """The driver of what is delegated to us; its `base` is None where nothing is."""
    tree = layout().unified
    top = _top(tree) if tree is not None else None
    working = _working(f"{tree.mountpoint}{top}") if tree is not None and top is not None else ()
    found = driver(Layout([Hierarchy(working, tree.mountpoint, 2)] if tree is not None else []))
    found.base = top
    return found


def unenforceable(resources: Mapping[str, Any], usable: CgroupDriver) -> list[str]:
    """The parts of linux.resources that cannot be applied; device rules are none, for no device can be made either."""
    working = usable.controllers if usable.base is not None else frozenset()
    return [part for part, wanted in resources.items() if wanted and not needed(part, wanted) <= working]


def unapplied(resources: Mapping[str, Any], usable: CgroupDriver) -> list[str]:
    """The same as a line for the user, or none."""
    parts = ", ".join(unenforceable(resources, usable))
    return [f"limits of {parts} are not applied: this user has no part of cgroup v2 that has them"] if parts else []


def needed(part: str, wanted: Any) -> set[str]:
    """The v2 controllers that a part of linux.resources, such as "cpu", needs."""
    if part == "cpu":
        return {"cpuset" if key in ("cpus", "mems") else "cpu" for key in wanted}
    if part == "unified":
        return {file.partition(".")[0] for file in wanted}
    return {_CONTROLLERS[part]} if part in _CONTROLLERS else set()


def _top(tree: Hierarchy) -> str | None:
    """The highest cgroup above (or at) our own that is ours to change, "" for the root; None if there is none."""
    path, top = tree.own_path.rstrip("/"), None
    if "/.." in path:  # we are outside of what our cgroup namespace shows
        return None
    while True:
        if all(os.access(f"{tree.mountpoint}{path}/{name}", os.W_OK) for name in ("", *_FILES)):
            top = path
        if not path:
            return top
        path = path.rpartition("/")[0]


def _working(directory: str) -> list[str]:
    """The controllers for the cgroups below: where processes are, no further one can be switched on."""
    with open(f"{directory}/cgroup.procs") as processes:
        name = "cgroup.subtree_control" if processes.read(1) else "cgroup.controllers"
    with open(f"{directory}/{name}") as file:
        return file.read().split()
