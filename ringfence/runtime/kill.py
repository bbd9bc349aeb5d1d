"""kill: a signal to the first process, or to every process of the container's cgroup."""

from __future__ import annotations

from ringfence.errors import Conflict
from ringfence.linux import pidfd, processes, signals
from ringfence.runtime.compile_namespaces import requested
from ringfence.runtime.state import ALLOWED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.runtime.state import State


def kill(record: State, signal: int, driver: CgroupDriver, *, all: bool = False) -> None:
    """Send `signal`. Conflict unless created, running or paused; a frozen one is thawed for SIGKILL, as it must die.

    In another's pid namespace the kernel does not end the others with the first process: SIGKILL goes to them all.
    """
    if signal == signals.SIGKILL and not all and requested(record.spec).get("pid") != "":
        _require_running(record)
        all = True
    if all and driver.exists(record.cgroup) and driver.processes(record.cgroup):
        driver.kill(record.cgroup, signal)
    else:
        _require_running(record)
        if not send(record.pid, signal, record.begun):
            raise _stopped(record)
    if signal == signals.SIGKILL and driver.exists(record.cgroup) and driver.frozen(record.cgroup):
        driver.thaw(record.cgroup)


def _require_running(record: State) -> None:
    if record.status() not in ALLOWED["kill"]:
        raise _stopped(record)


def _stopped(record: State) -> Conflict:
    """The hint is for containerd, which knows by these words, all it gets, that the container has ended by itself."""
    return Conflict(f"cannot kill container {record.id}: it is stopped", hint="container not running")


def send(pid: int, signal: int, begun: int) -> bool:
    """Signal the very process that a record named: by pidfd, so that a reused pid is never hit. False: it has ended."""
    if not pid:
        return False
    try:
        with pidfd.open(pid) as process:
            if not processes.alive(pid, begun):
                return False
            process.send_signal(signal)
    except ProcessLookupError:
        return False
    return True


def wait(pid: int, timeout: float) -> bool:
    """Wait up to `timeout` seconds for the end of a process that need not be our child; whether it has ended."""
    if not pid:
        return True
    try:
        with pidfd.open(pid) as process:
            return process.wait(timeout)
    except ProcessLookupError:
        return True
