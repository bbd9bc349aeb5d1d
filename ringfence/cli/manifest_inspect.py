"""`ringfence manifest inspect`: a list that is here, or what a registry has under a name."""

from __future__ import annotations

from ringfence import json
from ringfence.cli import access
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    (name,) = arguments.operands
    print(json.dumps(engine.manifest_inspect(name, **access.of(arguments)), indent=4, ensure_ascii=False))
    return 0


VERB = Verb(run, "[OPTIONS] NAME", "Show a list that is here, or the manifest that a registry has", access.FLAGS,
            (1, 1))  # fmt: skip
