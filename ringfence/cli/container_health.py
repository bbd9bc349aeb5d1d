"""`ringfence container health ID`: for a container's monitor; one health check."""

from __future__ import annotations

from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    return int(engine.healthcheck(arguments.operands[0]) == "unhealthy")


VERB = Verb(run, "CONTAINER", "Check a container's health once (run by its monitor)", operands=(1, 1))
