"""`ringfence explain`: how a container is made and what it uses, or what `run` would make, step by step."""

from __future__ import annotations

import os
import sys

from ringfence.cli.exitcodes import BAD_FLAG
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("json", "Print JSON instead of text"),)


def _found(engine: Engine, operands: list[str]) -> dict[str, Any]:
    if operands[0] != "run" or len(operands) == 1:
        return engine.explain(operands[0])
    from ringfence.cli.run import VERB as RUN

    arguments = RUN.parse("ringfence run", operands[1:])
    image, *command = arguments.operands
    options = arguments.options("detach")
    return engine.explain_run(image, command or None, environ=os.environ, **options)


def run(engine: Engine, arguments: Arguments) -> int:
    from ringfence.engine.explain import text

    found = _found(engine, arguments.operands)
    if arguments.on("json"):
        from ringfence import json

        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(text(found).rstrip("\n") + "\n")
    return 0


VERB = Verb(run, "[OPTIONS] CONTAINER  or  [OPTIONS] run [OPTIONS] IMAGE [COMMAND] [ARG...]",
            "Show how a container is made: namespaces, cgroups, layers and plan", FLAGS, (1, MANY), interspersed=False,
            refusal=BAD_FLAG)  # fmt: skip
