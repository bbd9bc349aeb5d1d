"""`ringfence history`: the steps by which an image was made."""

from __future__ import annotations

import sys

from ringfence.cli import units
from ringfence.cli.format import HELP, Format
from ringfence.cli.images import short
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("format", HELP, kind="value"),
    Flag("human", "Print sizes and dates for people", "H", default=True),
    Flag("no-trunc", "Do not shorten anything"),
    Flag("quiet", "Print only IDs", "q"),
)
HEADINGS = {
    "ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE",
    "Comment": "COMMENT", "Tags": "TAGS",
}  # fmt: skip


def _row(step: dict[str, Any], *, whole: bool, human: bool) -> dict[str, Any]:
    id, made_by = step["Id"], step["CreatedBy"].replace("\t", " ")
    return {
        "ID": id if whole or id == "<missing>" else short(id),
        "CreatedSince": units.ago(step["Created"]) if human else units.rfc3339(step["Created"]),
        "CreatedAt": units.rfc3339(step["Created"]),
        "CreatedBy": made_by if whole else units.ellipsis(made_by, 45),
        "Size": units.size(step["Size"]) if human else str(step["Size"]),
        "Comment": step["Comment"],
        "Tags": ",".join(step["Tags"] or ()),
    }


def run(engine: Engine, arguments: Arguments) -> int:
    wanted = Format(arguments.text("format"))
    whole, human = arguments.on("no-trunc"), arguments.on("human")
    listed = [_row(step, whole=whole, human=human) for step in engine.history(arguments.operands[0])]
    if arguments.on("quiet"):
        sys.stdout.writelines(line["ID"] + "\n" for line in listed)
        return 0
    age = "CreatedSince" if human else "CreatedAt"
    sys.stdout.write(wanted.text(listed, HEADINGS, ("ID", age, "CreatedBy", "Size", "Comment")))
    return 0


VERB = Verb(run, "[OPTIONS] IMAGE", "Show how an image was made, step by step", FLAGS, (1, 1))
