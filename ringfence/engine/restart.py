"""restart: stop a container if it runs, then start it."""

from __future__ import annotations

from ringfence.engine import events, repair, start, status, stop
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine


def restart(engine: Engine, name: str, timeout: int | None, signal: str | None) -> None:
    """See Engine.restart. A --rm container does not outlive its stop, so NotFound for one that runs."""
    record = repair.find(engine, name)
    if record.auto_remove and status.of(engine, record).live:
        raise NotFound(f"cannot restart container {record.name}: it would be removed when it stops (--rm)")
    stop.stop(engine, record.id, timeout, signal)
    start.start(engine, record.id)
    events.emit_container(engine, record, "restart")
