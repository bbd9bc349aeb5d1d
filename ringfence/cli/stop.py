"""`ringfence stop`: the stop signal, some patience, then SIGKILL."""

from __future__ import annotations

from ringfence.cli import chosen
from ringfence.cli.each import each
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

ENDING = (
    Flag("signal", "Signal to send, instead of the container's own stop signal", "s", "value"),
    Flag("time", "", kind="int", alias_of="timeout"),
    Flag("timeout", "Seconds until it is killed; -1 for never (default: the container's own, or 10)", "t", "int"),
)
FLAGS = (
    Flag("all", "Stop all containers", "a"),
    chosen.FILTER,
    Flag("not-stopped-by-user", "The machine goes down: leave to the policy what is started at boot", hidden=True),
    *ENDING,
)


def run(engine: Engine, arguments: Arguments) -> int:
    timeout, signal = arguments.number("timeout"), arguments.text("signal") or None
    for_boot = arguments.on("not-stopped-by-user")
    return each(chosen.names(engine, arguments, "stop"),
                lambda name: engine.stop(name, timeout=timeout, signal=signal, for_boot=for_boot))  # fmt: skip


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Stop one or more running containers", FLAGS, (0, MANY))
