"""`ringfence rmi`: remove names of images, and images with their last name."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("force", "Remove it even if containers use it or it has several names", "f"),
    Flag("no-prune", "Keep parents that have no name (not built yet)", hidden=True),
    Flag("platform", "Remove only this platform (not built yet)", kind="list", hidden=True),
)


def run(engine: Engine, arguments: Arguments) -> int:
    for name in ("no-prune", "platform"):
        if arguments.given.get(name):
            raise Unsupported(f"--{name}: not built yet")

    def remove(image: str) -> None:
        for step in engine.rmi(image, force=arguments.on("force")):
            for word, what in step.items():
                print(f"{word}: {what}")

    return each(arguments.operands, remove, quiet=True)


VERB = Verb(run, "[OPTIONS] IMAGE [IMAGE...]", "Remove one or more images", FLAGS, (1, MANY))
