"""`ringfence manifest push`: a list and its images into a registry."""

from __future__ import annotations

import sys

from ringfence.cli import access, progress, streams
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all", "The images always go along: accepted and without effect", hidden=True),
    *access.FLAGS,
    access.CREDS,
    Flag("digestfile", "Write the digest of the list to this file", kind="value", metavar="path"),
    Flag("rm", "", alias_of="purge"),
    Flag("purge", "Forget the list when it is there", "p"),
    Flag("quiet", "Print only the digest", "q"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    name, *destination = map(access.reference, arguments.operands)
    with progress.shown(sys.stderr, quiet=arguments.on("quiet")) as tell:
        digest = engine.manifest_push(name, *destination, purge=arguments.on("purge"), tell=tell,
                                      **access.of(arguments))  # fmt: skip
    if path := arguments.text("digestfile"):
        streams.note(path, digest)
    print(digest)
    return 0


VERB = Verb(run, "[OPTIONS] LIST [DESTINATION]", "Push a list with its images, and print its digest", FLAGS, (1, 2))
