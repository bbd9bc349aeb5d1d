"""`ringfence network prune`: remove networks that no container is in."""

from __future__ import annotations

from ringfence.cli import filters, prune
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (prune.FILTER, prune.FORCE)


def run(engine: Engine, arguments: Arguments) -> int:
    chosen = filters.parse(arguments.many("filter"))
    if not prune.agreed(arguments, "This will remove all custom networks not used by at least one container."):
        return 0
    return prune.report(engine.network_prune(filters=chosen))


VERB = Verb(run, "[OPTIONS]", "Remove networks that no container is in", FLAGS)
