"""`ringfence group create`: make a group of containers that share limits, and print its name."""

from __future__ import annotations

import sys

from ringfence.cli import run_options
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    *run_options.flags(lambda option: option.group),
    Flag("pids", "", kind="value", alias_of="pids-limit"),
    Flag("label", "Set metadata (KEY=VALUE)", kind="list"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    made = engine.group_create(arguments.operands[0], label=arguments.many("label"), **arguments.options("label"))
    for warning in made["Warnings"]:
        sys.stderr.write(f"WARNING: {warning}\n")
    print(made["Name"])
    return 0


VERB = Verb(run, "[OPTIONS] GROUP", "Make a group of containers that share limits (GROUP/NAME: one inside GROUP)",
            FLAGS, (1, 1))  # fmt: skip
