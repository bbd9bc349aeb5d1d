"""`ringfence volume ls`: list volumes."""

from __future__ import annotations

import sys

from ringfence.cli import filters
from ringfence.cli.format import HELP, Format
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (
    Flag("filter", "Show only those for which this holds (such as dangling=true, name=TEXT)", "f", "list",
         metavar="filter"),
    Flag("format", HELP, kind="value"),
    Flag("quiet", "Print only names", "q"),
)  # fmt: skip
HEADINGS = {
    "Driver": "DRIVER", "Name": "VOLUME NAME", "Scope": "SCOPE", "Mountpoint": "MOUNTPOINT", "Labels": "LABELS",
    "Links": "LINKS", "Size": "SIZE", "CreatedAt": "CREATED AT",
}  # fmt: skip


def row(volume: dict[str, Any]) -> dict[str, Any]:
    """The columns of one volume."""
    labels = volume["Labels"] or {}
    return {
        "Driver": volume["Driver"],
        "Name": volume["Name"],
        "Scope": volume["Scope"],
        "Mountpoint": volume["Mountpoint"],
        "CreatedAt": volume["CreatedAt"],
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        "Label": lambda name: labels.get(name, ""),
        "Links": "N/A",
        "Size": "N/A",
    }


def run(engine: Engine, arguments: Arguments) -> int:
    wanted = Format(arguments.text("format"))
    volumes = engine.volume_ls(filters=filters.parse(arguments.many("filter")))
    if arguments.on("quiet"):
        sys.stdout.writelines(volume["Name"] + "\n" for volume in volumes)
        return 0
    sys.stdout.write(wanted.text(map(row, volumes), HEADINGS, ("Driver", "Name")))
    return 0


VERB = Verb(run, "[OPTIONS]", "List volumes", FLAGS)
