"""pause and resume: the freezer stops every process of the container at once, and lets all go on."""

from __future__ import annotations

from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.runtime.state import State


DELEGATION = "an ordinary user needs a delegated part of cgroup v2"


def pause(record: State, driver: CgroupDriver) -> None:
    """Freeze all processes; returns when they are frozen. Conflict unless running."""
    if not record.cgroup:
        raise Unsupported(f"container {record.id} cannot be paused: it has no cgroup", hint=DELEGATION)
    record.require("pause", frozen=bool(record.pid) and driver.frozen(record.cgroup))
    driver.freeze(record.cgroup)


def resume(record: State, driver: CgroupDriver) -> None:
    """Thaw; Conflict unless paused."""
    record.require("resume", frozen=bool(record.pid) and driver.frozen(record.cgroup))
    driver.thaw(record.cgroup)
