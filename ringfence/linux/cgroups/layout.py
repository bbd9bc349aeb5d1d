"""Which cgroup hierarchies this machine has mounted, with which controllers, and where this process is in them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Hierarchy:
    """One mounted tree of cgroups.

    `version` is 1 or 2, `name` that of a v1 hierarchy mounted with name= (systemd's has no controller), `own_path` the
    cgroup of this process in it, below `mountpoint`.
    """

    __slots__ = ("controllers", "mountpoint", "name", "own_path", "version")

    def __init__(
        self, controllers: Sequence[str], mountpoint: str, version: int, own_path: str = "/", name: str = ""
    ) -> None:
        self.controllers = tuple(controllers)
        self.mountpoint = mountpoint
        self.version = version
        self.own_path = own_path
        self.name = name

    def __repr__(self) -> str:
        what = ",".join(self.controllers) or (self.name and f"name={self.name}") or "no controllers"
        return f"<Hierarchy v{self.version} {what} at {self.mountpoint}>"


class Layout:
    """All hierarchies; `kind` is "v1", "v2" or "hybrid" (v1 controllers beside a mounted v2 tree)."""

    __slots__ = ("hierarchies", "kind")

    def __init__(self, hierarchies: Sequence[Hierarchy]) -> None:
        self.hierarchies = list(hierarchies)
        versions = {hierarchy.version for hierarchy in hierarchies}
        self.kind = "hybrid" if len(versions) > 1 else "v2" if versions == {2} else "v1"

    @property
    def unified(self) -> Hierarchy | None:
        """The v2 hierarchy, if it is mounted."""
        return next((hierarchy for hierarchy in self.hierarchies if hierarchy.version == 2), None)

    def of(self, *controllers: str) -> Hierarchy | None:
        """The hierarchy to which the first known of these controllers is bound (io is called blkio in v1)."""
        for hierarchy in self.hierarchies:
            if not set(controllers).isdisjoint(hierarchy.controllers):
                return hierarchy
        return None


_layout: Layout | None = None


def layout() -> Layout:
    """The layout of this machine, read once: hierarchies are mounted at boot and stay."""
    global _layout
    if _layout is None:
        with open("/proc/self/mountinfo") as mountinfo, open("/proc/self/cgroup") as groups:
            _layout = detect(mountinfo.read(), groups.read())
    return _layout


def detect(mountinfo_text: str, proc_cgroup_text: str) -> Layout:
    """The layout that /proc/PID/mountinfo and /proc/PID/cgroup describe.

    A v2 tree tells its controllers only in its file cgroup.controllers, read where the text says it is mounted.
    """
    mounts = list(_cgroup_mounts(mountinfo_text))
    hierarchies = []
    for line in proc_cgroup_text.splitlines():
        number, names, own_path = line.split(":", 2)
        if number == "0" and not names:
            mountpoint = next((target for type, target, _ in mounts if type == "cgroup2"), None)
            if mountpoint is not None:
                hierarchies.append(Hierarchy(_available(mountpoint), mountpoint, 2, own_path))
            continue
        wanted = set(names.split(","))
        mountpoint = next((target for type, target, options in mounts if type == "cgroup" and wanted <= options), None)
        if mountpoint is not None:
            controllers = [name for name in names.split(",") if not name.startswith("name=")]
            name = next((name[5:] for name in names.split(",") if name.startswith("name=")), "")
            hierarchies.append(Hierarchy(controllers, mountpoint, 1, own_path, name))
    return Layout(hierarchies)


def _cgroup_mounts(text: str) -> list[tuple[str, str, set[str]]]:
    """(type, mount point, options of the superblock) of each cgroup mount that shows its hierarchy from the root.

    Lines by proc_pid_mountinfo(5). A bind mount of some cgroup (what a container without a cgroup namespace gets) does
    not show the root, and is taken only if the hierarchy is mounted nowhere else.
    """
    whole: list[tuple[str, str, set[str]]] = []
    partial: list[tuple[str, str, set[str]]] = []
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        type, _, superblock = after.partition(" ")
        if not separator or type not in ("cgroup", "cgroup2"):
            continue
        fields = before.split(" ")
        options = set(superblock.split(" ")[-1].split(","))
        (whole if fields[3] == "/" else partial).append((type, _unescaped(fields[4]), options))
    return whole + partial


def _unescaped(path: str) -> str:
    """A path of mountinfo, in which space, tab, newline and backslash are three octal digits after a backslash."""
    if "\\" not in path:
        return path
    first, *rest = path.split("\\")
    return first + "".join([chr(int(part[:3], 8)) + part[3:] for part in rest])


def _available(mountpoint: str) -> list[str]:
    try:
        with open(os.path.join(mountpoint, "cgroup.controllers")) as file:
            return file.read().split()
    except FileNotFoundError:
        return []
