"""Plan, cgroups: they are made and limited before the first process is cloned, and it joins them by itself.

A process that writes its own "0" into a v1 `tasks` file needs no grace period of the kernel, and CLONE_INTO_CGROUP
places it into the v2 tree at birth; writing another's pid costs 7 to 10 ms on an idle machine (ARCHITECTURE.md).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.linux.cgroups import Setting
    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan


def create(plan: Plan, spec: dict[str, Any], facts: Facts) -> int:
    """Directories, then limits. Returns the slot of the v2 directory for clone3, or -1."""
    driver = facts.driver
    if driver is None or not facts.cgroup:
        return -1
    resources = (spec.get("linux") or {}).get("resources") or {}
    for directory in driver.directories(facts.cgroup):
        plan.runtime("CGROUP_CREATE", directory, reason="the container's own cgroup")
    for setting in driver.preset(facts.cgroup):
        _write(plan, setting)
    rules = resources.get("devices") or []
    if rules and driver.kind == "v2":
        from ringfence.linux.cgroups import device_program

        directory = driver.joins(facts.cgroup)[1]
        assert directory is not None
        plan.runtime("CGROUP_DEVICES", directory, device_program(rules), reason="linux.resources.devices")
    elif rules:
        for setting in driver.devices(facts.cgroup, rules):
            _write(plan, setting)
    for setting in driver.settings(facts.cgroup, resources):
        _write(plan, setting)
    return open_existing(plan, facts)


def open_existing(plan: Plan, facts: Facts) -> int:
    """The slot of the v2 directory that clone3 places the process into, or -1 where there is none."""
    if facts.driver is None or not facts.cgroup:
        return -1
    directory = facts.driver.joins(facts.cgroup)[1]
    if directory is None:
        return -1
    slot = plan.slot("cgroup")
    plan.runtime("OPEN", slot, directory, 0, reason="the process is born in it (CLONE_INTO_CGROUP)")
    return slot


def join(plan: Plan, facts: Facts) -> None:
    """The process enters the v1 hierarchies itself."""
    if facts.driver is None or not facts.cgroup:
        return
    for tasks in facts.driver.joins(facts.cgroup)[0]:
        plan.container("JOIN_CGROUP", tasks, reason="before the cgroup namespace, so that its root is this cgroup")


def _write(plan: Plan, setting: Setting) -> None:
    plan.runtime("CGROUP_SET", setting.path, setting.value.encode(), setting.optional, reason=setting.reason)
