"""`ringfence cp`: files between a container and here."""

from __future__ import annotations

import os
import sys

from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("archive", "Keep owners and groups", "a"),
    Flag("follow-link", "Copy what a symbolic link SRC_PATH points to", "L"),
    Flag("quiet", "Print nothing about what was copied", "q"),
)


def of_container(path: str) -> bool:
    """Whether `path` is CONTAINER:PATH: a colon stands in it before any slash or dot, as docker reads it."""
    return ":" in path and not path.startswith(("/", ".")) and "/" not in path.partition(":")[0]


def run(engine: Engine, arguments: Arguments) -> int:
    source, target = arguments.operands
    if of_container(source) and of_container(target):
        raise UsageError("copying between containers is not supported", status=1)
    if not of_container(source) and not of_container(target):
        raise UsageError("must specify at least one container source", status=1)
    if target == "-" and os.isatty(1):
        raise UsageError("refusing to write an archive to a terminal: redirect it", status=1)
    sys.stdout.flush()
    stream = sys.stdin.buffer if source == "-" else sys.stdout.buffer if target == "-" else None
    engine.cp(source, target, archive=arguments.on("archive"), follow_link=arguments.on("follow-link"), stream=stream)
    if target == "-":
        sys.stdout.buffer.flush()
    return 0


VERB = Verb(run, "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-  or  SRC_PATH|- CONTAINER:DEST_PATH",
            "Copy files between a container and here (- is a tar archive)", FLAGS, (2, 2))  # fmt: skip
