"""`ringfence commit`: an image of what a container changed."""

from __future__ import annotations

from ringfence.cli import streams
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("author", "Author of the image", "a", "value"),
    Flag("change", "Apply a Dockerfile instruction to the image config (such as 'CMD [\"sh\"]')", "c", "list"),
    Flag("iidfile", "Write the image ID to this file", kind="value"),
    Flag("message", "Message of the image's history", "m", "value"),
    Flag("quiet", "Print only the image ID: accepted and without effect", "q", hidden=True),
    Flag("pause", "Freeze the container meanwhile", "p", default=True),
)


def run(engine: Engine, arguments: Arguments) -> int:
    container, *reference = arguments.operands
    id = engine.commit(container, reference[0] if reference else None, author=arguments.text("author"),
                        message=arguments.text("message"), change=arguments.many("change"),
                        pause=arguments.on("pause"))  # fmt: skip
    if path := arguments.text("iidfile"):
        streams.note(path, id)
    print(id)
    return 0


VERB = Verb(run, "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]", "Make an image of what a container changed", FLAGS, (1, 2))
