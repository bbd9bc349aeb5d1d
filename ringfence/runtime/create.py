"""create: check the spec, claim the id, compile the plan, execute it; on any error nothing is left (A09)."""

from __future__ import annotations

import os
import time

from ringfence import json
from ringfence.errors import Conflict, InvalidInput, RingfenceError
from ringfence.linux import cgroups, namespaces, processes, signals
from ringfence.oci import runtime_spec
from ringfence.runtime import claim, compile_hooks, compile_process
from ringfence.runtime.compile import compile_container
from ringfence.runtime.execute import Executed, HelperDied, execute
from ringfence.runtime.facts import Facts
from ringfence.runtime.gather import groups_settable, rare, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.linux.cgroups.lending import Loan
    from ringfence.linux.cgroups.systemd import Scope
    from ringfence.runtime.launch import Launch
    from ringfence.runtime.listener import Listener
    from ringfence.runtime.netdevices import Mover
    from ringfence.runtime.plan import Plan
    from ringfence.runtime.repeat import Plans
    from ringfence.runtime.sandbox import Sandbox, Sandboxes


_OURS = ("/ringrun/", "/ringfence/")  # a cgroup found there is what a killed create has left


def plan_of(root: str, launch: Launch, *, wait: bool = False, preserve: int = 0) -> Plan:
    """The plan that `create` would execute, with nothing done: for `explain` and for tests."""
    runtime_spec.check(launch.spec)
    return compile_container(launch.spec, _facts(root, f"{root}/{launch.id}", launch, wait, preserve))


def create(
    root: str,
    launch: Launch,
    *,
    wait: bool = False,
    preserve: Sequence[int] = (),
    parent: str = "reaper",
    prepare: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None,
    sandboxes: Sandboxes | None = None,
    plans: Plans | None = None,
) -> Executed:
    """Create the container and, unless `wait`, execute its program. `root` holds the state directories.

    `sandboxes`: where one may be prepared for this container already, and is for the next one like it; with them
    `plans`, of which one may be this container's but for its id.

    Without monitoring the process inherits our stdin, stdout and stderr, and becomes a child of the nearest subreaper
    (`parent` "reaper") or of ours ("caller"). `prepare` gets the state directory and the spec, and returns the spec
    that is to be executed.
    Raises InvalidInput, Conflict (id in use), CannotExecute, Failed.
    """
    spec = launch.spec
    known = plans.of(launch) if plans is not None else None
    warnings = [] if known is not None else _check(spec)
    if not spec.get("process") and not wait:
        raise InvalidInput("process: required to start a container")
    directory = claim.claim(root, launch.id)
    plan = mover = scope = loan = None
    executed = Executed()
    sandbox = sandboxes.of(launch.id) if sandboxes is not None else None
    try:
        if launch.environment and spec.get("process"):
            process = spec["process"]
            spec = {**spec, "process": {**process, "env": [*(process.get("env") or []), *launch.environment]}}
        if prepare is not None:
            spec = prepare(directory, spec)
        facts = _facts(root, directory, launch, wait, len(preserve))
        if sandbox is None:
            require_unused(facts)
        if facts.driver is not None and not facts.found_cgroup:
            facts.driver.assume_new(facts.cgroup)
        loan = _lend(launch, facts)
        scope = _hold(launch, facts)
        again = known.again(spec, facts) if known is not None else None
        plan = again[0] if again is not None else compile_container(spec, facts)
        claim.write(directory, _document(launch, facts), launch.text or json.dumps(launch.spec))
        encoded = again[1] if again is not None else _encode(plan, launch, spec, parent, len(preserve))
        if plans is not None and again is None and not warnings:
            plans.keep(launch, facts, plan, encoded)
        if facts.netdevices:
            mover = _mover(facts)
        if sandbox is not None:
            _adopt(executed, sandbox, encoded, facts)
            sandbox = None
        listener = _listener(launch, wait)

        def meanwhile() -> None:
            if launch.meanwhile is not None:
                launch.meanwhile()
            if sandboxes is not None and plan is not None:
                sandboxes.prepare(plan, encoded, launch.id, directory)

        _execute(plan, encoded, facts, preserve, listener, mover, launch.connect, executed, meanwhile)
        executed.warnings = warnings
        if scope is not None:
            held, scope = scope, None
            held.release()
        if loan is not None:
            loan.end()
    except BaseException as error:
        if executed.helper:
            executed.abandon()
            _undo_cgroups(facts)
        elif sandbox is not None:
            sandbox.end()
        if scope is not None:
            scope.abandon()
        if mover is not None:
            mover.take_back()
        if loan is not None:
            loan.cancel()
        if plan is not None and (spec.get("hooks") or {}).get("poststop"):
            _poststop(plan, root, launch.id, error)
        claim.remove(directory)
        raise
    finally:
        if mover is not None:
            mover.close()
    return executed


def _check(spec: dict[str, Any]) -> list[str]:
    """What is to be said of a spec that can be executed, one line each."""
    return [*runtime_spec.check(spec), *compile_process.unknown_capabilities(spec.get("process") or {})]


def _encode(plan: Plan, launch: Launch, spec: dict[str, Any], parent: str, preserve: int) -> bytes:
    return plan.encode(
        stdio=stdio(launch, spec.get("process") or {}),
        stdin=launch.monitoring is not None and launch.monitoring.stdin,
        parent=parent if launch.monitoring is None else "monitor",
        preserve=preserve,
        fault=launch.fault,
    )


def _hold(launch: Launch, facts: Facts) -> Scope | None:
    """The cgroup, made by whoever manages it if that is not us."""
    if facts.driver is None or not launch.cgroup_manager:
        return None
    resources = dict((launch.spec.get("linux") or {}).get("resources") or {})
    return facts.driver.hold(facts.cgroup, resources, launch.spec.get("annotations") or {}, launch.id)


def _lend(launch: Launch, facts: Facts) -> Loan | None:
    if facts.driver is None or not facts.cgroup:
        return None
    return facts.driver.lend(facts.cgroup, (launch.spec.get("linux") or {}).get("resources") or {})


def _mover(facts: Facts) -> Mover:
    from ringfence.runtime.netdevices import Mover

    return Mover(facts.netdevices)


def _listener(launch: Launch, wait: bool) -> Listener | None:
    """The agent of a filter that notifies, connected before anything is made; `start` connects for a created one."""
    profile = (launch.spec.get("linux") or {}).get("seccomp")
    if not profile or not profile.get("listenerPath") or wait:
        return None
    from ringfence.runtime import listener, state

    document = compile_hooks.state(launch.spec, launch.id, os.path.abspath(launch.bundle), state.CREATING, 0)
    return listener.listener(profile, document)


def _poststop(plan: Plan, root: str, id: str, error: BaseException) -> None:
    """A container that fails once its hooks have begun is destroyed like any other (runtime.md, Lifecycle: 3 to 5, 13).

    What the hooks say is told as notes of the error; where none has run there is nothing for them to undo.
    """
    first = next((n for n, one in enumerate(plan.operations) if one.name == "HOOK"), len(plan.operations))
    if first <= plan.failed_at or (isinstance(error, HelperDied) and first < len(plan.operations)):
        from ringfence.runtime import hooks, state

        for warning in hooks.run_all(state.load(root, id), "poststop", state.STOPPED):
            error.add_note(warning)


def require_unused(facts: Facts) -> None:
    """Whoever is in the cgroup already would be limited, counted and killed as the container's; frozen, none starts."""
    driver, cgroup = facts.driver, facts.cgroup
    if driver is None or not driver.exists(cgroup):
        return
    if driver.processes(cgroup):
        raise Conflict(f"linux.cgroupsPath: {cgroup} has processes in it", hint="give the container one of its own")
    if driver.frozen(cgroup):
        raise Conflict(f"linux.cgroupsPath: {cgroup} is frozen", hint="thaw it, or give the container one of its own")
    facts.found_cgroup = not cgroup.removeprefix(driver.base or "").startswith(_OURS)


def _adopt(executed: Executed, sandbox: Sandbox, encoded: bytes, facts: Facts) -> None:
    """Let a prepared sandbox go on with the plan; nothing is left of one that is not what the plan needs."""
    if sandbox.give(encoded):
        executed.control = sandbox.control
        executed.helper = sandbox.helper
        return
    sandbox.end()
    _undo_cgroups(facts)  # of one that was killed


def _execute(
    plan: Plan,
    encoded: bytes,
    facts: Facts,
    preserve: Sequence[int],
    listener: Listener | None,
    mover: Mover | None,
    connect: Callable[[int], None] | None,
    executed: Executed,
    meanwhile: Callable[[], None],
) -> None:
    try:
        execute(
            plan, encoded, facts.state, preserve=preserve, listener=listener, mover=mover, connect=connect,
            executed=executed, meanwhile=meanwhile,
        )  # fmt: skip
    except RingfenceError as error:
        if isinstance(error, HelperDied):
            _undo_cgroups(facts)
        raise
    except BaseException:
        _undo_cgroups(facts)
        raise
    finally:
        if listener is not None:
            listener.close()


def _undo_cgroups(facts: Facts) -> None:
    """What a helper that was killed, or a container that nobody monitored, leaves: mounts end with its processes."""
    if facts.driver is not None and facts.driver.exists(facts.cgroup):
        facts.driver.kill(facts.cgroup, signals.SIGKILL)
        if not facts.found_cgroup:
            facts.driver.remove(facts.cgroup)


def stdio(launch: Launch, process: dict[str, Any]) -> str:
    """How the process's standard streams are connected: terminal, pipes to the monitor, or inherited."""
    if process.get("terminal"):
        return "terminal"
    return "inherit" if launch.monitoring is None else "pipes"


def cgroup_path(spec: dict[str, Any], id: str, manager: str = "") -> str:
    """linux.cgroupsPath; a relative one is below the root of the hierarchies, none at all is /ringrun/<id>."""
    if manager:
        from ringfence.linux.cgroups import systemd

        return systemd.path((spec.get("linux") or {}).get("cgroupsPath") or "", id)
    path = (spec.get("linux") or {}).get("cgroupsPath") or f"/ringrun/{id}"
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidInput(f'linux.cgroupsPath: "{path}" must not contain ".."')
    if not parts:
        raise InvalidInput(f'linux.cgroupsPath: "{path}" is the root, which a container cannot have for its own')
    return "/" + "/".join(parts)


def _facts(root: str, directory: str, launch: Launch, wait: bool, preserve: int) -> Facts:
    filter, flags = seccomp(root, launch.spec)
    driver = cgroups.usable(launch.cgroup_manager)
    if launch.cgroup_manager == "disabled":
        _refuse_limits((launch.spec.get("linux") or {}).get("resources") or {})
    return Facts(
        id=launch.id,
        bundle=os.path.abspath(launch.bundle),
        state=directory,
        driver=driver,
        cgroup="" if driver.base is None else driver.base + cgroup_path(launch.spec, launch.id, launch.cgroup_manager),
        seccomp=filter,
        seccomp_flags=flags,
        root=launch.root,
        volatile=launch.volatile,
        monitoring=launch.monitoring,
        wait=wait,
        rootless=not namespaces.privileged(),
        groups=groups_settable(),
        preserve=preserve,
        delegate=_delegated(driver),
        hide=_kernel_mounts() if launch.no_pivot else None,
        keyring=launch.keyring,
        connect=launch.connect is not None,
        environment=launch.hook_environment,
        **rare(launch.spec, launch.spec.get("process") or {}, launch.id),
    )


def _refuse_limits(resources: dict[str, Any]) -> None:
    """Rules for devices hold nobody back who could not make one anyway; any other limit would be an empty promise."""
    for name, wanted in resources.items():
        if wanted and name != "devices":
            raise InvalidInput(f"linux.resources.{name}: there is no limit without a cgroup",
                               hint="--cgroup-manager is disabled")  # fmt: skip


def _delegated(driver: CgroupDriver) -> list[str]:
    # Delegation is unsafe in v1; an ordinary user owns its cgroup already.
    if driver.kind != "v2" or not namespaces.privileged():
        return []
    from ringfence.linux.cgroups import delegation

    return delegation.files()


def _kernel_mounts() -> list[str]:
    """Where the host has procfs and sysfs, the last mounted first."""
    from ringfence.linux import mountinfo

    return [entry.target for entry in reversed(mountinfo.read()) if entry.type in ("proc", "sysfs")]


def _resctrl(spec: dict[str, Any], facts: Facts) -> list[str]:
    from ringfence.runtime import compile_resctrl

    return compile_resctrl.owned(spec, facts)


def _document(launch: Launch, facts: Facts) -> dict[str, Any]:
    return {
        "id": launch.id,
        "bundle": facts.bundle,
        "cgroup": facts.cgroup,
        "created": time.time_ns(),
        "creator": processes.own(),
        **({"manager": launch.cgroup_manager} if launch.cgroup_manager else {}),
        **({"found_cgroup": True} if facts.found_cgroup else {}),
        **({"resctrl": _resctrl(launch.spec, facts)} if facts.resctrl is not None else {}),
        **({"hooks": launch.spec["hooks"]} if launch.spec.get("hooks") else {}),
    }
