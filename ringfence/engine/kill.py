"""kill: send a signal to a container's init process."""

from __future__ import annotations

from ringfence.engine import repair, status, stop, wait
from ringfence.engine.lock import Lock
from ringfence.errors import Conflict
from ringfence.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine


def kill(engine: Engine, name: str, signal: str) -> None:
    """See Engine.kill. A signal that means to end it (SIGKILL, its stop signal) also ends its restart policy."""

    number = signals.parse(signal)
    record = repair.find(engine, name)
    with Lock(engine, record.id):
        record = repair.fresh(engine, record)
        current = status.of(engine, record)
        if not current.live:
            raise Conflict(f"cannot kill container {record.name}: it is not running")
        if number in (signals.SIGKILL, stop.stop_signal(record)):
            stop.mark_stopped(engine, record)
        if number != signals.SIGKILL:
            stop.send(engine, record, number, status.Status("running"))  # a paused one acts on it once it is thawed
            return
        ended = wait.Ending(engine, record, current)
        stop.send(engine, record, number, current)
    with ended:
        if ended.process(stop.PATIENCE):
            ended.exit_code()
