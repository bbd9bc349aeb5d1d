"""The cpuset controller: which CPUs and memory nodes (cpuset(7); cgroup-v2.rst, "Cpuset")."""

from __future__ import annotations

from ringfence.linux.cgroups.setting import Group, Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.linux.cgroups.fields import Fields

_FILES = ("cpuset.cpus", "cpuset.mems")


def v1(group: Group, resources: Fields) -> list[Setting]:
    cpu = resources.object("cpu")
    values = [(file, name, cpu.number_list(name)) for file, name in zip(_FILES, ("cpus", "mems"), strict=True)]
    return [group.set(file, value, cpu.field(name)) for file, name, value in values if value]


v2 = v1


def inherit(levels: Sequence[Group]) -> list[Setting]:
    """v1: a new cpuset is empty and nobody can join it; each level without a value takes its parent's, downwards."""
    settings = []
    for file in _FILES:
        value = levels[0].read(file)
        for level in levels[1:]:
            own = level.read(file)
            if own:
                value = own
            elif value:
                settings.append(level.set(file, value, "a new cpuset is empty, and no process can join it"))
    return settings
