"""`ringfence pull`: fetch an image from its registry."""

from __future__ import annotations

import sys

from ringfence.cli import access, progress
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all-tags", "Fetch all images of the repository", "a"),
    *access.FLAGS,
    access.CREDS,
    access.TRUST,
    *access.PLATFORM,
    Flag("quiet", "Print only what was fetched", "q"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    for text in arguments.operands:
        _pull(engine, arguments, access.reference(text))
    return 0


def _pull(engine: Engine, arguments: Arguments, text: str) -> None:
    quiet, all_tags = arguments.on("quiet"), arguments.on("all-tags")
    given = Reference.parse(text, "")
    if not (quiet or all_tags or given.tag or given.digest):
        print("Using default tag: latest")
    sys.stdout.flush()
    with progress.shown(sys.stdout, quiet=quiet) as tell:
        pulled = engine.pull(text, platform=access.platform(arguments) or None, all_tags=all_tags, tell=tell,
                             **access.of(arguments))  # fmt: skip
    for name in dict.fromkeys(given.name if all_tags else result["Name"] for result in pulled):
        print(name)


VERB = Verb(run, "[OPTIONS] NAME[:TAG|@DIGEST]...", "Fetch images from a registry", FLAGS, (1, MANY))
