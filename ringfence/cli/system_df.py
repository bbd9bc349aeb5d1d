"""`ringfence system df`: disk space, by kind, and how much of it could be had back."""

from __future__ import annotations

import sys

from ringfence.cli import units
from ringfence.cli.format import HELP, Format
from ringfence.cli.parser import Flag
from ringfence.cli.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ringfence.cli.parser import Arguments
    from ringfence.engine import Engine

FLAGS = (Flag("format", HELP, kind="value"), Flag("verbose", "List each image, container and volume", "v"))
KINDS = {"Images": "Images", "Containers": "Containers", "Volumes": "Local Volumes", "BuildCache": "Build Cache"}
HEADINGS = {
    "Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE",
}  # fmt: skip


def _row(name: str, used: dict[str, Any]) -> dict[str, Any]:
    free, size = used["Reclaimable"], used["Size"]
    return {
        "Type": name,
        "TotalCount": str(used["TotalCount"]),
        "Active": str(used["Active"]),
        "Size": units.size(size, 4),
        "Reclaimable": units.size(free, 4) + (f" ({free * 100 // size}%)" if size > 0 else ""),
    }


def run(engine: Engine, arguments: Arguments) -> int:
    wanted = Format(arguments.text("format"))
    found = engine.df()
    if arguments.on("verbose"):
        sys.stdout.writelines(_verbose(found))
        return 0
    listed = [_row(name, found[kind]) for kind, name in KINDS.items()]
    sys.stdout.write(wanted.text(listed, HEADINGS, tuple(HEADINGS)))
    return 0


def _verbose(found: dict[str, Any]) -> Iterator[str]:
    from ringfence.cli import images, ps, volume_ls

    table = Format("")
    listed = [line for image in found["Images"]["Items"] for line in images.rows(image, whole=False)]
    columns = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers")
    yield f"Images space usage:\n\n{table.text(listed, images.HEADINGS, columns)}"
    listed = [ps.row({**container, "SizeRootFs": 0}, whole=False) for container in found["Containers"]["Items"]]
    columns = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
    yield f"\nContainers space usage:\n\n{table.text(listed, ps.HEADINGS, columns)}"
    listed = []
    for volume in found["Volumes"]["Items"]:
        used = volume.get("UsageData") or {"RefCount": 0, "Size": 0}
        listed.append({**volume_ls.row(volume), "Links": str(used["RefCount"]), "Size": units.size(used["Size"])})
    yield f"\nLocal Volumes space usage:\n\n{table.text(listed, volume_ls.HEADINGS, ('Name', 'Links', 'Size'))}"


VERB = Verb(run, "[OPTIONS]", "Show disk space in use", FLAGS)
