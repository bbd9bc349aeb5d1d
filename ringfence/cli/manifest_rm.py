"""`ringfence manifest rm`: forget lists."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    return each(arguments.operands, engine.manifest_rm)


VERB = Verb(run, "LIST [LIST...]", "Forget lists; their images stay", (), (1, MANY))
