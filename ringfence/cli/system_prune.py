"""`ringfence system prune`: remove all that is not used, and what a crash has left behind."""

from __future__ import annotations

from ringfence.cli import filters, prune
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all", "Also images that have a name but no container", "a"),
    prune.FILTER,
    prune.FORCE,
    Flag("volumes", "Also anonymous volumes that no container uses"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    chosen, everything, volumes = filters.parse(arguments.many("filter")), arguments.on("all"), arguments.on("volumes")
    going = ["all stopped containers", "whatever a crash has left behind"]
    if volumes:
        going.append("all anonymous volumes not used by at least one container")
    images = "images without at least one container associated to them" if everything else "dangling images"
    going.append(f"all {images}")
    if not prune.agreed(arguments, "This will remove:\n" + "".join(f"  - {what}\n" for what in going)):
        return 0
    return prune.report(engine.system_prune(all=everything, volumes=volumes, filters=chosen))


VERB = Verb(run, "[OPTIONS]", "Remove unused containers and images, and what a crash has left", FLAGS)
