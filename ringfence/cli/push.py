"""`ringfence push`: store an image in its registry."""

from __future__ import annotations

import sys

from ringfence.cli import access, progress, streams
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
    Flag("compress", "As --compression-format gzip", hidden=True),
    Flag("compression-format", "Compress layers that are stored without: gzip, zstd", kind="value"),
    Flag("digestfile", "Write the digest of what was pushed to this file", kind="value", metavar="path"),
    Flag("quiet", "Print only the image's name", "q"),
    Flag("remove-signatures", "Nothing is signed: accepted and without effect", hidden=True),
)


def run(engine: Engine, arguments: Arguments) -> int:
    text, *destination = map(access.reference, arguments.operands)
    quiet, all_tags = arguments.on("quiet"), arguments.on("all-tags")
    given = Reference.parse(destination[0] if destination else text, "")
    if not (quiet or all_tags or given.tag or given.digest):
        print("Using default tag: latest")
    sys.stdout.flush()
    with progress.shown(sys.stdout, quiet=quiet) as tell:
        pushed = engine.push(text, *destination, all_tags=all_tags, tell=tell,
                             compression=arguments.text("compression-format") or "gzip" * arguments.on("compress"),
                             **access.of(arguments))  # fmt: skip
    if path := arguments.text("digestfile"):
        streams.note(path, pushed[-1]["Digest"])
    if quiet:
        for result in pushed:
            print(f"{given.name}:{result['Tag']}")
    return 0


VERB = Verb(run, "[OPTIONS] NAME[:TAG] [DESTINATION]", "Store an image in a registry", FLAGS, (1, 2))
