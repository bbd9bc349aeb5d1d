"""`ringfence volume prune`: remove volumes that no container uses."""

from __future__ import annotations

from ringfence.cli import filters, prune
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("all", "Also volumes that have a name, not only anonymous ones", "a"), prune.FILTER, prune.FORCE)


def run(engine: Engine, arguments: Arguments) -> int:
    chosen, everything = filters.parse(arguments.many("filter")), arguments.on("all")
    which = "all local" if everything else "anonymous local"
    if not prune.agreed(arguments, f"This will remove {which} volumes not used by at least one container."):
        return 0
    return prune.report(engine.volume_prune(all=everything, filters=chosen))


VERB = Verb(run, "[OPTIONS]", "Remove volumes that no container uses", FLAGS)
