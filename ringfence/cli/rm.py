"""`ringfence rm`: remove containers."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.main import complain
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb
from ringfence.errors import NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("force", "Kill a running container first; one that does not exist is no failure", "f"),
    Flag("link", "Remove a link (links come with networks)", "l"),
    Flag("volumes", "Remove its anonymous volumes too", "v"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    force, volumes = arguments.on("force"), arguments.on("volumes")
    if arguments.on("link"):
        raise Unsupported("--link: not built yet (links come with networks)")

    def remove(name: str) -> None:
        try:
            engine.rm(name, force=force, volumes=volumes)
        except NotFound as error:
            if not force:
                raise
            complain(error)
        else:
            print(name, flush=True)

    return each(arguments.operands, remove, quiet=True)


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Remove one or more containers", FLAGS, (1, MANY))
