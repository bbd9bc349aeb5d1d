"""`ringfence top`: the processes of a container."""

from __future__ import annotations

import sys

from ringfence.cli import table
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

NARROWEST = 20  # docker's, for this verb


def run(engine: Engine, arguments: Arguments) -> int:
    container, *words = arguments.operands
    found = engine.top(container, words)
    sys.stdout.write(table.layout([found["Titles"], *found["Processes"]], NARROWEST))
    return 0


VERB = Verb(run, "CONTAINER [ps OPTIONS]", "Show the processes of a container", operands=(1, MANY),
            interspersed=False)  # fmt: skip
