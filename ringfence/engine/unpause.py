"""unpause: let a frozen container go on."""

from __future__ import annotations

from ringfence.engine import events, repair, status
from ringfence.engine.lock import Lock
from ringfence.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine


def unpause(engine: Engine, name: str) -> None:
    """See Engine.unpause."""
    record = repair.find(engine, name)
    with Lock(engine, record.id):
        word = status.of(engine, record).word
        if word != "paused":
            raise Conflict(f"cannot unpause container {record.name}: it is {word}, not paused")
        engine.runtime_of(record).resume(record.id)
    events.emit_container(engine, record, "unpause")
