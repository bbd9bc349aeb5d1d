"""`ringfence exec`: another program in a running container."""

from __future__ import annotations

import os

from ringfence.cli import detach, stdio
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("detach", "Run it in the background", "d"),
    Flag("detach-keys", "Keys that detach from the program", kind="value", default=detach.DEFAULT),
    Flag("env", "Set an environment variable (NAME=VALUE, or NAME for the caller's value)", "e", "list"),
    Flag("env-file", "Read environment variables from a file", kind="list"),
    Flag("interactive", "Give it our standard input", "i"),
    Flag("privileged", "Give it all capabilities"),
    Flag("tty", "Give it a terminal", "t"),
    Flag("user", "User and group (NAME|UID[:GROUP|GID])", "u", "value"),
    Flag("workdir", "Working directory in the container", "w", "value"),
)


def run(engine: Engine, arguments: Arguments) -> int:
    container, *command = arguments.operands
    keys = detach.parse(arguments.text("detach-keys"))
    options = {**arguments.options("detach", "detach-keys"), "environ": os.environ}
    if arguments.on("detach"):
        return engine.exec(container, command, detach=True, **options).exit_code
    stdin, tty = arguments.on("interactive"), arguments.on("tty")
    engine.container(container)  # an unknown container is told before a missing terminal, as docker does
    stdio.check_terminal(stdin=stdin, tty=tty)
    session = engine.exec_session(container, command, window=stdio.window() if tty else (0, 0), **options)
    pump = stdio.Pump(session, stdin=stdin, detach_keys=keys)
    return stdio.conclude(session, pump.run())


VERB = Verb(run, "[OPTIONS] CONTAINER COMMAND [ARG...]", "Execute a program in a running container", FLAGS, (2, MANY),
            interspersed=False)  # fmt: skip
