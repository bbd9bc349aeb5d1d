"""`OciRuntime`: the `Runtime` interface carried out in this process, as the engine uses it."""

from __future__ import annotations

from ringfence.errors import NotFound
from ringfence.linux import cgroups
from ringfence.runtime import claim, compile_hooks, create, delete, exec, hooks, kill, pause, ps, state, update
from ringfence.runtime.interface import Launch, Monitoring, Started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ringfence.runtime.plan import Plan
    from ringfence.runtime.repeat import Plans
    from ringfence.runtime.sandbox import Sandboxes


class OciRuntime:
    """Ours. `state_dir` holds `containers/<id>/` records and the compiled seccomp filters."""

    name = "ringrun"

    def __init__(self, state_dir: str) -> None:
        self.root = f"{state_dir}/containers"
        self.driver = cgroups.usable()
        self._started = False
        self._sandboxes: Sandboxes | None = None
        self._plans: Plans | None = None

    def plan(self, launch: Launch) -> Plan:
        """The plan that `start` would execute."""
        return create.plan_of(self.root, launch)

    def next_id(self) -> str:
        """See `Runtime.next_id`."""
        return self._sandboxes.take() if self._sandboxes is not None else ""

    def prepare_next(self) -> None:
        """See `Runtime.prepare_next`."""
        if self._sandboxes is not None:
            self._sandboxes.begin()

    def close(self) -> None:
        """See `Runtime.close`."""
        if self._sandboxes is not None:
            self._sandboxes.close()

    def start(self, launch: Launch) -> Started:
        """See `Runtime.start`. Who starts a second container may start a third: for that one we prepare."""
        if self._started and launch.meanwhile is not None and self._sandboxes is None:
            from ringfence.runtime.repeat import Plans
            from ringfence.runtime.sandbox import Sandboxes

            self._sandboxes, self._plans = Sandboxes(), Plans()
        self._started = True
        if launch.meanwhile is None:
            executed = create.create(self.root, launch)
        else:
            executed = create.create(self.root, launch, sandboxes=self._sandboxes, plans=self._plans)
        if (launch.spec.get("hooks") or {}).get("poststart"):
            try:
                hooks.run(self._record(launch.id), "poststart", state.RUNNING)
            except BaseException:  # E15: a failing poststart hook stops and destroys the container
                executed.control.close()
                self.delete(launch.id, force=True)
                raise
        return Started(executed.pid, executed.monitor_pid, executed.control)

    def exec(self, id: str, process: Mapping[str, Any], monitoring: Monitoring, *, privileged: bool = False) -> Started:
        """See `Runtime.exec`."""
        record = self._record(id)
        frozen = self._frozen(record)
        executed = exec.exec(record, process, monitoring, privileged=privileged, frozen=frozen)
        return Started(executed.pid, executed.monitor_pid, executed.control)

    def status(self, id: str) -> dict[str, Any]:
        """See `Runtime.status`."""
        record = self._record(id)
        status = record.status(frozen=self._frozen(record))
        return compile_hooks.state(record.spec, id, str(record.document["bundle"]), status, record.pid)

    def kill(self, id: str, signal: int, *, all: bool = False) -> None:
        """See `Runtime.kill`."""
        kill.kill(self._record(id), signal, self.driver, all=all)

    def pause(self, id: str) -> None:
        """See `Runtime.pause`."""
        pause.pause(self._record(id), self.driver)

    def can_pause(self, id: str) -> bool:
        """See `Runtime.can_pause`."""
        return bool(self._record(id).cgroup)

    def resume(self, id: str) -> None:
        """See `Runtime.resume`."""
        pause.resume(self._record(id), self.driver)

    def update(self, id: str, resources: Mapping[str, Any]) -> None:
        """See `Runtime.update`."""
        update.update(self._record(id), self.driver, dict(resources))

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
        return ps.processes_of(self._record(id), self.driver)

    def stats(self, id: str) -> dict[str, Any]:
        """See `Runtime.stats`."""
        record = self._record(id)
        return self.driver.stats(record.cgroup) if record.cgroup else {}

    def delete(self, id: str, *, force: bool = False) -> None:
        """See `Runtime.delete`."""
        if self._sandboxes is not None:
            self._sandboxes.forget(id)
        try:
            record = self._record(id)
        except NotFound:
            if not force:
                raise
            claim.remove(f"{self.root}/{claim.check_id(id)}")  # of a create that was killed before its record
            return
        delete.delete(record, self.driver, force=force)

    def wait(self, id: str, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the first process and its monitor to end; whether they have."""
        record = self._record(id)
        return kill.wait(record.pid, timeout) and kill.wait(record.monitor_pid, timeout)

    def _record(self, id: str) -> state.State:
        return state.load(self.root, id)

    def _frozen(self, record: state.State) -> bool:
        return bool(record.pid) and self.driver.exists(record.cgroup) and self.driver.frozen(record.cgroup)
