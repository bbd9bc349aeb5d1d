"""port: where the ports of a running container are published."""

from __future__ import annotations

from ringfence.engine import plug, repair, status
from ringfence.engine.plugged import Plugged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine


def port(engine: Engine, name: str) -> dict[str, list[dict[str, str]]]:
    """See Engine.port."""
    record = repair.find(engine, name)
    if not status.of(engine, record).live:
        return {}
    plug.mend(engine)
    return {key: rows for key, rows in Plugged(engine, record.id).bindings(record).items() if rows}
