"""exec: another process in a running container, in its namespaces and cgroups, as confined as its first one."""

from __future__ import annotations

import os

from ringfence.linux import cgroups, namespaces
from ringfence.oci import runtime_spec
from ringfence.runtime.compile import compile_exec
from ringfence.runtime.create import seccomp
from ringfence.runtime.execute import execute
from ringfence.runtime.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.runtime.execute import Executed
    from ringfence.runtime.interface import Monitoring
    from ringfence.runtime.state import State


def exec(
    record: State,
    process: Mapping[str, Any],
    monitoring: Monitoring | None,
    *,
    privileged: bool = False,
    preserve: Sequence[int] = (),
    frozen: bool = False,
) -> Executed:
    """Execute `process` (runtime-spec) in the container; with `privileged` without the container's seccomp filter.

    Raises Conflict unless it is running, InvalidInput, CannotExecute, Failed.
    """
    record.require("exec", frozen=frozen)
    wanted = dict(process)
    runtime_spec.check_process(wanted)
    root = os.path.dirname(record.directory)
    filter, flags = (None, 0) if privileged else seccomp(root, record.spec)
    facts = Facts(
        id=record.id,
        bundle=str(record.document["bundle"]),
        state="",
        driver=cgroups.driver(cgroups.layout()),
        cgroup=record.cgroup,
        seccomp=filter,
        seccomp_flags=flags,
        monitoring=monitoring,
        preserve=len(preserve),
        namespaces=foreign_namespaces(record.pid),
    )
    plan = compile_exec(wanted, facts)
    encoded = plan.encode(
        stdio="terminal" if wanted.get("terminal") else "inherit" if monitoring is None else "pipes",
        stdin=monitoring is not None and monitoring.stdin,
        detach=monitoring is None,
        preserve=len(preserve),
    )
    return execute(plan, encoded, record.directory, preserve=preserve)


def foreign_namespaces(pid: int) -> list[tuple[str, str]]:
    """(kind, path) of the namespaces of a process that are not our own."""
    shared = namespaces.same_as_host(pid)
    return [(kind, namespaces.path(pid, kind)) for kind, same in shared.items() if not same]
