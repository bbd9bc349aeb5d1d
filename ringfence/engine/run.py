"""run: create and start under one hold of the lock; in the foreground also wait and gather the output."""

from __future__ import annotations

from ringfence.engine import events
from ringfence.engine import start as starting
from ringfence.engine.container import Container, RunResult
from ringfence.engine.create import reserve
from ringfence.engine.options import parse
from ringfence.engine.records import CREATED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ringfence.engine import Engine


def run(engine: Engine, image: str, command: Sequence[str] | None, raw: Mapping[str, object], *, detach: bool,
        input: bytes | None) -> RunResult | Container:  # fmt: skip
    """See Engine.run. The record of a --rm container is written once and deleted once, with nothing in between."""
    options = parse(raw if input is None else {**raw, "interactive": True})
    # In a group whose processes are counted what waits there would be one of them; other runtimes prepare nothing.
    repeated = not options.group and options.runtime == "ringrun"
    record, lock = reserve(engine, image, command, options, repeated=repeated)
    with lock:
        if not record.auto_remove:
            record.phase = CREATED  # written with the mark that it was started
        events.emit_container(engine, record, "create")
        session = starting.begin(engine, record, keep=not record.auto_remove, repeated=repeated)
    with session:
        if detach or options.detach:
            engine.runtime.prepare_next()
            return Container(engine, record)
        code, output, errors = session.collect(input)
    engine.runtime.prepare_next()
    return RunResult(code, output, errors, record.id)
