"""`ringfence network exists`: whether there is a network of this name, as the exit status."""

from __future__ import annotations

from ringfence.cli.verb import Verb
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    try:
        engine.network_inspect(arguments.operands[0])
    except NotFound:
        return 1
    return 0


VERB = Verb(run, "NETWORK", "Say by the exit status whether there is a network", (), (1, 1))
