"""Repair: what a killed process left half done is completed or rolled back by whoever comes next.

A record in phase "creating" or "removing" whose lock is free is abandoned: its owner died. One in phase "building" is
even while it runs: a step is of no use without its build. A --rm container that has ended and that nobody has removed
is removed; a restart that is due and for which nobody waits is waited for again. Every verb finds its container through
`find`, and so repairs it first.
"""

from __future__ import annotations

from ringfence.engine import places, status
from ringfence.engine.lock import Lock
from ringfence.engine.records import BUILDING, CREATED, CREATING, REMOVING
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord


def find(engine: Engine, name: str) -> ContainerRecord:
    """The container of this name, id or beginning of an id, repaired; NotFound if there is none (any more)."""
    record = settle(engine, engine.records.find(name))
    if record is None:
        raise NotFound(f"no such container: {name}")
    return record


def every(engine: Engine) -> list[ContainerRecord]:
    """All containers, newest first, each repaired; those still being created, and steps of builds, are left out."""
    settled = (settle(engine, record) for record in engine.records.all())
    return [record for record in settled if record is not None and not _unborn(engine, record)]


def settle(engine: Engine, record: ContainerRecord) -> ContainerRecord | None:
    """The record as it stands after the repair, or None if it is gone. One that somebody works on is left alone."""
    if record.phase == CREATED and not record.auto_remove:
        if "restart" in record.options:
            _take_up_restart(engine, record)
        return record
    lock = Lock(engine, record.id, make=True)
    if not lock.take(wait=False):
        return record
    try:
        return _settle(engine, record)
    finally:
        lock.release()


def fresh(engine: Engine, record: ContainerRecord) -> ContainerRecord:
    """The record as it is now that we hold the lock; NotFound if it was removed while we waited."""
    found = engine.records.get(record.id)
    if found is None or found.phase == REMOVING:
        raise NotFound(f"no such container: {record.name}")
    return found


def _settle(engine: Engine, record: ContainerRecord) -> ContainerRecord | None:
    from ringfence.engine import rm

    found = engine.records.get(record.id)
    if found is None:
        rm.remove_directory(places.bundle(engine, record.id))  # ours: taking the lock has just made it
        return None
    if found.phase in (REMOVING, BUILDING) or (not status.of(engine, found).live and _over(engine, found)):
        rm.remove(engine, found)
        return None
    return found


def _take_up_restart(engine: Engine, record: ContainerRecord) -> None:
    """Let somebody wait again for the restart of a container whose waiting process was killed."""
    from ringfence.engine import restart_policy

    if status.of(engine, record).word != "restarting":
        return
    lock = Lock(engine, record.id)
    try:
        if not lock.take(wait=False):
            return
    except NotFound:
        return  # somebody is at it, or has just removed it
    try:
        found = engine.records.get(record.id)
        gone = found is None or not restart_policy.abandoned(engine, found, status.ending(engine, found))
    finally:
        lock.release()
    if not gone:
        import subprocess

        from ringfence.engine import launch

        subprocess.run(launch.command(engine, "exited", record.id), stdin=subprocess.DEVNULL, start_new_session=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # fmt: skip


def _over(engine: Engine, record: ContainerRecord) -> bool:
    """Whether a container without processes has no future: abandoned in creation, or --rm and ended."""
    if record.phase == CREATING:
        return True
    return record.auto_remove and (record.started or status.exit_record(engine, record.id) is not None)


def _unborn(engine: Engine, record: ContainerRecord) -> bool:
    return record.phase == BUILDING or (record.phase == CREATING and not status.of(engine, record).live)
