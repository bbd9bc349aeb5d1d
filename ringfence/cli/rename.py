"""`ringfence rename`: give a container another name."""

from __future__ import annotations

from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    container, name = arguments.operands
    engine.rename(container, name)
    return 0


VERB = Verb(run, "CONTAINER NEW_NAME", "Rename a container", operands=(2, 2))
