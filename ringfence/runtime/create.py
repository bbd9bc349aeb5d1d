"""create: check the spec, claim the id, compile the plan, execute it; on any error nothing is left (A09)."""

from __future__ import annotations

import os
import signal

from ringfence.errors import Conflict, InvalidInput, RingfenceError
from ringfence.linux import cgroups, processes
from ringfence.oci import runtime_spec
from ringfence.runtime import state
from ringfence.runtime.compile import compile_container
from ringfence.runtime.execute import HelperDied, execute
from ringfence.runtime.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ringfence.runtime.execute import Executed
    from ringfence.runtime.interface import Launch
    from ringfence.runtime.plan import Plan


def plan_of(root: str, launch: Launch, *, wait: bool = False, preserve: int = 0) -> Plan:
    """The plan that `create` would execute, with nothing done: for `explain` and for tests."""
    runtime_spec.check(launch.spec)
    return compile_container(launch.spec, _facts(root, f"{root}/{launch.id}", launch, wait, preserve))


def create(root: str, launch: Launch, *, wait: bool = False, preserve: Sequence[int] = ()) -> Executed:
    """Create the container and, unless `wait`, execute its program. `root` holds the state directories.

    Without monitoring the process inherits our stdin, stdout and stderr and becomes a child of the nearest subreaper.
    Raises InvalidInput, Conflict (id in use), CannotExecute, Failed.
    """
    spec = launch.spec
    runtime_spec.check(spec)
    if not spec.get("process") and not wait:
        raise InvalidInput("process: required to start a container")
    directory = state.claim(root, launch.id)
    try:
        facts = _facts(root, directory, launch, wait, len(preserve))
        _require_unused(facts)
        plan = compile_container(spec, facts)
        state.write(directory, _document(launch, facts))
        encoded = plan.encode(
            stdio=stdio(launch, spec.get("process") or {}),
            stdin=launch.monitoring is not None and launch.monitoring.stdin,
            detach=launch.monitoring is None,
            preserve=len(preserve),
            fault=launch.fault,
        )
        return _execute(plan, encoded, facts, preserve)
    except BaseException:
        state.remove(directory)
        raise


def _require_unused(facts: Facts) -> None:
    """Whoever is in the cgroup already would be limited, counted and killed as the container's."""
    driver, cgroup = facts.driver, facts.cgroup
    if driver is not None and driver.exists(cgroup) and driver.processes(cgroup):
        raise Conflict(f"linux.cgroupsPath: {cgroup} has processes in it", hint="give the container one of its own")


def _execute(plan: Plan, encoded: bytes, facts: Facts, preserve: Sequence[int]) -> Executed:
    try:
        return execute(plan, encoded, facts.state, preserve=preserve)
    except RingfenceError as error:
        if isinstance(error, HelperDied):
            _undo_cgroups(facts)
        raise
    except BaseException:
        _undo_cgroups(facts)
        raise


def _undo_cgroups(facts: Facts) -> None:
    """What a helper that was killed, or a container that nobody monitored, leaves: mounts end with its processes."""
    if facts.driver is not None and facts.driver.exists(facts.cgroup):
        facts.driver.kill(facts.cgroup, signal.SIGKILL)
        facts.driver.remove(facts.cgroup)


def stdio(launch: Launch, process: dict[str, Any]) -> str:
    """How the process's standard streams are connected: terminal, pipes to the monitor, or inherited."""
    if process.get("terminal"):
        return "terminal"
    return "inherit" if launch.monitoring is None else "pipes"


def cgroup_path(spec: dict[str, Any], id: str) -> str:
    """linux.cgroupsPath; a relative one is below the root of the hierarchies, none at all is /ringrun/<id>."""
    path = (spec.get("linux") or {}).get("cgroupsPath") or f"/ringrun/{id}"
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidInput(f'linux.cgroupsPath: "{path}" must not contain ".."')
    if not parts:
        raise InvalidInput(f'linux.cgroupsPath: "{path}" is the root, which a container cannot have for its own')
    return "/" + "/".join(parts)


def _facts(root: str, directory: str, launch: Launch, wait: bool, preserve: int) -> Facts:
    filter, flags = seccomp(root, launch.spec)
    return Facts(
        id=launch.id,
        bundle=os.path.abspath(launch.bundle),
        state=directory,
        driver=cgroups.driver(cgroups.layout()),
        cgroup=cgroup_path(launch.spec, launch.id),
        seccomp=filter,
        seccomp_flags=flags,
        root=launch.root,
        volatile=launch.volatile,
        monitoring=launch.monitoring,
        wait=wait,
        rootless=os.geteuid() != 0,
        preserve=preserve,
    )


def seccomp(root: str, spec: dict[str, Any]) -> tuple[bytes | None, int]:
    """The compiled filter of linux.seccomp and its flags for seccomp(2); compiled once for all containers."""
    profile = (spec.get("linux") or {}).get("seccomp")
    if not profile:
        return None, 0
    from ringfence.linux import seccomp as facility

    return facility.cached_filter(profile, os.path.join(os.path.dirname(root), "seccomp")), facility.flags(profile)


def _document(launch: Launch, facts: Facts) -> dict[str, Any]:
    own = os.getpid()
    return {
        "id": launch.id,
        "bundle": facts.bundle,
        "cgroup": facts.cgroup,
        "creator": [own, processes.start_time(own)],
        "spec": launch.spec,
    }
