"""`ringfence events`: what happens, as it happens."""

from __future__ import annotations

import sys

from ringfence.cli import filters
from ringfence.cli.format import Format
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb
from ringfence.engine import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("filter", "Show only those for which this holds (such as container=NAME, event=die)", "f", "list",
         metavar="filter"),
    Flag("format", "How to print: 'json', or a Go template; see docs/format.md", kind="value"),
    Flag("since", "Begin with what happened since (a time, or so long ago: 10m)", kind="value"),
    Flag("until", "End at this time", kind="value"),
)  # fmt: skip


def _line(event: dict[str, Any]) -> str:
    """Docker's line: time, type, action, ID and the attributes by name."""
    actor = event["Actor"]
    attributes = ", ".join(f"{name}={value}" for name, value in sorted((actor["Attributes"] or {}).items()))
    said = f"{times.rfc3339(event['timeNano'])} {event['Type']} {event['Action']} {actor['ID']}"
    return f"{said} ({attributes})\n" if attributes else f"{said}\n"


def run(engine: Engine, arguments: Arguments) -> int:
    source = arguments.text("format")
    wanted = Format(source)
    for event in engine.events(since=arguments.text("since") or None, until=arguments.text("until") or None,
                               filters=filters.parse(arguments.many("filter"))):  # fmt: skip
        sys.stdout.write(wanted.one(event) if source else _line(event))
        sys.stdout.flush()
    return 0


VERB = Verb(run, "[OPTIONS]", "Show what happens, as it happens", FLAGS)
