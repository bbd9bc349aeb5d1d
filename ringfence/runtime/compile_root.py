"""Plan, root filesystem: opened on the host, attached in the container's mount namespace, pivoted into.

The root filesystem is mounted nowhere on the host: it lives in a descriptor until the container's own mount namespace
holds it, and goes away with that namespace. There is no mount to leak.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux.mountoptions import PROPAGATION, MountAttr, MountFlag
from ringfence.runtime.compile_namespaces import id_map, requested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.linux.mounts import Mount
    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

_RECURSIVE = int(MountFlag.REC)
_PRIVATE = int(MountFlag.PRIVATE)
_TYPES = int(MountFlag.PRIVATE | MountFlag.SLAVE | MountFlag.SHARED | MountFlag.UNBINDABLE)


def open_root(plan: Plan, spec: dict[str, Any], facts: Facts) -> int:
    """The root filesystem as a mount that is attached nowhere; its slot."""
    slot = plan.slot("root filesystem")
    if not facts.root:
        plan.runtime("BIND", slot, source(spec, facts), 1, -1, reason="root.path")
        propagation = PROPAGATION.get(_propagation(spec), MountFlag.PRIVATE)
        if not propagation & MountFlag.SHARED:
            plan.runtime("SETATTR", slot, 0, 0, int(propagation) & _TYPES, -1, 1, "/", reason="linux.rootfsPropagation")
        return slot
    mount = facts.root[0]
    mappings = _mappings(spec)
    if mount.type == "overlay":
        _overlay(plan, mount, slot, mappings, facts.volatile)
    else:
        recursive = "rbind" in mount.options
        plan.runtime("BIND", slot, mount.source, recursive, -1, reason="the snapshot")
        userns = _mapping_namespace(plan, mappings)
        plan.runtime("SETATTR", slot, 0, 0, _PRIVATE, userns, recursive, "/", reason="nothing propagates from it")
    return slot


def source(spec: dict[str, Any], facts: Facts) -> str:
    """root.path, absolute."""
    path = str((spec.get("root") or {}).get("path") or "")
    if not path:
        raise InvalidInput("root.path: required")
    return path if path.startswith("/") else f"{facts.bundle}/{path}"


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


def attach(plan: Plan, spec: dict[str, Any], facts: Facts, slot: int) -> None:
    """Into the container's mount namespace, on top of "/": paths still begin below it, at the host's, until pivot_root.

    No other directory would do: root of a user namespace need not reach any, and hooks may need all of them.
    """
    plan.container("ROOT", slot, "/", reason="pivot_root needs a mount point")


def cover(plan: Plan, spec: dict[str, Any]) -> None:
    """What of the kernel's file systems nobody may read, or write."""
    linux = spec.get("linux") or {}
    for path in linux.get("maskedPaths") or []:
        plan.container("MASK", path, reason="linux.maskedPaths")
    for path in linux.get("readonlyPaths") or []:
        plan.container("READONLY", path, reason="linux.readonlyPaths")


def pivot(plan: Plan, spec: dict[str, Any], process: dict[str, Any], facts: Facts, *, covered: bool) -> None:
    """The new root, then what closes it: working directory made, paths `covered` unless they are, read-only."""
    by_chroot = facts.hide is not None
    reason = "nothing of the host's file system stays in reach"
    plan.container("PIVOT", by_chroot, facts.hide or [], reason=reason)
    if process:
        plan.container("CWD", process["cwd"], 1, reason="process.cwd; made if it is missing")
    if not covered:
        cover(plan, spec)
    readonly = int(MountAttr.RDONLY) if (spec.get("root") or {}).get("readonly") else 0
    propagation = int(PROPAGATION.get(_propagation(spec), 0))
    if readonly:
        plan.container("ROOTATTR", readonly, 0, reason="root.readonly")
    if propagation:  # apart from it: with one call rprivate would make every mount read-only as well
        plan.container("ROOTATTR", 0, propagation, reason="linux.rootfsPropagation")


def _propagation(spec: dict[str, Any]) -> str:
    return str((spec.get("linux") or {}).get("rootfsPropagation") or "")
