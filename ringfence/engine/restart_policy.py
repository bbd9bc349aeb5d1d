"""Restart policies: whether a container that has ended is started again, and after how long.

No daemon watches: the monitor executes `exited` (see exited.py), which waits and starts. As long as it waits it holds
an flock on the container's file `restarting`, which is how others see the status "restarting".
"""

from __future__ import annotations

import fcntl
import os

from ringfence.engine import places
from ringfence.engine.options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

FIRST, LONGEST = 0.1, 60.0
"""Seconds of the first wait, which doubles at each short run, and of the longest."""
HEALTHY = 10_000_000_000
"""A run of that many nanoseconds is no short one: the waits begin anew."""


def delay(record: ContainerRecord, ending: dict[str, Any]) -> float | None:
    """Seconds to wait before the restart after this exit record, or None for no restart; counts it in the record."""
    policy = Options.from_json(record.options).restart
    if record.stopped or policy["policy"] == "no":
        return None
    used_up = policy["retries"] and record.restarts >= policy["retries"]
    if policy["policy"] == "on-failure" and (ending["exit_code"] == 0 or used_up):
        return None
    if ending["finished_at"] - ending["started_at"] >= HEALTHY:
        record.streak = 0
    seconds: float = min(FIRST * 2.0 ** min(record.streak, 20), LONGEST)
    record.streak += 1
    record.restarts += 1
    return seconds


def hold(engine: Engine, id: str) -> int | None:
    """Take the place of the one who waits to restart this container: a descriptor, or None if another has it."""
    path = f"{places.bundle(engine, id)}/restarting"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def waits(engine: Engine, record: ContainerRecord) -> bool:
    """Whether somebody waits to restart it."""
    if record.stopped:
        return False
    try:
        descriptor = os.open(f"{places.bundle(engine, record.id)}/restarting", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
