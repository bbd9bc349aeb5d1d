"""`ringfence restart`: stop, if it runs, and start."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.stop import ENDING
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    timeout, signal = arguments.number("timeout"), arguments.text("signal") or None
    return each(arguments.operands, lambda name: engine.restart(name, timeout=timeout, signal=signal))


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Restart one or more containers", ENDING, (1, MANY))
