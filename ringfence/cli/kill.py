"""`ringfence kill`: a signal to the first process of containers."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("signal", "Signal to send", "s", "value", default="KILL"),)


def run(engine: Engine, arguments: Arguments) -> int:
    return each(arguments.operands, lambda name: engine.kill(name, signal=arguments.text("signal")))


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Send a signal to one or more running containers", FLAGS,
            (1, MANY))  # fmt: skip
