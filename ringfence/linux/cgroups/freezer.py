"""Stopping all processes of a cgroup and letting them go on (kernel: freezer-subsystem.rst; cgroup-v2.rst)."""

from __future__ import annotations

import errno
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.linux.cgroups.setting import Group

_PATIENCE = 10.0  # seconds; a process in uninterruptible sleep, say on a dead NFS server, cannot be frozen


def freeze_v1(group: Group) -> None:
    _reach(group, "freezer.state", "FROZEN", is_frozen_v1, True)


def thaw_v1(group: Group) -> None:
    _reach(group, "freezer.state", "THAWED", is_frozen_v1, False)


def is_frozen_v1(group: Group) -> bool | None:
    """None while it is on the way (FREEZING)."""
    return {"FROZEN": True, "THAWED": False, "": False}.get(group.read("freezer.state"))


def freeze_v2(group: Group) -> None:
    _reach(group, "cgroup.freeze", "1", is_frozen_v2, True)


def thaw_v2(group: Group) -> None:
    _reach(group, "cgroup.freeze", "0", is_frozen_v2, False)


def is_frozen_v2(group: Group) -> bool | None:
    return bool(group.table("cgroup.events").get("frozen"))


def _reach(group: Group, file: str, value: str, state: Callable[[Group], bool | None], wanted: bool) -> None:
    """Write until it is so; TimeoutError if it is not within the time, and then as it was before.

    v1 tries to freeze only for a moment at each write, and a cgroup that goes meanwhile is noticed by writing.
    """
    deadline, pause = time.monotonic() + _PATIENCE, 0.0002
    _write(group, file, value)
    while state(group) is not wanted:
        if time.monotonic() > deadline:
            if wanted:
                _write(group, file, "THAWED" if file == "freezer.state" else "0")
            what = "its processes do not stop" if wanted else "it stays frozen: is a cgroup above it?"
            raise TimeoutError(errno.ETIMEDOUT, what, f"{group.path}/{file}")
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
        _write(group, file, value)


def _write(group: Group, file: str, value: str) -> None:
    with open(f"{group.path}/{file}", "w") as stream:
        stream.write(value)
