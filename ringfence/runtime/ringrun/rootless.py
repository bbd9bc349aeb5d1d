"""ringrun of an ordinary user: its user namespace is entered first, and specs are read as seen from outside of it."""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux import cgroups, idmap
from ringfence.linux.cgroups.rootless import unapplied
from ringfence.runtime import rootless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.ringrun.verb import Call


def enter(call: Call) -> None:
    """Make this process root of its user's namespace; see `rootless.enter`."""
    directory = rootless.runtime_directory("ringfence", os.environ.get("XDG_RUNTIME_DIR", ""))
    call.warn(rootless.enter(directory, call.root))


def inside(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with the host's ids of its mappings as they are in the user's namespace; InvalidInput.

    Such a mapping names the user's own id or its subordinate ones, as for newuidmap(1).
    """
    linux = spec.get("linux")
    if not isinstance(linux, dict):
        return spec
    translated = {}
    for kind, file in (("uidMappings", "uid_map"), ("gidMappings", "gid_map")):
        if isinstance(linux.get(kind), list):
            with open(f"/proc/self/{file}") as map:
                ours = idmap.parse(map.read())
            translated[kind] = [_inside(row, ours, f"linux.{kind}[{n}]") for n, row in enumerate(linux[kind])]
    return {**spec, "linux": {**linux, **translated}}


def _inside(row: Any, ours: list[idmap.IdMapping], where: str) -> Any:
    if not isinstance(row, dict) or not all(isinstance(row.get(key), int) for key in ("hostID", "size")):
        return row  # for the check of specs to refuse
    first, last = (idmap.to_container(ours, row["hostID"] + offset) for offset in (0, row["size"] - 1))
    if first is None or last is None or last - first != row["size"] - 1:
        end = row["hostID"] + row["size"] - 1
        raise InvalidInput(f"{where}: the ids {row['hostID']} to {end} are not this user's own",
                           hint="see /etc/subuid and /etc/subgid, subuid(5)")  # fmt: skip
    return {**row, "hostID": first}


def limits(call: Call, spec: dict[str, Any]) -> None:
    """Warn of limits that cannot be applied; with --rootless=false they are refused."""
    resources = (spec.get("linux") or {}).get("resources") or {}
    lines = unapplied(resources, cgroups.usable())
    if lines and call.options.text("rootless") == "false":
        raise Unsupported(lines[0], hint="--rootless=auto runs the container without them")
    call.warn(lines)
