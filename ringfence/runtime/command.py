"""`CommandRuntime`: the `Runtime` interface by the command line of another OCI runtime (runc, crun).

The helper ringinit stands between: it calls the runtime, adopts what that starts, and monitors it like our own (see
compile_command.py). Everything of one container is in `containers/<id>/` of the state directory: our record (see
state.py), `bundle/` with its config.json, and `root/`, the runtime's state.
"""

from __future__ import annotations

import os
import time

from ringfence import json
from ringfence.errors import Conflict, Failed, InvalidInput, NotFound
from ringfence.linux import cgroups, mountinfo, processes, signals
from ringfence.linux.mountoptions import parse_options
from ringfence.oci import runtime_spec
from ringfence.runtime import claim, compile_command, compile_hooks, helper, kill, state
from ringfence.runtime.compile_mounts import is_bind
from ringfence.runtime.compile_process import INIT_ANNOTATION
from ringfence.runtime.create import cgroup_path, require_unused, stdio
from ringfence.runtime.execute import Executed, HelperDied, execute
from ringfence.runtime.facts import Facts
from ringfence.runtime.failure import refusal
from ringfence.runtime.interface import Launch, Monitoring, Started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ringfence.runtime.plan import Plan

OCI_VERSION = "1.0.2"
"""What config.json claims to be: nothing in it needs more, and runtimes of any age take it."""
PATIENCE = 10.0
"""Seconds that a killed container, and then its monitor, may take to end."""
_PAUSED = "paused"
"""The file that says that we had the runtime pause this container: one that has no freezer is asked about it."""


class CommandRuntime:
    """The runtime `program` (an absolute path), called `name`. `state_dir` holds `containers/<id>/`."""

    def __init__(self, name: str, program: str, state_dir: str) -> None:
        self.name = name
        self.program = program
        self.root = f"{state_dir}/containers"
        self.driver = cgroups.driver(cgroups.layout())

    def next_id(self) -> str:
        """See `Runtime.next_id`."""
        return ""

    def prepare_next(self) -> None:
        """See `Runtime.prepare_next`."""

    def close(self) -> None:
        """See `Runtime.close`."""

    def plan(self, launch: Launch) -> Plan:
        """The plan that `start` would execute."""
        return self._compile(launch, self._facts(launch, f"{self.root}/{launch.id}"))

    def start(self, launch: Launch) -> Started:
        """See `Runtime.start`."""
        runtime_spec.check(launch.spec)
        facts = self._facts(launch, f"{self.root}/{claim.check_id(launch.id)}")
        require_unused(facts)
        directory = claim.claim(self.root, launch.id)
        executed = Executed()
        try:
            plan = self._compile(launch, facts)
            document = {"id": launch.id, "bundle": facts.bundle, "cgroup": facts.cgroup,
                        "creator": processes.own(), "runtime": self.program}  # fmt: skip
            claim.write(directory, document, launch.text or json.dumps(launch.spec))
            _write_bundle(launch, facts)
            watched = launch.monitoring
            encoded = plan.encode(
                stdio=stdio(launch, launch.spec["process"]),
                stdin=watched is not None and watched.stdin,
                parent="reaper" if watched is None else "monitor",
                fault=launch.fault,
            )
            execute(plan, encoded, directory, connect=launch.connect, executed=executed)
        except BaseException as error:
            executed.abandon()
            if isinstance(error, HelperDied) or not isinstance(error, Failed):
                self._clear(launch.id, facts.cgroup)  # the helper has not been able to
            claim.remove(directory)
            raise
        return Started(executed.pid, executed.monitor_pid, executed.control)

    def exec(self, id: str, process: Mapping[str, Any], monitoring: Monitoring, *, privileged: bool = False) -> Started:
        """See `Runtime.exec`. The container's seccomp filter stays in any case: no runtime's command line lifts it."""
        record = self._record(id)
        if self.status(id)["status"] != state.RUNNING:
            record.require("exec", frozen=True)
        wanted = _sized(dict(process), monitoring)
        runtime_spec.check_process(wanted)
        facts = Facts(id=id, bundle=str(record.document["bundle"]), state=record.directory, driver=self.driver,
                      cgroup=record.cgroup, monitoring=monitoring)  # fmt: skip
        name = f"exec-{os.urandom(6).hex()}"
        plan = compile_command.compile_exec(wanted, facts, self.program, name)
        kind = "terminal" if wanted.get("terminal") else "pipes"
        executed = execute(plan, plan.encode(stdio=kind, stdin=monitoring.stdin, parent="monitor"), record.directory)
        return Started(executed.pid, executed.monitor_pid, executed.control)

    def status(self, id: str) -> dict[str, Any]:
        """See `Runtime.status`. The kernel is asked first, for a runtime's command takes 5 to 15 ms."""
        record = self._record(id)
        status = record.status(frozen=record.pid > 0 and self._frozen(record))
        if not record.pid and not record.begun and record.monitor_pid:
            status = state.CREATING  # whoever called the helper may be gone, but it goes on
        return compile_hooks.state(record.spec, id, str(record.document["bundle"]), status, record.pid)

    def kill(self, id: str, signal: int, *, all: bool = False) -> None:
        """See `Runtime.kill`."""
        record = self._record(id)
        record.require("kill")
        if all and self.driver.exists(record.cgroup):
            self.driver.kill(record.cgroup, signal)  # `kill --all` is not everywhere
        else:
            self._tell(record, "kill", id, str(signal))
        if signal == signals.SIGKILL and self._frozen(record):
            self._thaw(record)  # as it must die

    def can_pause(self, id: str) -> bool:
        """See `Runtime.can_pause`; the runtime itself says so, when it is asked."""
        return True

    def pause(self, id: str) -> None:
        """See `Runtime.pause`."""
        record = self._record(id)
        record.require("pause", frozen=self._frozen(record))
        open(f"{record.directory}/{_PAUSED}", "w").close()
        self._tell(record, "pause", id)

    def resume(self, id: str) -> None:
        """See `Runtime.resume`."""
        record = self._record(id)
        record.require("resume", frozen=record.pid > 0 and self._frozen(record))
        self._thaw(record)

    def update(self, id: str, resources: Mapping[str, Any]) -> None:
        """See `Runtime.update`."""
        record = self._record(id)
        record.require("update")
        path = f"{record.document['bundle']}/resources.json"
        _write(path, resources)
        self._tell(record, "update", "--resources", path, id)

    def mounted(self, id: str) -> list[str]:
        """See `Runtime.mounted`."""
        from ringfence.runtime import mount

        return mount.mounted(self._record(id))

    def mount(self, id: str, wanted: Mapping[str, Any]) -> None:
        """See `Runtime.mount`."""
        from ringfence.runtime import mount

        mount.mount(self._record(id), wanted)

    def unmount(self, id: str, target: str) -> None:
        """See `Runtime.unmount`."""
        from ringfence.runtime import mount

        mount.unmount(self._record(id), target)

    def processes(self, id: str) -> list[int]:
        """See `Runtime.processes`."""
        record = self._record(id)
        if not record.pid:
            return []
        said = self._tell(record, "ps", "--format", "json", id)
        try:
            return sorted(int(pid) for pid in json.loads(said) or ())
        except (ValueError, TypeError):
            raise Failed(f"{self.name}: ps --format json printed no list of process ids") from None

    def stats(self, id: str) -> dict[str, Any]:
        """See `Runtime.stats`."""
        return self.driver.stats(self._record(id).cgroup)

    def delete(self, id: str, *, force: bool = False) -> None:
        """See `Runtime.delete`. The monitor has the runtime delete what has ended; here it is waited for."""
        directory = f"{self.root}/{claim.check_id(id)}"
        try:
            record = self._record(id)
        except NotFound:
            if not force:
                raise
            claim.remove(directory)  # of a start that was killed before its record: nothing was made
            return
        if record.pid and not force:
            record.require("delete")
        record = self._started(record)
        if record.pid:
            self._end(record)
        _wait(lambda: not os.path.exists(f"{directory}/root/{id}") or not self._record(id).monitor_pid)
        self._clear(id, record.cgroup)
        claim.remove(directory)

    # ---- the parts of these

    def _record(self, id: str) -> state.State:
        return state.load(self.root, id)

    def _facts(self, launch: Launch, directory: str) -> Facts:
        if not launch.spec.get("process"):
            raise InvalidInput("process: required to start a container")
        return Facts(
            id=launch.id,
            bundle=f"{directory}/bundle",
            state=directory,
            driver=self.driver,
            cgroup=cgroup_path(launch.spec, launch.id),
            root=launch.root,
            volatile=launch.volatile,
            monitoring=launch.monitoring,
            connect=launch.connect is not None,
        )

    def _compile(self, launch: Launch, facts: Facts) -> Plan:
        path = (launch.spec.get("root") or {}).get("path")
        root = {"root": {"path": _below(launch, path)}} if path else {}
        spec = {**launch.spec, **root}
        return compile_command.compile_container(spec, facts, self.program, mount_point(facts.state))

    def _frozen(self, record: state.State) -> bool:
        if self.driver.exists(record.cgroup) and self.driver.frozen(record.cgroup):
            return True
        if not os.path.exists(f"{record.directory}/{_PAUSED}"):
            return False
        return bool(json.loads(self._tell(record, "state", record.id))["status"] == state.PAUSED)

    def _thaw(self, record: state.State) -> None:
        self._tell(record, "resume", record.id)
        if os.path.exists(f"{record.directory}/{_PAUSED}"):
            os.unlink(f"{record.directory}/{_PAUSED}")

    def _started(self, record: state.State) -> state.State:
        """The record once a start is over that goes on without the command that began it; one that hangs is killed."""

        def over() -> bool:
            now = self._record(record.id)
            return bool(now.begun) or not now.monitor_pid

        if not _wait(over):
            os.kill(record.monitor_pid, signals.SIGKILL)  # and the runtime's command with it
            kill.wait(record.monitor_pid, PATIENCE)
        return self._record(record.id)

    def _end(self, record: state.State) -> None:
        """Kill a container and wait for the end of its first process."""
        kill.send(record.pid, signals.SIGKILL, record.begun)
        if self._frozen(record):
            self._thaw(record)
        if not kill.wait(record.pid, PATIENCE):
            raise Failed(f"process {record.pid} of container {record.id} does not die")

    def _clear(self, id: str, cgroup: str) -> None:
        """Remove whatever is left of it, also of a `create` that was killed and that the runtime knows nothing of."""
        import subprocess

        directory = f"{self.root}/{id}"
        # where the runtime has been removed from this machine, what the kernel has of the container has not
        if os.path.exists(f"{directory}/root/{id}") and os.access(self.program, os.X_OK):
            command = [*compile_command.arguments(self.program, directory), "delete", "--force", id]
            subprocess.run(command, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True)
        if self.driver.exists(cgroup):
            self.driver.kill(cgroup, signals.SIGKILL)
            self.driver.remove(cgroup)

    def _tell(self, record: state.State, *command: str) -> str:
        """Run a command of the runtime's; what it prints. Conflict if the container has ended, else Failed."""
        import subprocess

        argv = [*compile_command.arguments(self.program, record.directory), *command]
        try:
            done = subprocess.run(argv, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True,
                                  cwd=str(record.document["bundle"]), text=True, errors="replace")  # fmt: skip
        except OSError as error:
            raise Failed(f"{self.program}: {error.strerror}", errno=error.errno or 0) from error
        if done.returncode == 0:
            return done.stdout
        if not processes.alive(record.pid, record.begun):
            raise Conflict(f"cannot {command[0]} container {record.id}: it is stopped")
        raise refusal(self.program, done.stderr)


def _wait(holds: Callable[[], bool]) -> bool:
    """Whether something comes about in time. What is waited for tells nobody of its end but by its files."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def mount_point(path: str) -> str:
    """Where the mount that holds `path`, or will hold it, is attached."""
    targets = {entry.target for entry in mountinfo.read()}
    while path not in targets:
        path = os.path.dirname(path)
    return path


def _write_bundle(launch: Launch, facts: Facts) -> None:
    """The bundle that the runtime reads: the spec, with what is decided here put in its place."""
    process = _sized(launch.spec["process"], launch.monitoring)
    mounts = [_found(launch, mount) for mount in launch.spec.get("mounts") or []]
    linux: dict[str, Any] = {**(launch.spec.get("linux") or {}), "cgroupsPath": facts.cgroup}
    if any(word in ("shared", "rshared") for mount in mounts for word in mount.get("options") or []):
        linux.setdefault("rootfsPropagation", "shared")  # by default runtimes first make all that there is a slave
    root = {**(launch.spec.get("root") or {}), "path": compile_command.ROOTFS}
    os.makedirs(f"{facts.bundle}/{compile_command.ROOTFS}", 0o711)
    os.chmod(facts.bundle, 0o711)  # root of a user namespace must reach the root filesystem
    if (launch.spec.get("annotations") or {}).get(INIT_ANNOTATION) == "true":
        helper.copy(f"{facts.bundle}/init")
        process = {**process, "args": [compile_command.INIT, "init", *process["args"]]}
        mounts = [*mounts, {"destination": compile_command.INIT, "type": "bind", "source": f"{facts.bundle}/init",
                            "options": ["bind", "ro", "nosuid", "nodev"]}]  # fmt: skip
    _write(f"{facts.bundle}/config.json", {**launch.spec, "ociVersion": OCI_VERSION, "root": root, "process": process,
                                           "mounts": mounts, "linux": linux})  # fmt: skip


def _found(launch: Launch, mount: dict[str, Any]) -> dict[str, Any]:
    bind = mount.get("source") and is_bind(mount, parse_options(mount.get("options") or []))
    return {**mount, "source": _below(launch, mount["source"])} if bind else mount


def _below(launch: Launch, path: str) -> str:
    """A path of the spec, which the runtime is given in another bundle, from the root of the file system on."""
    return os.path.join(os.path.abspath(launch.bundle), path)


def _sized(process: dict[str, Any], monitoring: Monitoring | None) -> dict[str, Any]:
    """The process with its terminal as large as the caller's window."""
    rows, columns = monitoring.window if monitoring is not None else (0, 0)
    if not process.get("terminal") or not rows or not columns:
        return process
    return {**process, "consoleSize": {"height": rows, "width": columns}}


def _write(path: str, document: Mapping[str, Any]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(json.dumps(document))


def _environment() -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in compile_command.ENVIRONMENT)
