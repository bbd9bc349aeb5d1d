"""`ringfence image exists`: whether an image is here, by the exit code."""

from __future__ import annotations

from ringfence.cli.verb import Verb
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    try:
        engine.inspect(arguments.operands[0], type="image")
    except NotFound:
        return 1
    return 0


VERB = Verb(run, "IMAGE", "Tell by the exit code whether an image is here", (), (1, 1))
