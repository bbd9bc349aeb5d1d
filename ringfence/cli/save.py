"""`ringfence save`: images as an archive, in docker's form or OCI's."""

from __future__ import annotations

from ringfence.cli import streams
from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import MANY, Verb
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FORMATS = ("docker-archive", "oci-archive", "oci-dir")
FLAGS = (
    Flag("format", f"Form of what is written: {', '.join(FORMATS)}", kind="value", default="docker-archive"),
    Flag("output", "Write to this file (oci-dir: directory) instead of standard output", "o", "value"),
    Flag("multi-image-archive", "Archives may always have several images: accepted and without effect", "m",
         hidden=True),
    Flag("quiet", "Nothing is told anyway: accepted and without effect", "q", hidden=True),
    Flag("platform", "Save only this platform (not built yet)", kind="value", hidden=True),
)


def run(engine: Engine, arguments: Arguments) -> int:
    if arguments.text("platform"):
        raise Unsupported("--platform: not built yet")
    form, path = arguments.text("format"), arguments.text("output")
    if form not in FORMATS:
        raise UsageError(f'invalid argument "{form}" for "--format" flag: must be one of {", ".join(FORMATS)}')
    if form == "oci-dir":
        if not path:
            raise UsageError("--format oci-dir needs --output DIRECTORY", status=1)
        engine.save(arguments.operands, path, format=form)
    else:
        streams.write(path, lambda output: engine.save(arguments.operands, output, format=form))
    return 0


VERB = Verb(run, "[OPTIONS] IMAGE [IMAGE...]", "Write images as an archive (to standard output if no file is named)",
            FLAGS, (1, MANY))  # fmt: skip
