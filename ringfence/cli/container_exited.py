"""`ringfence container exited ID`: for a container's monitor; what is to be done after an exit that no owner saw."""

from __future__ import annotations

from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    engine.exited(arguments.operands[0])
    return 0


VERB = Verb(run, "CONTAINER", "Remove or restart a container that has exited (run by its monitor)", operands=(1, 1))
