"""`ringfence image inspect`: everything about images, and nothing but images."""

from __future__ import annotations

from ringfence.cli.inspect import FORMAT, show
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    return show(arguments.operands, lambda name: engine.inspect(name, type="image"),
                arguments.text("format"))  # fmt: skip


VERB = Verb(run, "[OPTIONS] IMAGE [IMAGE...]", "Show everything about one or more images", (FORMAT,),
            (1, MANY))  # fmt: skip
