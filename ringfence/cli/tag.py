"""`ringfence tag`: give an image another name."""

from __future__ import annotations

from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    source, target = arguments.operands
    engine.tag(source, target)
    return 0


VERB = Verb(run, "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Give an image another name", operands=(2, 2))
