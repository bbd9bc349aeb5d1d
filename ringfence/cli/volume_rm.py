"""`ringfence volume rm`: remove volumes that no container uses."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("force", "One that does not exist is no failure", "f"),)


def run(engine: Engine, arguments: Arguments) -> int:
    return each(arguments.operands, lambda name: engine.volume_rm(name, force=arguments.on("force")))


VERB = Verb(run, "[OPTIONS] VOLUME [VOLUME...]", "Remove one or more volumes", FLAGS, (1, MANY))
