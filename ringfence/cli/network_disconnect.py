"""`ringfence network disconnect`: take a container, running or not, out of a network."""

from __future__ import annotations

from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("force", "A container that is not in it, or does not exist, is no failure", "f"),)


def run(engine: Engine, arguments: Arguments) -> int:
    network, container = arguments.operands
    engine.network_disconnect(network, container, force=arguments.on("force"))
    return 0


VERB = Verb(run, "[OPTIONS] NETWORK CONTAINER", "Take a container out of a network", FLAGS, (2, 2))
