"""Plan, linux.intelRdt: the class of service and the monitoring group, made if need be and joined (config-linux.md)."""

from __future__ import annotations

from ringfence.errors import Conflict, NotFound
from ringfence.linux.resctrl import domains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan


def create(plan: Plan, spec: dict[str, Any], facts: Facts) -> None:
    """A class of the container's own is removed with it, one that has a name of its own stays."""
    wanted, group = (spec.get("linux") or {}).get("intelRdt"), facts.resctrl
    if not wanted or group is None:
        return
    named = bool(wanted.get("closID"))
    lines = [wanted[key] for key in ("l3CacheSchema", "memBwSchema") if wanted.get(key)]
    if group.schemata is None:
        if named and not lines and not wanted.get("schemata"):
            raise NotFound(f"linux.intelRdt.closID: {group.directory} does not exist", hint="make it, or give schemata")
        plan.runtime("CGROUP_CREATE", group.directory, not named, reason="linux.intelRdt.closID")
    elif named:
        _compare("\n".join(lines), group.schemata)
    lines += wanted.get("schemata") or []
    if lines:
        schemata = "".join(f"{line}\n" for line in lines)
        plan.runtime("CGROUP_SET", f"{group.directory}/schemata", schemata.encode(), 0, reason="linux.intelRdt")
    if wanted.get("enableMonitoring"):
        plan.runtime("CGROUP_CREATE", _monitoring(facts), 1, reason="linux.intelRdt.enableMonitoring")


def join(plan: Plan, spec: dict[str, Any], facts: Facts) -> None:
    """The class first: only its tasks may enter its monitoring groups."""
    wanted, group = (spec.get("linux") or {}).get("intelRdt"), facts.resctrl
    if not wanted or group is None:
        return
    plan.container("JOIN_CGROUP", f"{group.directory}/tasks", reason="linux.intelRdt")
    if wanted.get("enableMonitoring"):
        plan.container("JOIN_CGROUP", f"{_monitoring(facts)}/tasks", reason="linux.intelRdt.enableMonitoring")


def owned(spec: dict[str, Any], facts: Facts) -> list[str]:
    """The directories that go with the container, in the order in which they can be removed."""
    wanted, group = (spec.get("linux") or {}).get("intelRdt"), facts.resctrl
    if not wanted or group is None:
        return []
    own = [_monitoring(facts)] if wanted.get("enableMonitoring") else []
    return own if wanted.get("closID") or group.schemata is not None else [*own, group.directory]


def _monitoring(facts: Facts) -> str:
    return f"{facts.resctrl.directory}/mon_groups/{facts.id}" if facts.resctrl is not None else ""


def _compare(wanted: str, present: str) -> None:
    there = domains(present)
    for name, values in domains(wanted).items():
        if not set(values) <= set(there.get(name, ())):
            raise Conflict(f"linux.intelRdt: the class of service has {name}:{';'.join(there.get(name, ()))} already")
