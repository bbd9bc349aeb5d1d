"""`ringfence stats`: what containers use, again and again."""

from __future__ import annotations

import sys

from ringfence.cli.format import HELP, Format
from ringfence.cli.parser import Flag
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("all", "Show all containers, not only running ones", "a"),
    Flag("format", HELP, kind="value"),
    Flag("no-stream", "Show one measurement and end"),
    Flag("no-trunc", "Do not shorten anything"),
)
HEADINGS = {
    "Container": "CONTAINER", "ID": "CONTAINER ID", "Name": "NAME", "CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %", "NetIO": "NET I/O", "NetLimit": "NET LIMIT", "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
}  # fmt: skip
COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
CLEAR = "\033[H\033[J"  # ECMA-48: the cursor to the corner, erase to the end


def _row(entry: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    summary = dict(entry["Summary"])
    summary["ID"] = entry["id"] if whole else entry["id"][:12]
    return summary


def run(engine: Engine, arguments: Arguments) -> int:
    wanted, whole = Format(arguments.text("format")), arguments.on("no-trunc")
    stream = not arguments.on("no-stream")
    clear = CLEAR if stream and sys.stdout.isatty() and wanted.kind == "table" else ""
    for measured in engine.stats(arguments.operands, all=arguments.on("all"), stream=stream):
        listed = [_row(entry, whole=whole) for entry in measured]
        limited = any(any(entry["network_limits"].values()) for entry in measured)
        sys.stdout.write(clear + wanted.text(listed, HEADINGS, (*COLUMNS, "NetLimit") if limited else COLUMNS))
        sys.stdout.flush()
    return 0


VERB = Verb(run, "[OPTIONS] [CONTAINER...]", "Show what containers use, live", FLAGS, (0, MANY))
