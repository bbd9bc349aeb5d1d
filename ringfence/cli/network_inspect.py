"""`ringfence network inspect`: everything about networks, and nothing but networks."""

from __future__ import annotations

from ringfence.cli.inspect import FORMAT, show
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    return show(arguments.operands, lambda name: engine.inspect(name, type="network"), arguments.text("format"))


VERB = Verb(run, "[OPTIONS] NETWORK [NETWORK...]", "Show everything about one or more networks", (FORMAT,), (1, MANY))
