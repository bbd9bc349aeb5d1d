"""`ringfence group rm`: remove groups that no container is in."""

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
    return each(arguments.operands, lambda name: engine.group_rm(name, force=arguments.on("force")))


VERB = Verb(run, "[OPTIONS] GROUP [GROUP...]", "Remove one or more groups", FLAGS, (1, MANY))
