"""Plan of a container, or of an exec session, whose runtime is another program's command line (runc, crun).

The helper prepares the root filesystem, lets the runtime create the container from config.json, and watches what it
made. Which steps lie between, only that runtime knows: a plan says what is ours of them.
"""

from __future__ import annotations

import json
import os

from ringfence.linux.mountoptions import MountFlag
from ringfence.runtime import compile_process, compile_root
from ringfence.runtime.facts import PID_FILE
from ringfence.runtime.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ringfence.runtime.facts import Facts

ROOTFS = "rootfs"
INIT = "/dev/init"
"""Where a container that asked for an init has a copy of the helper: on its /dev, which is no part of its diff."""
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = (f"PATH={SEARCH_PATH}",)
_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS


def arguments(program: str, directory: str) -> list[str]:
    """The beginning of every command: the runtime keeps its state in the container's own directory, and no log.

    Its last word on standard error says why it failed. Every option is one that runc and crun share.
    """
    return [program, "--root", f"{directory}/root", "--log", "/dev/null"]


def compile_container(spec: dict[str, Any], facts: Facts, program: str, mount_point: str) -> Plan:
    """The plan that has `program` create and start a container. `mount_point` is the mount that holds facts.state.

    The root filesystem is attached in a mount namespace that only the helper and the runtime's `create` are in. The
    container's own is a copy of it, so that the mount ends with the container, and there is none on the host to leak.
    """
    plan = Plan()
    begin, id = arguments(program, facts.state), facts.id
    plan.runtime("RECORD", f"{facts.state}/{PID_FILE}", reason="from here on a later command can find this helper")
    root = compile_root.open_root(plan, spec, facts)
    compile_process.monitor(plan, facts)
    host = plan.slot("mount namespace of the host")
    plan.runtime("OPEN", host, "/proc/self/ns/mnt", _NEW_MOUNTS, reason="the way back")
    plan.runtime("UNSHARE", _NEW_MOUNTS, reason="the root filesystem is mounted for the runtime alone")
    plan.runtime("PROPAGATION", mount_point, int(MountFlag.SLAVE), reason="other mounts stay shared with the host's")
    plan.runtime("ROOT", root, f"{facts.bundle}/{ROOTFS}", reason="root.path of config.json")
    plan.runtime("CLEANUP", [*begin, "delete", "--force", id], ENVIRONMENT, reason="who made it removes it")
    process, console = spec.get("process") or {}, _console(facts.bundle, spec.get("process") or {}, "console")
    create = [*begin, "create", "--bundle", facts.bundle, "--pid-file", f"{facts.bundle}/pid", *console[0], id]
    reason = f"{os.path.basename(program)} does the rest, as config.json says, up to the program"
    plan.runtime("COMMAND", facts.bundle, create, ENVIRONMENT, f"{facts.bundle}/pid", console[1], b"", reason=reason)
    plan.runtime("JOIN", host, _NEW_MOUNTS, "of the host", reason="the container has a copy of the private one")
    if facts.connect:
        plan.runtime("CONNECT", reason="the engine plugs links into the network namespace that was made")
        plan.runtime("CONNECTED", reason="the program finds the links")
    start = [*begin, "start", id]
    plan.runtime(
        "COMMAND", facts.bundle, start, ENVIRONMENT, "", "", b"", reason=f"execute {' '.join(process['args'])}"
    )
    plan.runtime("RECORD", f"{facts.state}/{PID_FILE}", reason="from here on the container is a running one")
    return plan


def compile_exec(process: dict[str, Any], facts: Facts, program: str, name: str) -> Plan:
    """The plan that has `program` execute another process; no other file of the bundle has this `name`."""
    plan = Plan()
    compile_process.monitor(plan, facts)
    console, path = _console(facts.bundle, process, name), f"{facts.bundle}/{name}"
    command = [*arguments(program, facts.state), "exec", "--detach", "--process", "@"]
    command += ["--pid-file", f"{path}.pid", *console[0], facts.id]
    reason = "the new process becomes the monitor's child"
    document = json.dumps(process).encode("utf-8", "surrogateescape")
    plan.runtime("COMMAND", facts.bundle, command, ENVIRONMENT, f"{path}.pid", console[1], document, reason=reason)
    return plan


def _console(bundle: str, process: dict[str, Any], name: str) -> tuple[Sequence[str], str]:
    """Flags for a terminal, and where its master is sent to: by its name alone, for an address holds 107 bytes."""
    if not process.get("terminal"):
        return (), ""
    return ("--console-socket", f"{name}.sock"), f"{bundle}/{name}.sock"
