"""`ringfence group update`: change the limits that the containers of groups share, live."""

from __future__ import annotations

import sys

from ringfence.cli import run_options
from ringfence.cli.each import each
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb
from ringfence.engine.options import changeable_of_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (*run_options.flags(changeable_of_group), Flag("pids", "", kind="value", alias_of="pids-limit"))


def run(engine: Engine, arguments: Arguments) -> int:
    limits = arguments.options()

    def change(name: str) -> None:
        for warning in engine.group_update(name, **limits):
            sys.stderr.write(f"WARNING: {warning}\n")

    return each(arguments.operands, change)


VERB = Verb(run, "[OPTIONS] GROUP [GROUP...]", "Change limits of one or more groups", FLAGS, (1, MANY))
