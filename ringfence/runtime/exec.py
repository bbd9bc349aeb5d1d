"""exec: another process in a running container, in its namespaces and cgroups, as confined as its first one."""

from __future__ import annotations

import os

from ringfence.errors import Conflict, Failed
from ringfence.linux import cgroups, namespaces, processes, signals
from ringfence.runtime.compile_exec import compile_exec
from ringfence.runtime.execute import execute
from ringfence.runtime.facts import Facts
from ringfence.runtime.gather import groups_settable, rare, seccomp
from ringfence.runtime.state import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.runtime.execute import Executed
    from ringfence.runtime.interface import Monitoring
    from ringfence.runtime.listener import Listener
    from ringfence.runtime.state import State


def exec(
    record: State,
    process: Mapping[str, Any],
    monitoring: Monitoring | None,
    *,
    privileged: bool = False,
    preserve: Sequence[int] = (),
    frozen: bool = False,
    subgroups: Mapping[str, str] | None = None,
    parent: str = "reaper",
    checked: bool = False,
) -> Executed:
    """Execute `process` (runtime-spec) in the container; with `privileged` without the container's seccomp filter.

    `parent` as for `create`. `checked`: the process is known to be as the runtime-spec has it.

    Raises Conflict unless it is running, InvalidInput, CannotExecute, Failed.
    """
    record.require("exec", frozen=frozen)
    wanted = dict(process)
    if not checked:
        from ringfence.oci import runtime_spec

        runtime_spec.check_process(wanted)
    root = os.path.dirname(record.directory)
    filter, flags = (None, 0) if privileged else seccomp(root, record.spec)
    try:
        first = os.open(f"/proc/{record.pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _ended(record) from None
    try:
        driver = cgroups.usable()
        facts = Facts(
            id=record.id,
            bundle=str(record.document["bundle"]),
            state="",
            driver=driver,
            cgroup=driver.entrance(record.cgroup, record.pid) if driver is not None and record.cgroup else "",
            rootless=not namespaces.privileged(),
            groups=groups_settable(),
            seccomp=filter,
            seccomp_flags=flags,
            monitoring=monitoring,
            preserve=len(preserve),
            namespaces=foreign_namespaces(record, first),
            **rare({}, wanted, record.id),
            subgroups=subgroups,
        )
        plan = compile_exec(wanted, facts)
        encoded = plan.encode(
            stdio="terminal" if wanted.get("terminal") else "inherit" if monitoring is None else "pipes",
            stdin=monitoring is not None and monitoring.stdin,
            parent=parent if monitoring is None else "monitor",
            preserve=len(preserve),
        )
        listener = None if privileged else _listener(record)
        try:
            return execute(plan, encoded, record.directory, preserve=preserve, listener=listener)
        finally:
            if listener is not None:
                listener.close()
    except (Failed, FileNotFoundError) as error:
        if processes.alive(record.pid, record.begun):
            raise
        raise _ended(record) from error  # while we were at it; its cgroups and namespaces went with it
    finally:
        os.close(first)


def _listener(record: State) -> Listener | None:
    """The agent of a filter that notifies; it is told the state of the container as it is."""
    profile = (record.spec.get("linux") or {}).get("seccomp")
    if not profile or not profile.get("listenerPath"):
        return None
    from ringfence.runtime import compile_hooks, listener

    bundle = str(record.document["bundle"])
    return listener.listener(profile, compile_hooks.state(record.spec, record.id, bundle, RUNNING, record.pid))


def abandon(executed: Executed) -> None:
    """End a process whose caller could not be told of it; it is a child of ours or of nobody who waits for it."""
    os.kill(executed.pid, signals.SIGKILL)
    executed.control.close()


def foreign_namespaces(record: State, first: int, operation: str = "exec") -> list[tuple[str, str]]:
    """(kind, path) of the namespaces of the container's first process that are not our own.

    `first` is a descriptor of its directory in /proc, which another process that gets the same pid does not answer to:
    were that one of the host's, so would be every namespace, and nothing would be joined.
    """
    if not processes.alive(record.pid, record.begun):
        raise _ended(record, operation)
    process = f"{os.getpid()}/fd/{first}"
    try:
        inside, host = namespaces.of(process), namespaces.of("self")
    except (ProcessLookupError, FileNotFoundError):
        raise _ended(record, operation) from None
    return [(kind, namespaces.path(process, kind)) for kind in inside if inside[kind] != host.get(kind)]


def _ended(record: State, operation: str = "exec") -> Conflict:
    return Conflict(f"cannot {operation} container {record.id}: it is stopped")
