"""Where a cgroup named by one path, such as "/ringfence/4d2f", is in each hierarchy of a layout."""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux.cgroups.setting import Group, NewGroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups.layout import Hierarchy, Layout


class Places:
    """The cgroups of a layout. With `own`, paths start at this process's cgroups and not at the hierarchies' roots.

    `new` is one that has nothing set yet, whether it is there already or not. `seen` is what was read of the others:
    path → text.
    """

    __slots__ = ("_last", "layout", "new", "own", "seen")

    def __init__(self, layout: Layout, own: bool) -> None:
        self.layout = layout
        self.own = own
        self.new = ""
        self.seen: dict[str, str] = {}
        self._last: tuple[str, dict[str, list[Group]]] = ("", {})

    def levels(self, hierarchy: Hierarchy, cgroup: str) -> list[Group]:
        """The cgroups from the one where paths start down to `cgroup`, both included."""
        if cgroup != self._last[0]:  # a start asks for one cgroup some forty times
            self._last = (cgroup, {})
        known = self._last[1]
        if hierarchy.mountpoint not in known:
            known[hierarchy.mountpoint] = self._levels(hierarchy, cgroup)
        return known[hierarchy.mountpoint]

    def _levels(self, hierarchy: Hierarchy, cgroup: str) -> list[Group]:
        root = hierarchy.mountpoint
        start = root + hierarchy.own_path if self.own and hierarchy.own_path != "/" else root
        levels = [Group(start, root, self.seen)]
        for part in cgroup.split("/"):
            if part in (".", "..") or "\0" in part:
                raise InvalidInput(f"linux.cgroupsPath: {cgroup!r} has a component that is no name: {part!r}")
            if part:
                levels.append(Group(f"{levels[-1].path}/{part}", root, self.seen))
        if cgroup == self.new and len(levels) > 1:
            levels[-1] = NewGroup(levels[-1].path, root)
        return levels

    def all(self, cgroup: str) -> list[Group]:
        return [self.levels(hierarchy, cgroup)[-1] for hierarchy in self.layout.hierarchies]

    def v1(self, cgroup: str) -> list[Group]:
        return [self.levels(hierarchy, cgroup)[-1] for hierarchy in self.layout.hierarchies if hierarchy.version == 1]

    def v2(self, cgroup: str) -> Group | None:
        hierarchy = self.layout.unified
        return None if hierarchy is None else self.levels(hierarchy, cgroup)[-1]

    def controlled(self, cgroup: str, *controllers: str) -> tuple[int, Group]:
        """The version and the cgroup of a controller; version 0 and a cgroup whose files read empty if not there."""
        hierarchy = self.layout.of(*controllers)
        return (0, Group("", "")) if hierarchy is None else (hierarchy.version, self.levels(hierarchy, cgroup)[-1])
