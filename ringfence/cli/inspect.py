"""`ringfence inspect`: everything about containers, images, volumes and groups, as JSON or through a template."""

from __future__ import annotations

import sys

from ringfence.cli import format
from ringfence.cli.each import each
from ringfence.cli.parser import Flag, UsageError
from ringfence.cli.verb import MANY, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

TYPES = ("container", "image", "volume", "group")
FORMAT = Flag("format", format.INSPECT_HELP, "f", "value")
SIZE = Flag("size", "Add total file sizes of containers", "s")
FLAGS = (FORMAT, SIZE, Flag("type", f"Look only for objects of this type: {', '.join(TYPES)}", kind="value"))


def show(names: Sequence[str], find: Callable[[str], dict[str, Any]], source: str) -> int:
    """Print what `find` tells of each name: as one JSON list, or each through the template `source`."""
    template = format.parse(source, "template parsing error") if source not in ("", "json") else None
    found: list[dict[str, Any]] = []

    def one(name: str) -> None:
        value = find(name)
        if template is not None:
            sys.stdout.write(template.execute(value) + "\n")
        else:
            found.append(value)

    status = each(names, one, quiet=True)
    if template is None:
        from ringfence import json

        compact = source == "json"
        separators = (",", ":") if compact else (",", ": ")
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=None if compact else 4, separators=separators))
        sys.stdout.write("\n")
    return status


def run(engine: Engine, arguments: Arguments) -> int:
    kind = arguments.text("type")
    if kind and kind not in TYPES:
        choices = ", ".join(f'"{known}"' for known in TYPES)
        raise UsageError(f'unknown type: "{kind}": must be one of {choices}', status=1)
    return show(arguments.operands, lambda name: engine.inspect(name, type=kind or None, size=arguments.on("size")),
                arguments.text("format"))  # fmt: skip


VERB = Verb(run, "[OPTIONS] NAME|ID [NAME|ID...]", "Show everything about containers, images, volumes and groups",
            FLAGS, (1, MANY))  # fmt: skip
