"""`ringfence network rm`: remove networks that no container is in."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("force", "Remove the containers that are in it, too; one that does not exist is no failure", "f"),)


def run(engine: Engine, arguments: Arguments) -> int:
    return each(arguments.operands, lambda name: engine.network_rm(name, force=arguments.on("force")))


VERB = Verb(run, "[OPTIONS] NETWORK [NETWORK...]", "Remove one or more networks", FLAGS, (1, MANY))
