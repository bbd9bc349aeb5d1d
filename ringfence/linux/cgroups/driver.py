"""`CgroupDriver`: a container's cgroup, whatever the hierarchies: the writes that make it, and what it tells and does.

Making a cgroup is only computed here, for a plan to execute; what follows later (stats, freezing, killing, removing)
is done. A cgroup is named by its path below each hierarchy's mount point, such as "/ringfence/4d2f". Modules are
imported by the methods that need them: most starts limit memory and pids, and a module costs 0.2 ms.
"""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux.cgroups.fields import Fields
from ringfence.linux.cgroups.layout import layout as machine_layout
from ringfence.linux.cgroups.places import Places
from ringfence.linux.cgroups.setting import Group, Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ringfence.linux.cgroups.layout import Hierarchy, Layout
    from ringfence.linux.cgroups.lending import Loan
    from ringfence.linux.cgroups.systemd import Scope

    Compute = Callable[[Group, Fields], list[Setting]]
    MountTuple = tuple[str, str, str, list[str]]

_NESTED = 3  # levels of a cgroup that stands, with its kin, just below the root
_OOM_FILES = {1: "memory.oom_control", 2: "memory.events"}  # by version; both count in a line "oom_kill N"


def driver(layout: Layout | None = None, *, own: bool = False) -> CgroupDriver:
    """The driver for a layout, this machine's if none is given.

    `own`: paths start at this process's own cgroups and not at the root, as somebody without privilege needs.
    """
    return CgroupDriver(Places(layout or machine_layout(), own))


class CgroupDriver:
    """See the module. What is computed needs no file to exist; present values count where there are some.

    `base` is the cgroup below which new ones are to be made: "" is the root, None means that none can be (rootless.py).
    """

    base: str | None = ""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._layout = places.layout
        self.kind = places.layout.kind

    @property
    def controllers(self) -> frozenset[str]:
        """All controllers of all hierarchies."""
        return frozenset([name for hierarchy in self._layout.hierarchies for name in hierarchy.controllers])

    def version(self, *controllers: str) -> int:
        """Of the hierarchy that the first known of these controllers is bound to: 1 or 2, or 0 if none is there."""
        hierarchy = self._layout.of(*controllers)
        return 0 if hierarchy is None else hierarchy.version

    # What a plan needs ------------------------------------------------------------------------------------------------

    def directories(self, cgroup: str) -> list[str]:
        """Absolute directories to be made, parents first."""
        levels = [self._places.levels(hierarchy, cgroup)[1:] for hierarchy in self._layout.hierarchies]
        return [level.path for hierarchy in levels for level in hierarchy]

    def first_directory(self, cgroup: str) -> str:
        """Of `directories`, the first that is this cgroup itself."""
        return self._places.levels(self._layout.hierarchies[0], cgroup)[-1].path

    def assume_new(self, cgroup: str) -> None:
        """Compute for this one as if nothing were set in it: it is about to be made, or has been for this purpose."""
        self._places = Places(self._layout, self._places.own)
        self._places.new = cgroup

    @property
    def seen(self) -> dict[str, str]:
        """What was read for it of cgroups that exist: path → text."""
        return self._places.seen

    def computes_like(self, other: CgroupDriver, seen: Mapping[str, str]) -> bool:
        """Whether this driver would compute what `other` has, after seeing that, for a new cgroup of the same kind."""
        if type(self) is not type(other) or self._layout is not other._layout or self.base != other.base:
            return False
        return all(Group(os.path.dirname(path), "").read(os.path.basename(path)) == was for path, was in seen.items())

    def preset(self, cgroup: str) -> list[Setting]:
        """What must be written before there is any process in it.

        v1: a new cpuset's CPUs and memory nodes. v2: all controllers there are, switched on from the root down. On a
        hybrid machine `settings` does that, for what it needs: nobody can mount them as v1 from then on.
        """
        writes: list[Setting] = []
        hierarchy = self._layout.of("cpuset")
        if hierarchy is not None and hierarchy.version == 1:
            from ringfence.linux.cgroups import cpuset

            writes += cpuset.inherit(self._places.levels(hierarchy, cgroup))
        if self.kind == "v2" and self._layout.unified is not None:
            writes += self._enable(cgroup, self._layout.unified.controllers)
        return writes

    def settings(self, cgroup: str, resources: Mapping[str, Any]) -> list[Setting]:
        """The writes for `linux.resources` but its devices, in a right order, for a new cgroup or an existing one.

        Where the order depends on what is set now (an update), the present values are read. InvalidInput names a field
        with a wrong value, Unsupported one that this machine cannot apply; OSError EBUSY answers `checkBeforeUpdate`.
        """
        fields = Fields(resources, "linux.resources")
        writes: list[Setting] = []
        needed = set[str]()
        for v1_name, v2_name, v1, v2 in _controllers(fields):
            version, group = self._places.controlled(cgroup, v1_name, v2_name)
            if version == 2:
                wanted = v2(group, fields)
                needed |= {v2_name} if wanted else set()
            else:
                wanted = v1(group, fields)
                _refuse_unmounted(v1_name, [] if version else wanted)
            writes += wanted
        if "unified" in fields:
            from ringfence.linux.cgroups import unified

            needed |= unified.controllers(fields)
            writes += unified.settings(self._layout.unified, self._places.v2(cgroup), fields)
        return self._enable(cgroup, sorted(needed)) + writes if self.kind == "hybrid" and needed else writes

    def devices(self, cgroup: str, rules: Sequence[Mapping[str, Any]]) -> list[Setting]:
        """v1: the writes for `linux.resources.devices`; none without rules, and where `device_program` applies."""
        version, group = self._places.controlled(cgroup, "devices")
        if not version or not rules:
            return []
        from ringfence.linux.cgroups import devices

        return devices.v1(group, rules)

    def device_program(self, cgroup: str, rules: Sequence[Mapping[str, Any]]) -> tuple[str, bytes] | None:
        """v2: the cgroup's directory and the program to be attached to it; None without rules, and where v1 applies."""
        version, _ = self._places.controlled(cgroup, "devices")
        tree = self._places.v2(cgroup)
        if version or tree is None or not rules:
            return None
        from ringfence.linux.cgroups import bpf

        return tree.path, bpf.device_program(rules)

    def joins(self, cgroup: str, below: Mapping[str, str] | None = None) -> tuple[list[str], str | None]:
        """The v1 `tasks` files into which a process writes "0" to join, and the v2 directory for CLONE_INTO_CGROUP.

        Writing another's pid into cgroup.procs would wait for an RCU grace period: 7 to 10 ms on an idle machine.
        `below`: controller → path of a cgroup below this one that is to be joined instead; "" is every hierarchy.
        """
        tasks: list[str] = []
        tree: str | None = None
        unknown = set(below or {}) - {"", *(name for one in self._layout.hierarchies for name in _names(one))}
        if unknown:
            raise InvalidInput(f"no cgroup controller {sorted(unknown)[0]} is mounted on this machine")
        for hierarchy in self._layout.hierarchies:
            levels = self._places.levels(hierarchy, cgroup + _below(hierarchy, below or {}))
            if hierarchy.version == 2:
                tree = levels[-1].path
                continue
            joined = levels[-1]
            if "blkio" in hierarchy.controllers and len(levels) > _NESTED:
                from ringfence.linux.cgroups import blockio

                joined = blockio.joined_v1(levels)
            tasks.append(f"{joined.path}/tasks")
        return tasks, tree

    def entrance(self, cgroup: str, pid: int) -> str:
        """The cgroup that one more process of the container of process `pid` enters: `cgroup`, or one below it.

        A v2 cgroup that hands controllers on has no processes of its own, as when the container's init has moved
        itself further down (kernel: cgroup-v2.rst, "No Internal Process Constraint"): then the one `pid` is in.
        """
        tree, group = self._layout.unified, self._places.v2(cgroup)
        if tree is None or group is None or not group.read("cgroup.subtree_control"):
            return cgroup
        start = group.path.removesuffix(cgroup)[len(tree.mountpoint) :]
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            path = next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), "")
        return path.removeprefix(start) if path.startswith(f"{start}{cgroup}/") else cgroup

    def oom_file(self, cgroup: str) -> tuple[str, str]:
        """The file that counts OOM kills, and the key of that line; two empty strings without a memory controller."""
        version, group = self._places.controlled(cgroup, "memory")
        return ("", "") if not version else (f"{group.path}/{_OOM_FILES[version]}", "oom_kill")

    def mounts(self, cgroup: str | None = None) -> list[MountTuple]:
        """(type, source, destination, options) of what a container sees at /sys/fs/cgroup.

        Without an argument for a container with a cgroup namespace of its own, else as binds of that cgroup. Beside
        hierarchies of v1 the one of v2 is not shown, as under runc and crun.
        Controllers mounted together get links by their single names: type "symlink", source is the link's text.
        """
        top = "/sys/fs/cgroup"
        if self.kind == "v2":
            return [self._mount(hierarchy, top, cgroup) for hierarchy in self._layout.hierarchies]
        mounts: list[MountTuple] = [("tmpfs", "tmpfs", top, ["nosuid", "nodev", "noexec", "mode=755"])]
        for hierarchy in self._layout.hierarchies:
            if hierarchy.version == 2:
                continue
            name = os.path.basename(hierarchy.mountpoint)
            mounts.append(self._mount(hierarchy, f"{top}/{name}", cgroup))
            if len(hierarchy.controllers) > 1:
                links = [controller for controller in hierarchy.controllers if controller != name]
                mounts += [("symlink", name, f"{top}/{link}", []) for link in links]
        return mounts

    # What a driver that asks another to make its cgroups does beside that ---------------------------------------------

    def keeps(self, directory: str) -> bool:
        """Whether somebody else removes this directory of a container's cgroup at its end."""
        return False

    def hold(self, cgroup: str, resources: Mapping[str, Any], annotations: Mapping[str, str], id: str) -> Scope | None:
        """Have a new cgroup made by whoever manages it; it lives until `release`, and then as long as its processes."""
        return None

    def tell(self, cgroup: str, settings: list[Setting]) -> None:
        """Let whoever manages the cgroup know of new settings before they are written."""

    # On a hybrid machine: v2 controllers that were off before ---------------------------------------------------------

    def lend(self, cgroup: str, resources: Mapping[str, Any]) -> Loan | None:
        """To be taken before `settings` of these resources and ended once they are written; None: they need nothing."""
        tree = self._layout.unified
        if self.kind != "hybrid" or tree is None or not tree.controllers:
            return None
        from ringfence.linux.cgroups.rootless import needed

        wanted = set[str]().union(*[needed(part, value) for part, value in resources.items() if value])
        if wanted.isdisjoint(tree.controllers):
            return None
        from ringfence.linux.cgroups.lending import Loan

        return Loan(self._places.levels(tree, cgroup), wanted.intersection(tree.controllers))

    def give_back(self, cgroup: str) -> None:
        """After its removal, or a failure to make it: switch off what has been lent above it and nobody uses."""
        tree = self._layout.unified
        if self.kind != "hybrid" or tree is None or not tree.controllers:
            return
        levels = self._places.levels(tree, cgroup)[:-1]
        if any(level.lent() for level in levels):
            from ringfence.linux.cgroups import lending

            lending.give_back(levels)

    # What a live cgroup tells and does --------------------------------------------------------------------------------

    def stats(self, cgroup: str) -> dict[str, dict[str, int | None]]:
        """Numbers of it and all below it: times in nanoseconds, sizes in bytes; a limit is None where there is none.

        `cpu`: total, user, system, throttled, periods, throttled_periods; `memory`: usage, limit, working_set, cache;
        `pids`: current, limit; `blkio`: read, write. Of a controller that is not there the numbers are 0.
        """
        from ringfence.linux.cgroups import live

        return live.stats(self._places, cgroup)

    def freeze(self, cgroup: str) -> None:
        """Stop all its processes and wait until they stand; TimeoutError after 10 s, and then they run again."""
        from ringfence.linux.cgroups import live

        live.freeze(self._places, cgroup)

    def thaw(self, cgroup: str) -> None:
        """Let them go on, and wait until they do."""
        from ringfence.linux.cgroups import live

        live.thaw(self._places, cgroup)

    def frozen(self, cgroup: str) -> bool:
        """Whether its processes stand still, by its own freezer or one above it, in whichever hierarchy."""
        from ringfence.linux.cgroups import live

        return live.frozen(self._places, cgroup)

    def processes(self, cgroup: str) -> list[int]:
        """Pids of all processes in it and below it, in the pid namespace of the reader, ascending."""
        from ringfence.linux.cgroups import live

        return live.processes(self._places, cgroup)

    def kill(self, cgroup: str, signal: int) -> None:
        """Send `signal` to every process in it and below it; none escapes by forking meanwhile."""
        from ringfence.linux.cgroups import live

        live.kill(self._places, cgroup, signal)

    def release(self, cgroup: str, pid: int) -> None:
        """Let its killed processes die, `pid` first, that another than this cgroup's own freezer holds."""
        from ringfence.linux.cgroups import live

        live.release(self._places, cgroup, pid)

    def oom_kills(self, cgroup: str) -> int:
        """How many of its processes the kernel has killed for lack of memory."""
        version, group = self._places.controlled(cgroup, "memory")
        return group.table(_OOM_FILES[version]).get("oom_kill", 0) if version else 0

    def exists(self, cgroup: str) -> bool:
        """Whether it is there in any hierarchy; "" is no container's."""
        return bool(cgroup) and any(os.path.isdir(group.path) for group in self._places.all(cgroup))

    def remove(self, cgroup: str) -> None:
        """Remove it and all below it from every hierarchy; what is gone is fine. OSError EBUSY if a process stays."""
        from ringfence.linux.cgroups import live

        live.remove(self._places, cgroup)

    # ------------------------------------------------------------------------------------------------------------------

    def _enable(self, cgroup: str, controllers: Sequence[str]) -> list[Setting]:
        """Switch v2 controllers on for `cgroup`, in each cgroup above it where they are not.

        Optional: a controller may refuse (cpu, while real-time processes run), and its first file then fails by name.
        """
        writes = []
        for level in self._places.levels(self._layout.unified, cgroup)[:-1] if self._layout.unified else ():
            present = level.read("cgroup.subtree_control").split()
            for controller in controllers:
                if controller not in present:
                    reason = f"the controller {controller} for the cgroups below"
                    writes.append(level.set("cgroup.subtree_control", f"+{controller}", reason, optional=True))
        return writes

    def _mount(self, hierarchy: Hierarchy, destination: str, cgroup: str | None) -> MountTuple:
        options = ["nosuid", "nodev", "noexec", "relatime"]
        if cgroup is not None:
            return "bind", self._places.levels(hierarchy, cgroup)[-1].path, destination, ["rbind", *options]
        if hierarchy.version == 2:
            return "cgroup2", "cgroup2", destination, options
        return (
            "cgroup",
            "cgroup",
            destination,
            [*options, *(hierarchy.controllers or ("none", f"name={hierarchy.name}"))],
        )


def _below(hierarchy: Hierarchy, below: Mapping[str, str]) -> str:
    return next((f"/{below[name]}" for name in ("", *_names(hierarchy)) if name in below), "")


def _names(hierarchy: Hierarchy) -> list[str]:
    """What a hierarchy is called by in /proc/PID/cgroup: its controllers, or its name."""
    return [*hierarchy.controllers, *([f"name={hierarchy.name}"] if hierarchy.name else [])]


def _controllers(resources: Fields) -> Iterator[tuple[str, str, Compute, Compute]]:
    """The controllers that these resources speak of: name in v1, in v2, and how settings are computed in each."""
    if "memory" in resources:
        from ringfence.linux.cgroups import memory

        yield "memory", "memory", memory.v1, memory.v2
    if "cpu" in resources:
        from ringfence.linux.cgroups import cpu, cpuset

        yield "cpu", "cpu", cpu.v1, cpu.v2
        yield "cpuset", "cpuset", cpuset.v1, cpuset.v2
    if "pids" in resources:
        from ringfence.linux.cgroups import pids

        yield "pids", "pids", pids.v1, pids.v2
    if "blockIO" in resources:
        from ringfence.linux.cgroups import blockio

        yield "blkio", "io", blockio.v1, blockio.v2
    if "hugepageLimits" in resources:
        from ringfence.linux.cgroups import hugetlb

        yield "hugetlb", "hugetlb", hugetlb.v1, hugetlb.v2
    if "rdma" in resources:
        from ringfence.linux.cgroups import rdma

        yield "rdma", "rdma", rdma.v1, rdma.v2
    if "network" in resources:  # v2 has neither controller: it is always the v1 function that is asked
        from ringfence.linux.cgroups import network

        yield "net_cls", "net_cls", network.classes, network.classes
        yield "net_prio", "net_prio", network.priorities, network.priorities


def _refuse_unmounted(controller: str, wanted: Sequence[Setting]) -> None:
    for setting in wanted:
        raise Unsupported(f"{setting.reason}: the cgroup controller {controller} is not mounted on this machine")
