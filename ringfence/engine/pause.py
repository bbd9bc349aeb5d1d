"""pause: freeze all processes of a container."""

from __future__ import annotations

from ringfence.engine import events, repair, status
from ringfence.engine.lock import Lock
from ringfence.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine


def pause(engine: Engine, name: str) -> None:
    """See Engine.pause."""
    record = repair.find(engine, name)
    with Lock(engine, record.id):
        word = status.of(engine, record).word
        if word != "running":
            raise Conflict(f"cannot pause container {record.name}: it is {word}")
        engine.runtime_of(record).pause(record.id)
    events.emit_container(engine, record, "pause")
