"""export: a container's whole tree as a tar archive, without its volumes."""

from __future__ import annotations

from ringfence.engine import events, repair, root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from ringfence.engine import Engine


def export(engine: Engine, name: str, output: BinaryIO) -> None:
    """See Engine.export."""
    from ringfence.layers import tree

    record = repair.find(engine, name)
    with root.stored(engine, record) as opened:
        tree.export(opened.fileno(), output)
    events.emit_container(engine, record, "export")
