"""`ringfence load`: images from a docker or OCI archive, or from an OCI directory."""

from __future__ import annotations

from ringfence.cli import streams
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("input", "Read this file (or OCI directory) instead of standard input", "i", "value"),
    Flag("platform", "Load only this platform (not built yet)", kind="value", hidden=True),
    Flag("quiet", "Print only what was loaded", "q"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    if arguments.text("platform"):
        raise Unsupported("--platform: not built yet")
    path = arguments.text("input") or "-"
    if path != "-":
        names = engine.load(path)
    else:
        with streams.source(path) as archive:
            names = engine.load(archive)
    for name in names:
        print(f"Loaded image ID: {name}" if name.startswith("sha256:") else f"Loaded image: {name}")
    return 0


VERB = Verb(run, "[OPTIONS]", "Load images from an archive", FLAGS)
