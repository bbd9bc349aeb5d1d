"""`ringfence manifest create`: begin a list of images for several platforms."""

from __future__ import annotations

from ringfence.cli import access
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("amend", "Go on with a list that exists", "a"),
    *access.FLAGS,
)


def run(engine: Engine, arguments: Arguments) -> int:
    name, *images = arguments.operands
    made = engine.manifest_create(name, images, amend=arguments.on("amend"), **access.of(arguments))
    print(f"Created manifest list {made}")
    return 0


VERB = Verb(run, "[OPTIONS] LIST [IMAGE...]", "Begin a list of images that are here or in registries", FLAGS,
            (1, MANY))  # fmt: skip
