"""`ringfence push`: store an image in its registry."""

from __future__ import annotations

import sys

from ringfence.cli import access, progress
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all-tags", "Push all tags of the repository", "a"),
    *access.FLAGS,
    access.CREDS,
    access.TRUST,
    Flag("quiet", "Print only the image's name", "q"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    (text,) = arguments.operands
    quiet, all_tags = arguments.on("quiet"), arguments.on("all-tags")
    given = Reference.parse(text, "")
    if not (quiet or all_tags or given.tag or given.digest):
        print("Using default tag: latest")
    sys.stdout.flush()
    with progress.shown(sys.stdout, quiet=quiet) as tell:
        pushed = engine.push(text, all_tags=all_tags, tell=tell, **access.of(arguments))
    if quiet:
        for result in pushed:
            print(f"{given.name}:{result['Tag']}")
    return 0


VERB = Verb(run, "[OPTIONS] NAME[:TAG]", "Store an image in a registry", FLAGS, (1, 1))
