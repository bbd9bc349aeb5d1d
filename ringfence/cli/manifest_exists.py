"""`ringfence manifest exists`: whether there is a list of that name here, by the exit code."""

from __future__ import annotations

from ringfence.cli.verb import Verb
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    try:
        engine.manifest_entries(arguments.operands[0])
    except NotFound:
        return 1
    return 0


VERB = Verb(run, "LIST", "Tell by the exit code whether there is a list of that name", (), (1, 1))
