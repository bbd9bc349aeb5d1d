"""`ringfence import`: an image of one layer from the tar archive of a root filesystem."""

from __future__ import annotations

from ringfence.cli import access, streams
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("change", "Apply a Dockerfile instruction to the image config (such as 'CMD [\"sh\"]')", "c", "list"),
    Flag("message", "Message of the image's history", "m", "value"),
    *access.PLATFORM,
    Flag("quiet", "Print only the image ID: accepted and without effect", "q", hidden=True),
)


def run(engine: Engine, arguments: Arguments) -> int:
    path, *reference = arguments.operands
    if "://" in path:
        raise Unsupported(f"{path}: importing from a URL is not built yet", hint="download it, then import the file")
    with streams.source(path) as archive:
        print(engine.import_image(archive, reference[0] if reference else None, message=arguments.text("message"),
                                  change=arguments.many("change"), platform=access.platform(arguments)))  # fmt: skip
    return 0


VERB = Verb(run, "[OPTIONS] file|- [REPOSITORY[:TAG]]", "Make an image of the tar archive of a root filesystem", FLAGS,
            (1, 2))  # fmt: skip
