"""`ringfence group stats`: what the containers of groups use together, again and again."""

from __future__ import annotations

import sys

from ringfence.cli.format import HELP, Format
from ringfence.cli.parser import Flag
from ringfence.cli.stats import CLEAR
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("format", HELP, kind="value"), Flag("no-stream", "Show one measurement and end"))
HEADINGS = {
    "Name": "NAME", "ID": "GROUP ID", "Containers": "CONTAINERS", "CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %", "NetIO": "NET I/O", "NetLimit": "NET LIMIT", "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
}  # fmt: skip
COLUMNS = ("Name", "Containers", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "NetLimit", "BlockIO", "PIDs")


def run(engine: Engine, arguments: Arguments) -> int:
    wanted, stream = Format(arguments.text("format")), not arguments.on("no-stream")
    clear = CLEAR if stream and sys.stdout.isatty() and wanted.kind == "table" else ""
    for measured in engine.group_stats(arguments.operands, stream=stream):
        sys.stdout.write(clear + wanted.text([entry["Summary"] for entry in measured], HEADINGS, COLUMNS))
        sys.stdout.flush()
    return 0


VERB = Verb(run, "[OPTIONS] [GROUP...]", "Show what the containers of groups use together, live", FLAGS, (0, MANY))
