"""`ringfence manifest remove`: take an image out of a list."""

from __future__ import annotations

from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    name, image = arguments.operands
    print(engine.manifest_remove(name, image))
    return 0


VERB = Verb(run, "LIST IMAGE", "Take an image (its name or digest) out of a list", (), (2, 2))
