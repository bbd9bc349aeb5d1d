"""`ringfence info`: this machine and what is on it."""

from __future__ import annotations

import sys

from ringfence.cli import format
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("format", format.INSPECT_HELP, "f", "value"),)


def show(found: dict[str, Any], source: str) -> int:
    """As indented text, as one line of JSON, or through a template."""
    if not source:
        sys.stdout.writelines(_indented(found, ""))
    elif source == "json":
        sys.stdout.write(format.line(found))
    else:
        sys.stdout.write(format.parse(source, "template parsing error").execute(found) + "\n")
    return 0


def _indented(value: dict[str, Any], margin: str) -> Iterator[str]:
    for name, item in value.items():
        if isinstance(item, dict):
            yield f"{margin}{name}:\n"
            yield from _indented(item, margin + "  ")
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            yield f"{margin}{name}:\n"
            for entry in item:
                yield from _indented(entry, margin + "  ")
        else:
            yield f"{margin}{name}: {_shown(item)}".rstrip() + "\n"


def _shown(item: Any) -> str:
    if isinstance(item, list):
        return " ".join(map(str, item))
    return str(item).lower() if isinstance(item, bool) else str(item)


def run(engine: Engine, arguments: Arguments) -> int:
    return show(engine.info(), arguments.text("format"))


VERB = Verb(run, "[OPTIONS]", "Show this machine and what is on it", FLAGS)
