"""`ringfence start`: start containers that exist, in the background, or one with its stdio here."""

from __future__ import annotations

from ringfence.cli import chosen, detach
from ringfence.cli.each import each
from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import MANY, Verb
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all", "Start all containers"),
    Flag("attach", "Show what it prints, pass signals on, and end with its exit code", "a"),
    Flag("checkpoint", "Restore from this checkpoint (not built yet)", kind="value", hidden=True),
    Flag("checkpoint-dir", "Where the checkpoint is (not built yet)", kind="value", hidden=True),
    Flag("detach-keys", "Keys that detach from the container", kind="value", default=detach.DEFAULT),
    chosen.FILTER,
    Flag("interactive", "Give it our standard input too", "i"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    for name in ("checkpoint", "checkpoint-dir"):
        if arguments.text(name):
            raise Unsupported(f"--{name}: not built yet")
    if not arguments.on("attach") and not arguments.on("interactive"):
        return each(chosen.names(engine, arguments, "start"), engine.start)
    names = chosen.names(engine, arguments, "start")
    if len(names) != 1:
        raise UsageError("you cannot start and attach multiple containers at once", status=1)
    return _attached(engine, arguments, names[0])


def _attached(engine: Engine, arguments: Arguments, name: str) -> int:
    from ringfence.cli import stdio

    keys = detach.parse(arguments.text("detach-keys"))
    container = engine.container(name)
    settings = container.inspect()["Config"]
    stdin = arguments.on("interactive") and settings["OpenStdin"]
    stdio.check_terminal(stdin=stdin, tty=settings["Tty"])
    if container.status in ("running", "paused"):
        session = engine.attach(container.id)
    else:
        session = engine.launch(container.id, window=stdio.window() if settings["Tty"] else (0, 0))
    return stdio.attach(engine, session, container.id, stdin=stdin, sig_proxy=not settings["Tty"],
                        detach_keys=keys)  # fmt: skip


VERB = Verb(run, "[OPTIONS] CONTAINER [CONTAINER...]", "Start one or more stopped containers", FLAGS, (0, MANY))
