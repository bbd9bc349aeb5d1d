"""`ringfence image prune`: remove images that nobody needs."""

from __future__ import annotations

from ringfence.cli import filters, prune
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("all", "Also images that have a name but no container", "a"), prune.FILTER, prune.FORCE)


def run(engine: Engine, arguments: Arguments) -> int:
    chosen, everything = filters.parse(arguments.many("filter")), arguments.on("all")
    which = "images without at least one container associated to them" if everything else "dangling images"
    if not prune.agreed(arguments, f"This will remove all {which}."):
        return 0
    return prune.report(engine.image_prune(all=everything, filters=chosen))


VERB = Verb(run, "[OPTIONS]", "Remove images without a name", FLAGS)
