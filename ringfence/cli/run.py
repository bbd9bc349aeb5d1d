"""`ringfence run`: create and start; in the foreground, our terminal is the container's."""

from __future__ import annotations

from ringfence.cli import detach, run_options, stdio
from ringfence.cli.create import create
from ringfence.cli.exitcodes import BAD_FLAG
from ringfence.cli.verb import MANY, Verb
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine
    from ringfence.engine.container import Container


def run(engine: Engine, arguments: Arguments) -> int:
    stdin, tty = arguments.on("interactive"), arguments.on("tty")
    if arguments.on("detach"):
        container = create(engine, arguments)
        container.start()
        print(container.id)
        return 0
    keys = detach.parse(arguments.text("detach-keys"))
    stdio.check_terminal(stdin=stdin, tty=tty)
    container = create(engine, arguments)
    try:
        session = engine.launch(container.id, window=stdio.window() if tty else (0, 0))
    except KeyboardInterrupt:
        if arguments.on("rm"):
            _remove(container)
        raise
    return stdio.attach(engine, session, container.id, stdin=stdin, sig_proxy=arguments.on("sig-proxy"),
                        detach_keys=keys)  # fmt: skip


def _remove(container: Container) -> None:
    """One that was to be removed at its exit, and comes to none."""
    try:
        container.remove(force=True, volumes=True)
    except NotFound:
        return  # its start had begun, and has seen to it


VERB = Verb(run, "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image",
            run_options.flags(), (1, MANY), interspersed=False, failure=BAD_FLAG, refusal=BAD_FLAG)  # fmt: skip
