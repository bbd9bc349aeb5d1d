"""Plan, cgroups: they are made and limited before the first process is cloned, and it joins them by itself.

A process that writes its own "0" into a v1 `tasks` file needs no grace period of the kernel, and CLONE_INTO_CGROUP
places it into the v2 tree at birth; writing another's pid costs 7 to 10 ms on an idle machine (ARCHITECTURE.md).
"""

from __future__ import annotations

from ringfence.runtime.compile_namespaces import host_id, requested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.linux.cgroups import CgroupDriver, Setting
    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

# What a container may do with devices whatever its rules say, as runc appends it: make nodes, use the default devices,
# and the terminals of its own devpts (136 is UNIX98 slave, 5:2 is ptmx: the kernel's admin-guide/devices.txt).
_ALWAYS = [
    {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}
    for kind, major, minor, access in (
        ("c", None, None, "m"),
        ("b", None, None, "m"),
        *[("c", major, minor, "rwm") for major, minor in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2))],
        ("c", 136, None, "rwm"),
    )
]


def create(plan: Plan, spec: dict[str, Any], facts: Facts) -> int:
    """Directories, then limits. Returns the slot of the v2 directory for clone3, or -1."""
    driver = facts.driver
    if driver is None or not facts.cgroup:
        return -1
    resources = dict((spec.get("linux") or {}).get("resources") or {})
    for part in _refused(resources, driver) if facts.rootless else ():
        resources.pop(part, None)  # the caller was told; without privilege no device can be made anyway
    for directory in driver.directories(facts.cgroup):
        own = directory.endswith(facts.cgroup) and not facts.found_cgroup and not driver.keeps(directory)
        reason = "the container's own cgroup, removed with it" if own else "a cgroup above it, which others may share"
        plan.runtime("CGROUP_CREATE", directory, own, reason=reason)
    for setting in driver.preset(facts.cgroup):
        _write(plan, setting)
    listed = resources.get("devices") or []
    rules = listed + _ALWAYS if listed else []
    program = driver.device_program(facts.cgroup, rules)
    if program is not None:
        plan.runtime("CGROUP_DEVICES", *program, reason="linux.resources.devices")
    for setting in driver.devices(facts.cgroup, rules):
        _write(plan, setting)
    for setting in driver.settings(facts.cgroup, resources):
        _write(plan, setting)
    _delegate(plan, spec, facts)
    return open_existing(plan, facts)


def _refused(resources: dict[str, Any], driver: CgroupDriver) -> list[str]:
    from ringfence.linux.cgroups import rootless

    return [*rootless.unenforceable(resources, driver), "devices"]


def _delegate(plan: Plan, spec: dict[str, Any], facts: Facts) -> None:
    """v2: what the container may write of its own cgroup belongs to its user (config-linux.md, Cgroup ownership)."""
    if not facts.delegate or requested(spec).get("cgroup") != "" or not _writable(spec):
        return
    linux, uid = spec.get("linux") or {}, ((spec.get("process") or {}).get("user") or {}).get("uid", 0)
    owner = host_id(linux.get("uidMappings") or [], uid) if "user" in requested(spec) else uid
    directory = facts.driver.joins(facts.cgroup)[1] if facts.driver is not None else None
    if directory is None or not owner:
        return  # the host's root has it already; an id that is not mapped fails where it is set
    for path in (directory, *(f"{directory}/{name}" for name in facts.delegate)):
        plan.runtime("OWN", path, owner, -1, 1, reason="the container may divide its cgroup, but not lift its limits")


def _writable(spec: dict[str, Any]) -> bool:
    return any(
        mount.get("source") == "cgroup"
        and mount["destination"] == "/sys/fs/cgroup"
        and "ro" not in (mount.get("options") or [])
        for mount in spec.get("mounts") or []
    )


def open_existing(plan: Plan, facts: Facts) -> int:
    """The slot of the v2 directory that clone3 places the process into, or -1 where there is none."""
    if facts.driver is None or not facts.cgroup:
        return -1
    directory = facts.driver.joins(facts.cgroup, facts.subgroups)[1]
    if directory is None:
        return -1
    slot = plan.slot("cgroup")
    plan.runtime("OPEN", slot, directory, 0, reason="the process is born in it (CLONE_INTO_CGROUP)")
    return slot


def join(plan: Plan, facts: Facts) -> None:
    """The process enters the v1 hierarchies itself."""
    if facts.driver is None or not facts.cgroup:
        return
    for tasks in facts.driver.joins(facts.cgroup, facts.subgroups)[0]:
        plan.container("JOIN_CGROUP", tasks, reason="before the cgroup namespace, so that its root is this cgroup")


def _write(plan: Plan, setting: Setting) -> None:
    plan.runtime("CGROUP_SET", setting.path, setting.value.encode(), setting.optional, reason=setting.reason)
