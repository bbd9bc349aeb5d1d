"""`ringfence volume create`: make a volume, and print its name."""

from __future__ import annotations

from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("driver", "Driver of the volume", "d", "value", default="local"),
    Flag("label", "Set metadata (KEY=VALUE)", kind="list"),
    Flag("opt", "Option of the driver (NAME=VALUE)", "o", "list"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    name = arguments.operands[0] if arguments.operands else None
    made = engine.volume_create(name, driver=arguments.text("driver"), opt=arguments.many("opt"),
                                label=arguments.many("label"))  # fmt: skip
    print(made["Name"])
    return 0


VERB = Verb(run, "[OPTIONS] [VOLUME]", "Make a volume", FLAGS, (0, 1))
