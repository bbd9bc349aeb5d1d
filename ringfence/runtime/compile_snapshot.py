"""Plan, snapshot: the root filesystem from the mounts that a snapshotter returned, its ids mapped where needed."""

from __future__ import annotations

from ringfence.linux.mountoptions import MountFlag
from ringfence.runtime.compile_namespaces import id_map, requested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.linux.mounts import Mount
    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

_PRIVATE = int(MountFlag.PRIVATE)


def mount(plan: Plan, spec: dict[str, Any], facts: Facts, slot: int) -> None:
    """Into `slot`, attached nowhere: an overlay, or a bind of a tree."""
    mount = facts.root[0]
    mappings = _mappings(spec)
    if mount.type == "overlay":
        _overlay(plan, mount, slot, mappings, facts.volatile)
        return
    recursive = "rbind" in mount.options
    plan.runtime("BIND", slot, mount.source, recursive, -1, reason="the snapshot")
    userns = _mapping_namespace(plan, mappings)
    plan.runtime("SETATTR", slot, 0, 0, _PRIVATE, userns, recursive, "/", reason="nothing propagates from it")


def _mappings(spec: dict[str, Any]) -> tuple[str, str] | None:
    if requested(spec).get("user") != "":
        return None
    linux = spec.get("linux") or {}
    return id_map(linux.get("uidMappings") or []), id_map(linux.get("gidMappings") or [])


def _mapping_namespace(plan: Plan, mappings: tuple[str, str] | None) -> int:
    if mappings is None:
        return -1
    slot = plan.slot("id mapping of the root filesystem")
    plan.runtime("USERNS", slot, *mappings, reason="files keep their owners on disk: the mount maps them")
    return slot


def _overlay(plan: Plan, mount: Mount, slot: int, mappings: tuple[str, str] | None, volatile: bool) -> None:
    values = dict(option.split("=", 1) for option in mount.options if "=" in option)
    flags = [option for option in mount.options if "=" not in option and option != "ro"]
    lowers = values.pop("lowerdir").split(":")
    upper, work = values.pop("upperdir", ""), values.pop("workdir", "")
    if volatile and upper and "volatile" not in flags:
        flags.append("volatile")  # no sync when it is unmounted: p99 of 311 ms becomes 19 (design.md)
    if mappings is not None:
        userns = _mapping_namespace(plan, mappings)
        lowers = [_mapped(plan, lower, userns) for lower in lowers]
        if upper:
            # The upperdir stays unmapped: the overlay writes to it as the one who mounted it, whom a mapping would not
            # know (EOVERFLOW). Its files belong to ids of the host; its root is the container's /.
            owner = [_root_of(lines) for lines in mappings]
            plan.runtime("OWN", upper, *owner, 0, reason="/ belongs to the container's root")
    extra = [f"{key}={value}" for key, value in values.items()] + flags
    plan.runtime("OVERLAY", slot, lowers, upper, work, extra, reason="layers below, the container's writes on top")


def _mapped(plan: Plan, path: str, userns: int) -> str:
    """An id-mapped clone of the tree at `path`, as the OVERLAY operation names it."""
    slot = plan.slot(path)
    plan.runtime("BIND", slot, path, 0, -1, reason="a layer, to be id-mapped")
    plan.runtime("SETATTR", slot, 0, 0, _PRIVATE, userns, 0, path, reason="MOUNT_ATTR_IDMAP")
    return f"@{slot}"


def _root_of(lines: str) -> int:
    """The id of the host that 0 inside is, by the text of a uid_map; -1 (leave it) if 0 is not mapped."""
    for line in lines.splitlines():
        inside, outside, _size = line.split()
        if inside == "0":
            return int(outside)
    return -1
