"""compile: spec and facts → Plan. Pure: it reads nothing and changes nothing; each subject adds its operations.

The order is what the kernel and the runtime-spec force: cgroups exist before the process that joins them; that process
joins its cgroups before it gets its cgroup namespace; hooks run before pivot_root; privileges go last; nothing comes
after the program. What needs nothing of the image comes first, where it may (compile_stage.py); else what lies on the
host is opened before the container's first process is cloned.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.runtime import (
    compile_cgroups,
    compile_hooks,
    compile_mounts,
    compile_namespaces,
    compile_process,
    compile_root,
)
from ringfence.runtime.facts import PID_FILE, START_SOCKET
from ringfence.runtime.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.facts import Facts


def compile_container(spec: dict[str, Any], facts: Facts) -> Plan:
    """The plan that creates a container and executes its program. InvalidInput names what the spec got wrong."""
    plan = Plan()
    process = spec.get("process") or {}
    stage = None
    if facts.monitoring is not None:
        from ringfence.runtime import compile_stage

        stage = compile_stage.of(spec, facts)
    joins = compile_namespaces.begin(plan, spec)
    cgroup_slot = compile_cgroups.create(plan, spec, facts)
    if stage is not None:
        compile_namespaces.clone(plan, spec, joins, cgroup_slot, facts)
        _enter(plan, spec, facts, joins)
        compile_stage.mount(plan, spec, facts, stage)
    if facts.resctrl is not None:
        from ringfence.runtime import compile_resctrl

        compile_resctrl.create(plan, spec, facts)
    begin = plan.position
    root_slot = compile_root.open_root(plan, spec, facts)
    plan.stretches.append((begin, plan.position))
    sources = compile_mounts.open_sources(plan, spec, facts)
    if stage is None:
        joins = compile_namespaces.open_namespaces(plan, spec, joins)
    start = -1
    if facts.wait:
        start = plan.slot("start socket")
        plan.runtime("LISTEN", start, f"{facts.state}/{START_SOCKET}", reason="`start` will knock here")
    begin = plan.position
    compile_process.monitor(plan, facts)
    plan.stretches.append((begin, plan.position))
    if stage is None:
        compile_namespaces.clone(plan, spec, joins, cgroup_slot, facts)
    record = f"{facts.state}/{PID_FILE}"
    plan.runtime("RECORD", record, reason="from here on a later command can find the process")

    if stage is None:
        _enter(plan, spec, facts, joins)
        if any(operation.name == "FORK" for operation in plan.operations):
            plan.runtime("RECORD", record, reason="the first process is the one that was forked")
    compile_namespaces.devices(plan, facts)
    labels = compile_process.open_labels(plan, process, facts)
    compile_root.attach(plan, spec, facts, root_slot)
    if stage is not None:
        compile_stage.move(plan, stage)
    compile_mounts.mount_all(plan, spec, facts, sources, stage.count if stage is not None else 0)
    if stage is None or not stage.devices:
        compile_mounts.devices(plan, spec, sources)
    compile_mounts.console(plan, process, _window(facts), bind=compile_mounts.own_dev(spec))
    compile_namespaces.connected(plan, facts)
    compile_namespaces.parameters(plan, spec)
    compile_hooks.create(plan, spec, facts)
    compile_root.pivot(plan, spec, process, facts, covered=stage is not None and stage.covered)
    compile_process.machine(plan, spec)
    compile_process.attributes(plan, process, facts)
    compile_process.identity(plan, spec, process, facts)
    if process:
        plan.container(
            "RESOLVE", process["args"][0], process.get("env") or [], reason="PATH of the container's environment"
        )
    if facts.wait:
        plan.container("WAIT", start, reason="created; the program runs when `start` says so")
    elif not process:
        raise InvalidInput("process: required to start a container")
    compile_hooks.start(plan, spec, facts)
    compile_process.confine(plan, process, facts, labels)
    compile_process.execute(plan, spec, process)
    return plan


def _enter(plan: Plan, spec: dict[str, Any], facts: Facts, joins: dict[str, int]) -> None:
    """The first process goes from the host's cgroups and namespaces into its own."""
    compile_process.before_namespaces(plan, spec.get("process") or {})
    compile_cgroups.join(plan, facts)
    if facts.resctrl is not None:
        from ringfence.runtime import compile_resctrl

        compile_resctrl.join(plan, spec, facts)
    compile_namespaces.enter(plan, spec, joins, facts)


def _window(facts: Facts) -> tuple[int, int]:
    return facts.monitoring.window if facts.monitoring is not None else (0, 0)
