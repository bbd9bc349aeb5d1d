"""`ringfence builder prune`: forget the build cache."""

from __future__ import annotations

from ringfence.cli import filters, prune
from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all", "Everything is forgotten in any case: accepted and without effect", "a", hidden=True),
    Flag("filter", "Only what was not used for a time (until=24h)", kind="list", metavar="filter"),
    prune.FORCE,
)


def run(engine: Engine, arguments: Arguments) -> int:
    import time

    from ringfence.build.prune import prune as forget
    from ringfence.engine import times

    chosen = filters.parse(arguments.many("filter"))
    if set(chosen) - {"until"}:
        raise UsageError("--filter: only until=… can be asked for")
    now = time.time_ns()
    moments = [times.parse_moment("--filter: until", text, now) for text in chosen.get("until", ())]
    if not prune.agreed(arguments, "This will remove all build cache."):
        return 0
    return prune.report(forget(engine, before=min(moments) if moments else None))


VERB = Verb(run, "[OPTIONS]", "Forget the build cache", FLAGS)
