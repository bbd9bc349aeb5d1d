"""What the prune verbs share: the question before, and the list of what went after."""

from __future__ import annotations

import sys

from ringfence.cli import units
from ringfence.cli.parser import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments

ALL = "all"
FILTER = Flag("filter", "Only what this holds for (such as until=24h, label=KEY=VALUE)", kind="list", metavar="filter")
FORCE = Flag("force", "Do not ask", "f")
HEADINGS = {"ContainersDeleted": "Containers", "NetworksDeleted": "Networks", "VolumesDeleted": "Volumes",
            "ImagesDeleted": "Images"}  # fmt: skip


def agreed(arguments: Arguments, warning: str) -> bool:
    """Ask, unless --force; only an answer that begins with y is a yes."""
    if arguments.on("force"):
        return True
    sys.stdout.write(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def report(pruned: dict[str, Any]) -> int:
    """Print what was removed, by kind, and the space that it gave back."""
    for key, heading in HEADINGS.items():
        if removed := pruned.get(key):
            print(f"Deleted {heading}:")
            for item in removed:
                print(*(f"{word.lower()}: {what}" for word, what in item.items()) if isinstance(item, dict) else [item])
            print()
    if "SpaceReclaimed" in pruned:
        print(f"Total reclaimed space: {units.size(pruned['SpaceReclaimed'], 4)}")
    return 0
