"""The verbs of ringrun: each turns its arguments into one operation of the runtime and prints what runc would."""

from __future__ import annotations

import json
import os
import sys

from ringfence.errors import Conflict, InvalidInput, NotFound
from ringfence.linux import cgroups, signals
from ringfence.oci import runtime_spec
from ringfence.runtime import create as runtime_create
from ringfence.runtime import delete as runtime_delete
from ringfence.runtime import exec as runtime_exec
from ringfence.runtime import hooks
from ringfence.runtime import kill as runtime_kill
from ringfence.runtime import pause as runtime_pause
from ringfence.runtime import start as runtime_start
from ringfence.runtime import state as states
from ringfence.runtime import update as runtime_update
from ringfence.runtime.compile_hooks import state as oci_state
from ringfence.runtime.interface import Launch
from ringfence.runtime.ringrun import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.runtime.execute import Executed


def create(options: argparse.Namespace) -> int:
    """Create; the program waits for `start`."""
    _launch(options, wait=True, needs_socket=True).control.close()
    return 0


def run(options: argparse.Namespace) -> int:
    """Create and start; in the foreground the exit status is the container's."""
    if options.detach:
        _launch(options, wait=False, needs_socket=True).control.close()
        _poststart(options)
        return 0
    terminal.become_subreaper()
    executed = _launch(options, wait=False, needs_socket=False)
    _poststart(options)
    status = terminal.attend(executed)
    if not options.keep:
        record = states.load(options.root, options.id)
        _warn(runtime_delete.delete(record, _driver(), force=True))
    return status


def _poststart(options: argparse.Namespace) -> None:
    record = states.load(options.root, options.id)
    try:
        hooks.run(record, "poststart", states.RUNNING)
    except BaseException:
        runtime_delete.delete(record, _driver(), force=True)
        raise


def _launch(options: argparse.Namespace, *, wait: bool, needs_socket: bool) -> Executed:
    bundle = os.path.abspath(options.bundle)
    spec = runtime_spec.load(f"{bundle}/config.json")
    _check_console(options, bool((spec.get("process") or {}).get("terminal")), needs_socket)
    preserve = _preserved(options)
    launch = Launch(options.id, spec, bundle)
    executed = runtime_create.create(options.root, launch, wait=wait, preserve=preserve)
    return _hand_over(options, executed)


def _hand_over(options: argparse.Namespace, executed: Executed) -> Executed:
    try:
        return _give(options, executed)
    except BaseException:  # nobody would know of it
        runtime_delete.delete(states.load(options.root, options.id), _driver(), force=True)
        raise


def _give(options: argparse.Namespace, executed: Executed) -> Executed:
    if options.console_socket:
        terminal.send_master(options.console_socket, executed.terminal)
    if options.pid_file:
        _write_pid_file(options.pid_file, executed.pid)
    return executed


def _check_console(options: argparse.Namespace, wants: bool, needs_socket: bool) -> None:
    if options.console_socket and not wants:
        raise InvalidInput("--console-socket: process.terminal is not true")
    if wants and needs_socket and not options.console_socket:
        raise InvalidInput("process.terminal: needs --console-socket when nobody waits for the container")


def _preserved(options: argparse.Namespace) -> Sequence[int]:
    count = options.preserve_fds
    if not os.environ.get("LISTEN_FDS", "").isdigit():
        return range(3, 3 + count)
    return range(3, 3 + count + int(os.environ["LISTEN_FDS"]))


def _write_pid_file(path: str, pid: int) -> None:
    temporary = f"{path}.new"
    with open(temporary, "w") as file:
        file.write(str(pid))
    os.rename(temporary, path)


def start(options: argparse.Namespace) -> int:
    """Start a created container."""
    runtime_start.start(states.load(options.root, options.id))
    return 0


def state(options: argparse.Namespace) -> int:
    """Print the OCI state."""
    record = states.load(options.root, options.id)
    status = record.status(frozen=_frozen(record))
    print(json.dumps(oci_state(record.spec, record.id, record.document["bundle"], status, record.pid), indent=2))
    return 0


def kill(options: argparse.Namespace) -> int:
    """Send a signal."""
    record = states.load(options.root, options.id)
    runtime_kill.kill(record, signals.parse(options.signal), _driver(), all=options.all)
    return 0


def delete(options: argparse.Namespace) -> int:
    """Delete a stopped container."""
    try:
        record = states.load(options.root, options.id)
    except NotFound:
        if options.force:
            return 0
        raise
    _warn(runtime_delete.delete(record, _driver(), force=options.force))
    return 0


def exec(options: argparse.Namespace) -> int:
    """Execute a process in a running container; in the foreground the exit status is its own."""
    record = states.load(options.root, options.id)
    process = _process(options, record.spec.get("process") or {})
    _check_console(options, bool(process.get("terminal")), options.detach)
    if not options.detach:
        terminal.become_subreaper()
    preserve = _preserved(options)
    executed = runtime_exec.exec(record, process, None, preserve=preserve, frozen=_frozen(record))
    _hand_over(options, executed)
    if options.detach:
        return 0
    return terminal.attend(executed)


def _process(options: argparse.Namespace, base: dict[str, Any]) -> dict[str, Any]:
    """The process object of a file, or the container's own with what the flags change."""
    if options.process:
        with open(options.process, encoding="utf-8") as file:
            try:
                process: dict[str, Any] = json.load(file)
            except ValueError as error:
                raise InvalidInput(f"{options.process}: {error}") from None
        return process
    if not options.command:
        raise InvalidInput("exec: a command is required")
    command = options.command[1:] if options.command[0] == "--" else options.command
    process = {**base, "args": command, "terminal": options.tty, "env": [*(base.get("env") or []), *options.env]}
    process.pop("consoleSize", None)
    if options.cwd:
        process["cwd"] = options.cwd
    if options.user:
        process["user"] = {**process.get("user", {}), **_user(options.user)}
    if options.additional_gids:
        process["user"] = {**process.get("user", {}), "additionalGids": options.additional_gids}
    if options.no_new_privs:
        process["noNewPrivileges"] = True
    if options.cap:
        sets = process.get("capabilities") or {}
        added = ("bounding", "effective", "permitted")  # never inheritable: CVE-2022-29162
        process["capabilities"] = {**sets, **{kind: [*sets.get(kind, []), *options.cap] for kind in added}}
    return process


def _user(text: str) -> dict[str, int]:
    uid, colon, gid = text.partition(":")
    if not uid.isdecimal() or (colon and not gid.isdecimal()):
        raise InvalidInput(f'--user: "{text}" is not UID[:GID]')
    return {"uid": int(uid), "gid": int(gid)} if colon else {"uid": int(uid)}


def pause(options: argparse.Namespace) -> int:
    """Suspend all processes."""
    runtime_pause.pause(states.load(options.root, options.id), _driver())
    return 0


def resume(options: argparse.Namespace) -> int:
    """Let them go on."""
    runtime_pause.resume(states.load(options.root, options.id), _driver())
    return 0


def ps(options: argparse.Namespace) -> int:
    """List processes by the machine's own `ps`, as runc does, or their pids as JSON."""
    record = states.load(options.root, options.id)
    pids = _driver().processes(record.cgroup)
    if options.format == "json":
        print(json.dumps(pids))
        return 0
    import subprocess

    listed = subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=True).stdout.splitlines()
    print("\n".join([listed[0], *(line for line in listed[1:] if int(line.split()[1]) in pids)]))
    return 0


def list(options: argparse.Namespace) -> int:
    """List containers of this root."""
    found = [states.load(options.root, id) for id in states.identifiers(options.root)]
    if options.quiet:
        print("".join(f"{record.id}\n" for record in found), end="")
        return 0
    rows = [
        {"id": one.id, "pid": one.pid, "status": one.status(frozen=_frozen(one)), "bundle": one.document["bundle"]}
        for one in found
    ]
    if options.format == "json":
        print(json.dumps(rows))
        return 0
    width = max([2, *(len(str(row["id"])) for row in rows)]) + 2
    print(f"{'ID':<{width}}{'PID':<10}{'STATUS':<10}BUNDLE")
    for row in rows:
        print(f"{row['id']:<{width}}{row['pid']:<10}{row['status']:<10}{row['bundle']}")
    return 0


def spec(options: argparse.Namespace) -> int:
    """Write a config.json to start from."""
    path = f"{options.bundle}/config.json"
    try:
        with open(path, "x", encoding="utf-8") as file:
            json.dump(runtime_spec.default_spec(options.rootless), file, indent="\t")
    except FileExistsError:
        raise Conflict(f"{path} exists", hint="remove it first") from None
    return 0


def update(options: argparse.Namespace) -> int:
    """Change resource limits from a file or standard input."""
    text = sys.stdin.read() if options.resources == "-" else _read(options.resources)
    try:
        resources = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{options.resources}: {error}") from None
    runtime_update.update(states.load(options.root, options.id), _driver(), resources)
    return 0


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _driver() -> CgroupDriver:
    return cgroups.driver(cgroups.layout())


def _frozen(record: states.State) -> bool:
    driver = _driver()
    return bool(record.pid) and driver.exists(record.cgroup) and driver.frozen(record.cgroup)


def _warn(warnings: Any) -> None:
    for line in warnings:
        print(f"ringrun: warning: {line}", file=sys.stderr)
