"""`ringfence manifest referrers`: what a registry has that refers to an image, such as signatures."""

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
    print(json.dumps(engine.referrers(name, **access.of(arguments)), indent=4, ensure_ascii=False))
    return 0


VERB = Verb(run, "[OPTIONS] NAME", "Show what refers to an image in its registry (signatures, attestations)",
            access.FLAGS, (1, 1))  # fmt: skip
