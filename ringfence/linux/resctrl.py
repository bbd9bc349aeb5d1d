"""resctrl, the file system of Intel RDT and its like: its classes of service (kernel: filesystems/resctrl.rst)."""

from __future__ import annotations

import os

from ringfence.linux import mountinfo


class Resctrl:
    """Where it is mounted, and what there is now of one class of service: its schemata, None if it does not exist."""

    __slots__ = ("directory", "schemata")

    def __init__(self, root: str, name: str) -> None:
        """`name` is that of a directory at the root; "/" is the default class, the root itself."""
        self.directory = root if name == "/" else f"{root}/{name}"
        try:
            with open(f"{self.directory}/schemata") as file:
                self.schemata: str | None = file.read()
        except FileNotFoundError:
            self.schemata = "" if os.path.isdir(self.directory) else None


def mountpoint() -> str:
    """Where resctrl is mounted, "" if it is not."""
    return next((entry.target for entry in mountinfo.read() if entry.type == "resctrl"), "")


def domains(schema: str) -> dict[str, tuple[str, ...]]:
    """ "L3:0=f;1=0f" as {"L3": ("0=f", "1=f")}: lines of schemata that mean the same become equal."""
    found = {}
    for line in schema.splitlines():
        name, _, values = line.strip().partition(":")
        pairs = [value.strip().partition("=") for value in values.split(";") if value.strip()]
        found[name] = tuple(
            sorted(f"{cache.strip()}={mask.strip().lower().lstrip('0') or '0'}" for cache, _, mask in pairs)
        )
    return found
