"""`ringfence container prune`: remove all stopped containers."""

from __future__ import annotations

from ringfence.cli import filters, prune
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    chosen = filters.parse(arguments.many("filter"))
    if not prune.agreed(arguments, "This will remove all stopped containers."):
        return 0
    return prune.report(engine.container_prune(filters=chosen))


VERB = Verb(run, "[OPTIONS]", "Remove all stopped containers", (prune.FILTER, prune.FORCE))
