"""`ringfence rmi`: remove names of images, and images with their last name."""

from __future__ import annotations

import sys

from ringfence.cli.each import each
from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import MANY, Verb
from ringfence.errors import NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all", "Remove all images", "a"),
    Flag("ignore", "A missing image is no error", "i"),
    Flag("force", "Remove it even if stopped containers use it or it has several names", "f"),
    Flag("no-prune", "Keep parents that have no name (not built yet)", hidden=True),
    Flag("platform", "Remove only this platform (not built yet)", kind="list", hidden=True),
)


def run(engine: Engine, arguments: Arguments) -> int:
    for name in ("no-prune", "platform"):
        if arguments.given.get(name):
            raise Unsupported(f"--{name}: not built yet")

    force, every = arguments.on("force"), arguments.on("all")
    if every == bool(arguments.operands):
        raise UsageError("rmi takes either images or --all", status=125 if every else 1)

    def remove(image: str) -> None:
        try:
            steps = engine.rmi(image, force=force)
        except NotFound as error:
            if not (force or arguments.on("ignore")):
                raise
            if force:  # told, and no failure: as docker does
                sys.stderr.write(f"ringfence: {error}\n")
            return
        for step in steps:
            for word, what in step.items():
                print(f"{word}: {what}")

    names = [name for image in engine.images() for name in image["RepoTags"] or [image["Id"]]] if every else ()
    return each(names or arguments.operands, remove, quiet=True)


VERB = Verb(run, "[OPTIONS] IMAGE [IMAGE...]", "Remove one or more images", FLAGS, (0, MANY))
