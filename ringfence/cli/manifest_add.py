"""`ringfence manifest add`: one more image for a list."""

from __future__ import annotations

from ringfence.cli import access, manifest_annotate
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    name, image = arguments.operands
    image = access.reference(image)
    engine.manifest_add(name, image, **access.of(arguments))
    said = manifest_annotate.told(arguments)
    if any(said.values()):
        engine.manifest_annotate(name, image, **said)
    return 0


VERB = Verb(run, "[OPTIONS] LIST IMAGE", "Take one more image into a list",
            (*access.FLAGS, access.CREDS, *manifest_annotate.FLAGS), (2, 2))
