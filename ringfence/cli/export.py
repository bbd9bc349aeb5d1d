"""`ringfence export`: a container's whole tree as a tar archive."""

from __future__ import annotations

from ringfence.cli import streams
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("output", "Write to this file instead of standard output", "o", "value"),)


def run(engine: Engine, arguments: Arguments) -> int:
    streams.write(arguments.text("output"), lambda output: engine.export(arguments.operands[0], output))
    return 0


VERB = Verb(run, "[OPTIONS] CONTAINER", "Write a container's tree as a tar archive", FLAGS, (1, 1))
