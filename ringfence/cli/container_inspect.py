"""`ringfence container inspect`: everything about containers, and nothing but containers."""

from __future__ import annotations

from ringfence.cli.inspect import FORMAT, SIZE, show
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    return show(arguments.operands, lambda name: engine.inspect(name, type="container", size=arguments.on("size")),
                arguments.text("format"))  # fmt: skip


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Show everything about one or more containers", (FORMAT, SIZE),
            (1, MANY))  # fmt: skip
