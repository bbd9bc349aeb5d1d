"""Restart policies: whether a container that has ended is started again, and after how long.

No daemon watches: the monitor executes `exited` (see exited.py), which waits and starts. As long as it waits it holds
an flock on the container's file `restarting`. Whether a restart is due follows from the record and the ending alone, so
that "restarting" is shown from the exit on; one that is due while nobody waits is taken up by the next command (see
repair.py). Not across a reboot: then it is for `start --all` with the filter should-start-on-boot, at boot.
"""

from __future__ import annotations

import fcntl
import os
import time

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
GRACE = 1_000_000_000
"""Nanoseconds within which a monitor has become one who waits; later nobody will."""


def due(record: ContainerRecord, ending: dict[str, Any]) -> bool:
    """Whether the policy restarts it after this exit record."""
    policy = Options.from_json(record.options).restart
    if record.stopped or policy["policy"] == "no":
        return False
    if policy["policy"] == "on-failure":
        counted = record.counted == ending["finished_at"]  # then this restart is among those of the record
        used_up = policy["retries"] and record.restarts - counted >= policy["retries"]
        return bool(ending["exit_code"] != 0 and not used_up)
    return True


def count(record: ContainerRecord, ending: dict[str, Any]) -> float:
    """Seconds to wait before the restart that is due; counts it in the record, once for each ending."""
    if record.counted != ending["finished_at"]:
        if ending["finished_at"] - ending["started_at"] >= HEALTHY:
            record.streak = 0
        record.counted = ending["finished_at"]
        record.streak += 1
        record.restarts += 1
    return min(FIRST * 2.0 ** min(record.streak - 1, 20), LONGEST)


def at_boot(record: ContainerRecord) -> bool:
    """Whether it is started when the machine is: always, but with unless-stopped not what a person has stopped."""
    policy = Options.from_json(record.options).restart["policy"]
    return policy == "always" or (policy == "unless-stopped" and (not record.stopped or record.for_boot))


def boot() -> str:
    """What names this boot of the machine."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def pending(engine: Engine, record: ContainerRecord, ending: dict[str, Any] | None) -> bool:
    """Whether it is to be restarted, or is being restarted, after it has ended so (None: its start was cut off)."""
    if "restart" not in record.options or record.stopped:
        return False
    if _waits(engine, record.id):
        return True
    return ending is not None and record.boot == boot() and due(record, ending)


def abandoned(engine: Engine, record: ContainerRecord, ending: dict[str, Any] | None) -> bool:
    """Whether a restart is due for which nobody waits any more."""
    if ending is None or time.time_ns() - ending["finished_at"] < GRACE or _waits(engine, record.id):
        return False
    return pending(engine, record, ending)


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


def _waits(engine: Engine, id: str) -> bool:
    """Whether somebody waits to restart it, or is just doing so."""
    try:
        descriptor = os.open(f"{places.bundle(engine, id)}/restarting", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
