"""`ringfence explain`: how a container is made and what it uses, what `run` would make, or what an image has."""

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
        return _container_or_image(engine, operands[0])
    from ringfence.cli.run import VERB as RUN

    arguments = RUN.parse("ringfence run", operands[1:])
    image, *command = arguments.operands
    options = arguments.options("detach")
    return engine.explain_run(image, command or None, environ=os.environ, **options)


def _container_or_image(engine: Engine, name: str) -> dict[str, Any]:
    from ringfence.errors import NotFound

    try:
        return engine.explain(name)
    except NotFound as error:
        try:
            return engine.explain_image(name)
        except NotFound:
            raise NotFound(f"no such container or image: {name}") from error


def run(engine: Engine, arguments: Arguments) -> int:
    from ringfence.engine import explain, explain_image

    found = _found(engine, arguments.operands)
    if arguments.on("json"):
        from ringfence import json

        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    else:
        text = explain_image.text if "image" in found else explain.text
        sys.stdout.write(text(found).rstrip("\n") + "\n")
    return 0


VERB = Verb(run, "[OPTIONS] CONTAINER|IMAGE  or  [OPTIONS] run [OPTIONS] IMAGE [COMMAND] [ARG...]",
            "Show how a container is made: namespaces, cgroups, layers and plan; or an image", FLAGS,
            (1, MANY), interspersed=False, refusal=BAD_FLAG)  # fmt: skip
