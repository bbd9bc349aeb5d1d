"""delete: remove what create made of a stopped container: its cgroups and its record; then the poststop hooks."""

from __future__ import annotations

import os
import time

from ringfence.errors import Conflict, Failed
from ringfence.linux import signals
from ringfence.runtime import claim, state
from ringfence.runtime.kill import kill, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.runtime.state import State

PATIENCE = 10.0  # seconds that a killed process may take to end
SUSPICION = 0.5  # and after which we look whether something holds it
LOOKS = 50


def delete(record: State, driver: CgroupDriver, *, force: bool = False) -> list[str]:
    """Delete a stopped container (or, with `force`, kill it first). Returns warnings of poststop hooks (E17).

    A created container may be deleted as well, against the letter of the spec (F17): every engine relies on it.
    Raises Conflict if it still runs.
    """
    status = record.status()
    if status == state.CREATED or (force and status in (state.RUNNING, state.PAUSED, state.CREATED)):
        _kill(record, driver)
        if not wait(record.pid, SUSPICION) and driver.exists(record.cgroup):
            driver.release(record.cgroup, record.pid)
        if not wait(record.pid, PATIENCE):
            raise Failed(f"process {record.pid} of container {record.id} does not die")
    elif not force:
        record.require("delete")
    if record.cgroup and not _removed_by_monitor(record, driver) and driver.exists(record.cgroup):
        try:
            if driver.processes(record.cgroup):  # others of a shared pid namespace outlive the first process
                driver.kill(record.cgroup, signals.SIGKILL)
        except FileNotFoundError:
            pass  # the monitor, slower than we waited for, has just removed it
        if not record.document.get("found_cgroup"):
            driver.remove(record.cgroup)
    if record.cgroup:
        driver.give_back(record.cgroup)
    for directory in record.document.get("resctrl") or []:
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            continue  # the monitor has removed it
    warnings: list[str] = []
    if record.hooks:
        from ringfence.runtime import hooks

        warnings = hooks.run_all(record, "poststop", state.STOPPED)
    claim.remove(record.directory)
    return warnings


def _kill(record: State, driver: CgroupDriver) -> None:
    try:
        kill(record, signals.SIGKILL, driver, all=driver.exists(record.cgroup))
    except Conflict:
        return  # it has ended by itself since we looked


def _removed_by_monitor(record: State, driver: CgroupDriver) -> bool:
    """Whether the monitor has removed the cgroups, which it does at this very moment if it has just told of the exit.

    It goes through the directories in reverse: once the first of ours is gone, all are.
    """
    first = driver.first_directory(record.cgroup)
    for _ in range(LOOKS):
        if not os.path.exists(first):
            return True
        if not record.monitor_pid:
            return False
        time.sleep(0.0002)
    return False
