"""`ringfence untag`: take names from an image, which stays."""

from __future__ import annotations

from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    image, *names = arguments.operands
    engine.untag(image, names)
    return 0


VERB = Verb(run, "IMAGE [NAME...]", "Take names (all, if none is said) from an image, which stays", (), (1, MANY))
