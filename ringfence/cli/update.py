"""`ringfence update`: change the limits or the restart policy of containers, running ones too."""

from __future__ import annotations

import sys

from ringfence.cli import run_options
from ringfence.cli.each import each
from ringfence.cli.exitcodes import BAD_FLAG
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine


def run(engine: Engine, arguments: Arguments) -> int:
    from ringfence.engine import options

    limits = arguments.options()
    options.resource_options(limits)  # a wrong value is told once, not for every container

    def change(name: str) -> None:
        for warning in engine.update(name, **limits):
            sys.stderr.write(f"WARNING: {warning}\n")

    return each(arguments.operands, change)


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Change limits of one or more containers",
            run_options.flags(lambda option: option.update), (1, MANY), refusal=BAD_FLAG)  # fmt: skip
