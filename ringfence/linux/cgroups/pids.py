"""The pids controller (kernel: cgroup-v1/pids.rst; cgroup-v2.rst, "PID")."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups.fields import Fields
    from ringfence.linux.cgroups.setting import Group, Setting


def v1(group: Group, resources: Fields) -> list[Setting]:
    return _limit(group, resources, 0)


def v2(group: Group, resources: Fields) -> list[Setting]:
    """The first process is cloned into a v2 cgroup, which counts as a fork: "none but the first" is 1 there."""
    return _limit(group, resources, 1)


def _limit(group: Group, resources: Fields, least: int) -> list[Setting]:
    pids = resources.object("pids")
    limit = pids.integer("limit", -1)
    if limit is None:
        return []
    return [group.set("pids.max", "max" if limit == -1 else max(limit, least), pids.field("limit"))]


def stats(group: Group) -> dict[str, int | None]:
    limit = group.limit("pids.max")
    return {"current": group.number("pids.current"), "limit": None if limit == -1 else limit}
