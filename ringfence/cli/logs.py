"""`ringfence logs`: what a container printed."""

from __future__ import annotations

import sys

from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("details", "Show further details (not built yet)", hidden=True),
    Flag("follow", "Go on as long as it runs", "f"),
    Flag("since", "Show what was printed since (2026-01-02T13:23:37Z, seconds since 1970, or so long ago: 42m)",
         kind="value"),
    Flag("tail", "Show so many lines from the end", "n", "value", default="all"),
    Flag("timestamps", "Show the time of each line", "t"),
    Flag("until", "Show what was printed before", kind="value"),
)  # fmt: skip


def run(engine: Engine, arguments: Arguments) -> int:
    if arguments.on("details"):
        raise Unsupported("--details: not built yet")
    follow, times = arguments.on("follow"), arguments.on("timestamps")
    outputs = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    for entry in engine.logs(arguments.operands[0], follow=follow, tail=arguments.text("tail"),
                             since=arguments.text("since") or None, until=arguments.text("until") or None):  # fmt: skip
        output = outputs[entry.stream]
        output.write(entry.time.encode() + b" " + entry.data if times else entry.data)
        if follow:
            output.flush()
    return 0


VERB = Verb(run, "[OPTIONS] CONTAINER", "Show what a container printed", FLAGS, (1, 1))
