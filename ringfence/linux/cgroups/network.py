"""The controllers net_cls and net_prio, which v2 lacks (kernel: cgroup-v1/net_cls.rst, net_prio.rst)."""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux.cgroups.fields import UINT32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups.fields import Fields
    from ringfence.linux.cgroups.setting import Group, Setting


def classes(group: Group, resources: Fields) -> list[Setting]:
    network = resources.object("network")
    class_id = network.integer("classID", 0, UINT32)
    return [] if class_id is None else [group.set("net_cls.classid", class_id, network.field("classID"))]


def priorities(group: Group, resources: Fields) -> list[Setting]:
    settings = []
    for item in resources.object("network").objects("priorities"):
        name, priority = item.string("name"), item.integer("priority", 0, UINT32)
        if name is None or priority is None:
            raise InvalidInput(f"{item.where}: name and priority are required")
        if not name or len(name) > 15 or "/" in name or not name.isprintable() or " " in name:
            raise InvalidInput(f'{item.field("name")}: "{name}" is not the name of a network interface')
        settings.append(group.set("net_prio.ifpriomap", f"{name} {priority}", item.where))
    return settings
