"""`ringfence create`: make a container, and print its ID."""

from __future__ import annotations

import os
import sys

from ringfence.cli import run_options
from ringfence.cli.exitcodes import BAD_FLAG
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine
    from ringfence.engine.container import Container
    from ringfence.images.pull import Tell


def create(engine: Engine, arguments: Arguments) -> Container:
    """The container that the command line describes; its warnings are told."""
    image, *command = arguments.operands
    options = arguments.options("detach")
    if not arguments.on("quiet"):
        engine.pulling = _announce
    container = engine.create(image, command or None, environ=os.environ, **options)
    for warning in container.warnings:
        sys.stderr.write(f"WARNING: {warning}\n")
    return container


def _announce() -> AbstractContextManager[Tell]:
    """A pull is told of on stderr, where it does not mix with what the container prints."""
    from ringfence.cli import progress

    return progress.shown(sys.stderr)


def run(engine: Engine, arguments: Arguments) -> int:
    print(create(engine, arguments).id)
    return 0


VERB = Verb(run, "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a container without starting it",
            run_options.flags(lambda option: not option.run_only), (1, MANY), interspersed=False,
            refusal=BAD_FLAG)  # fmt: skip
