"""`linux.resources.unified`: files of the v2 hierarchy, written as given (runtime-spec, config-linux.md, "Unified")."""

from __future__ import annotations

from ringfence.errors import InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups.fields import Fields
    from ringfence.linux.cgroups.layout import Hierarchy
    from ringfence.linux.cgroups.setting import Group, Setting


def settings(hierarchy: Hierarchy | None, group: Group | None, resources: Fields) -> list[Setting]:
    """The writes; `group` is the cgroup in the v2 hierarchy, both are None on a machine without one."""
    unified, writes = resources.object("unified"), []
    for file in unified.names():
        where = unified.field(file)
        value = unified.string(file)
        if not file or "/" in file or "\0" in file or "." not in file:
            raise InvalidInput(f"{where}: not the name of a cgroup v2 file, such as memory.high")
        if group is None or hierarchy is None:
            raise Unsupported(f"{where}: no cgroup v2 hierarchy is mounted")
        controller = file.partition(".")[0]
        if controller not in ("cgroup", *hierarchy.controllers):
            raise Unsupported(f"{where}: the cgroup v2 hierarchy does not have the controller {controller}")
        writes.append(group.set(file, value, where))
    return writes


def controllers(resources: Fields) -> set[str]:
    """The controllers that the files belong to."""
    return {name.partition(".")[0] for name in resources.object("unified").names()} - {"cgroup"}
