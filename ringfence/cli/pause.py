"""`ringfence pause`: freeze all processes of containers."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    return each(arguments.operands, engine.pause)


VERB = Verb(run, "CONTAINER [CONTAINER...]", "Pause all processes of one or more containers", operands=(1, MANY))
