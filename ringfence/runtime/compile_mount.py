"""Plan, a mount of a running container: its source is cloned on the host and attached inside, or it is taken away."""

from __future__ import annotations

from ringfence.errors import Unsupported
from ringfence.linux.mountoptions import MountFlag, parse_options
from ringfence.runtime import compile_exec, compile_mounts
from ringfence.runtime.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.facts import Facts


def compile_mount(mount: dict[str, Any], spec: dict[str, Any], facts: Facts) -> Plan:
    """The plan that adds a bind mount (runtime-spec, config: Mounts) to a running container, by a process that leaves.

    The source is cloned where the host is in sight, as at a start, and attached by root of the container.
    """
    options = parse_options(mount.get("options") or [])
    if not compile_mounts.is_bind(mount, options) or options.flags_set & MountFlag.REMOUNT:
        raise Unsupported(f"mount at {mount['destination']}: only a bind can be added to a running container")
    plan = Plan()
    slot = compile_mounts.clone(plan, spec, facts, "mount", mount, options)
    _enter_running(plan, facts)
    target = compile_mounts.place(mount)
    rules = compile_mounts.EXACT | compile_mounts.IN_PROC * (target in compile_mounts.ALLOWED_IN_PROC)
    plan.container("ATTACH", slot, rules, target, reason="its processes see it from here on")
    plan.runtime("LEAVE", reason="nothing of ours stays")
    return plan


def compile_unmount(target: str, facts: Facts) -> Plan:
    """The plan that takes the mount at exactly `target` away from a running container."""
    plan = Plan()
    _enter_running(plan, facts)
    plan.container("DETACH", target, reason="who has files of it open keeps these")
    plan.runtime("LEAVE", reason="nothing of ours stays")
    return plan


def _enter_running(plan: Plan, facts: Facts) -> None:
    joins = compile_exec.open_running(plan, facts)
    compile_exec.clone_into(plan, joins, -1, facts)
    compile_exec.enter_running(plan, joins, facts)
