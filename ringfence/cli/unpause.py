"""`ringfence unpause`: thaw paused containers."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    return each(arguments.operands, engine.unpause)


VERB = Verb(run, "CONTAINER [CONTAINER...]", "Let paused containers go on", operands=(1, MANY))
