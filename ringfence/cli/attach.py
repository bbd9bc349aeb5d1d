"""`ringfence attach`: our terminal becomes that of a running container."""

from __future__ import annotations

from ringfence.cli import detach, stdio
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("detach-keys", "Keys that detach from the container", kind="value", default=detach.DEFAULT),
    Flag("no-stdin", "Do not give it our standard input"),
    Flag("sig-proxy", "Pass signals on to the process", default=True),
)


def run(engine: Engine, arguments: Arguments) -> int:
    container, keys = arguments.operands[0], detach.parse(arguments.text("detach-keys"))
    session = engine.attach(container)
    stdin = session.stdin and not arguments.on("no-stdin")
    stdio.check_terminal(stdin=stdin, tty=session.tty)
    if session.tty:
        stdio.redraw(session)
    return stdio.attach(engine, session, container, stdin=stdin, detach_keys=keys,
                        sig_proxy=arguments.on("sig-proxy") and not session.tty)  # fmt: skip


VERB = Verb(run, "[OPTIONS] CONTAINER", "Attach our standard input, output and error to a running container", FLAGS,
            (1, 1))  # fmt: skip
