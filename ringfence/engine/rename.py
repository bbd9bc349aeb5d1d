"""rename: another name for a container."""

from __future__ import annotations

from ringfence.engine import events, repair
from ringfence.engine.lock import Lock
from ringfence.engine.options_lifecycle import name as read_name
from ringfence.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine


def rename(engine: Engine, container: str, name: str) -> None:
    """See Engine.rename."""
    wanted = read_name("rename", name)
    record = repair.find(engine, container)
    with Lock(engine, record.id):
        record = repair.fresh(engine, record)
        if record.name == wanted:
            raise Conflict(f"container {wanted} has this name already")
        before, record.name = record.name, wanted
        engine.records.save(record)
    events.emit_container(engine, record, "rename", oldName=f"/{before}")
