"""`ringfence stop`: the stop signal, some patience, then SIGKILL."""

from __future__ import annotations

from ringfence.cli.each import each
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("signal", "Signal to send, instead of the container's own stop signal", "s", "value"),
    Flag("time", "", kind="int", alias_of="timeout"),
    Flag("timeout", "Seconds until it is killed; -1 for never (default: the container's own, or 10)", "t", "int"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    timeout, signal = arguments.number("timeout"), arguments.text("signal") or None
    return each(arguments.operands, lambda name: engine.stop(name, timeout=timeout, signal=signal))


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Stop one or more running containers", FLAGS, (1, MANY))
