"""Plan, root filesystem: opened on the host, attached in the container's mount namespace, pivoted into.

The root filesystem is mounted nowhere on the host: it lives in a descriptor until the container's own mount namespace
holds it, and goes away with that namespace. There is no mount to leak.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux.mountoptions import PROPAGATION, MountAttr, MountFlag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

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
    from ringfence.runtime import compile_snapshot

    compile_snapshot.mount(plan, spec, facts, slot)
    return slot


def source(spec: dict[str, Any], facts: Facts) -> str:
    """root.path, absolute."""
    path = str((spec.get("root") or {}).get("path") or "")
    if not path:
        raise InvalidInput("root.path: required")
    return path if path.startswith("/") else f"{facts.bundle}/{path}"


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
