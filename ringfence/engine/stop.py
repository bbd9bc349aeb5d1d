"""stop: ask a container to end by its stop signal, and kill it if it does not within its time."""

from __future__ import annotations

from ringfence.engine import events, repair, status, wait
from ringfence.engine.lock import Lock
from ringfence.engine.options import Options
from ringfence.errors import Conflict, DeadlineExceeded, NotFound
from ringfence.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

PATIENCE = 10.0
"""Seconds that a killed container may take to end: longer means that the kernel holds it."""


def stop(engine: Engine, name: str, timeout: int | None, signal: str | None, *, for_boot: bool = False) -> None:
    """See Engine.stop."""
    record = repair.find(engine, name)
    number = signals.parse(signal) if signal else stop_signal(record)
    with Lock(engine, record.id):
        record = repair.fresh(engine, record)
        current = status.of(engine, record)
        mark_stopped(engine, record, for_boot=for_boot)
        if not current.live:
            return
        ended = wait.Ending(engine, record, current)
        send(engine, record, number, current)
    with ended:
        seconds = Options.from_json(record.options).stop_timeout if timeout is None else timeout
        if not ended.process(None if seconds < 0 else float(seconds)):
            send(engine, record, signals.SIGKILL, current)
        if not ended.process(PATIENCE):
            raise DeadlineExceeded(f"container {record.name} does not end, although it was killed")
        ended.exit_code()
    events.emit_container(engine, record, "stop")


def stop_signal(record: ContainerRecord) -> int:
    """--stop-signal, else the image's, else SIGTERM."""
    text = Options.from_json(record.options).stop_signal or record.image_config.get("StopSignal") or ""
    return signals.parse(text) if text else signals.SIGTERM


def mark_stopped(engine: Engine, record: ContainerRecord, *, for_boot: bool = False) -> None:
    """No policy restarts it any more, unless `for_boot` at the next boot. Without a policy there is nothing to mark."""
    if Options.from_json(record.options).restart["policy"] == "no":
        return
    marks = True, for_boot and (record.for_boot or not record.stopped)  # who stopped it first has decided
    if (record.stopped, record.for_boot) != marks:
        record.stopped, record.for_boot = marks
        engine.records.save(record)


def send(engine: Engine, record: ContainerRecord, number: int, current: status.Status) -> None:
    """Send a signal to the init process, and thaw a paused container so that it can act on it."""
    try:
        engine.runtime_of(record).kill(record.id, number)
        events.emit_container(engine, record, "kill", signal=str(number))
        if current.word == "paused":
            engine.runtime_of(record).resume(record.id)
    except (Conflict, NotFound):
        return  # it has just ended
