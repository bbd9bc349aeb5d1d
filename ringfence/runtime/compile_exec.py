"""compile an exec: a process object and facts → Plan, as `compile` does for a container. Pure, and light to import.

The commands that execute something in a container start an interpreter for it, and each module costs 0.15 ms.
"""

from __future__ import annotations

from ringfence.linux.namespaces import KINDS
from ringfence.runtime import compile_cgroups, compile_namespaces, compile_process
from ringfence.runtime.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.compile_namespaces import Joins
    from ringfence.runtime.facts import Facts


def compile_exec(process: dict[str, Any], facts: Facts) -> Plan:
    """The plan that executes another process in a running container, whose namespaces are `facts.namespaces`."""
    plan = Plan()
    cgroup_slot = compile_cgroups.open_existing(plan, facts)
    joins = open_running(plan, facts)
    compile_process.monitor(plan, facts)
    compile_process.affinity(plan.runtime, process, "initial")
    clone_into(plan, joins, cgroup_slot, facts)
    if facts.state:
        plan.runtime("RECORD", facts.state, reason="the process id of this exec session")
    compile_process.before_namespaces(plan, process)
    compile_cgroups.join(plan, facts)
    compile_process.affinity(plan.container, process, "final")
    labels = compile_process.open_labels(plan, process, facts)
    enter_running(plan, joins, facts)
    if process.get("terminal"):
        from ringfence.runtime import compile_mounts

        window = facts.monitoring.window if facts.monitoring is not None else (0, 0)
        compile_mounts.console(plan, process, window, bind=False)
    compile_process.attributes(plan, process, facts)
    plan.container("CWD", process["cwd"], 0, reason="process.cwd")
    compile_process.identity(plan, {}, process, facts)
    plan.container("RESOLVE", process["args"][0], process.get("env") or [], reason="PATH of the process's environment")
    compile_process.confine(plan, process, facts, labels)
    compile_process.execute(plan, {}, process)
    return plan


def open_running(plan: Plan, facts: Facts) -> Joins:
    """Open the namespaces of the running container that differ from ours."""
    joins = {}
    for kind, path in facts.namespaces:
        joins[kind] = plan.slot(f"{kind} namespace")
        plan.runtime("OPEN", joins[kind], path, int(KINDS[kind].flag), reason="a namespace of the running container")
    return joins


def clone_into(plan: Plan, joins: Joins, cgroup_slot: int, facts: Facts) -> None:
    """A process that is born in the container's pid and time namespaces; see `compile_namespaces.clone`."""
    born = {} if facts.rootless else joins
    plan.runtime("CLONE", 0, cgroup_slot, born.get("pid", -1), born.get("time", -1), "", reason="the new process")


def enter_running(plan: Plan, joins: Joins, facts: Facts) -> None:
    """Join the rest; the user namespace last, since with it the privilege to join others goes."""
    if facts.rootless:
        compile_namespaces.enter_for_children(plan, {}, joins)
    for kind in ("cgroup", "ipc", "uts", "network", "mount", "user"):
        if kind in joins:
            plan.container("JOIN", joins[kind], int(KINDS[kind].flag), kind, reason="a namespace of the container")
    if "user" in joins:
        plan.container("BECOME", reason="root of the user namespace until the process's own user is set")
