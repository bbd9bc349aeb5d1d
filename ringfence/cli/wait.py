"""`ringfence wait`: block until containers have ended, then print their exit codes."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    return each(arguments.operands, lambda name: print(engine.wait(name), flush=True), quiet=True)


VERB = Verb(run, "CONTAINER [CONTAINER...]", "Wait until containers have stopped, then print their exit codes",
            operands=(1, MANY))  # fmt: skip
