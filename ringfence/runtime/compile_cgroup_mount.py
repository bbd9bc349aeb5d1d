"""Plan, the container's /sys/fs/cgroup: what a mount of type "cgroup" means on each layout of the host (B12)."""

from __future__ import annotations

from ringfence.linux.mountoptions import MountAttr, MountFlag, attributes
from ringfence.runtime.compile_namespaces import requested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.linux.mountoptions import ParsedOptions
    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

_ROOT = "/sys/fs/cgroup"
_COMMON = MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC


def mount_cgroups(
    plan: Plan,
    spec: dict[str, Any],
    facts: Facts,
    destination: str,
    options: ParsedOptions,
    sources: dict[str, int],
    reason: str,
) -> None:
    """v1 and hybrid: a tmpfs with one mount per hierarchy in it; v2: one cgroup2 file system.

    In a container without a cgroup namespace these would show every cgroup of the host: it gets binds of its own ones
    from `sources`. Without cgroups of its own it gets an empty, read-only directory (CVE-2023-25809).
    """
    attribute = attributes(options.flags_set) | _COMMON
    if facts.driver is None or not facts.cgroup:
        empty = ["nr_inodes=1", "mode=0555"]
        plan.container(
            "MOUNT", "tmpfs", "tmpfs", destination, empty, attribute | MountAttr.RDONLY, 0, 0, reason=reason
        )
        return
    outer = None
    for type, source, where, words in _mounts(spec, facts):
        target = destination + where.removeprefix(_ROOT)
        if type == "symlink":
            plan.container("LINK", source, target, reason="controllers that are mounted together")
        elif type == "bind":
            plan.container("ATTACH", sources[source], 0, target, reason=reason)
        elif type == "tmpfs":
            outer = target
            plan.container("MOUNT", type, source, target, ("mode=0755",), _COMMON, 0, 0, reason=reason)
        else:
            data = [word for word in words if word not in _KERNEL_WORDS]
            plan.container("MOUNT", type, source, target, tuple(data), attribute, 0, 0, reason=reason)
    if outer is not None and attribute & MountAttr.RDONLY:
        plan.container("REMOUNT", outer, MountAttr.RDONLY, 0, 0, 0, [], reason="no directory may be added")


def open_cgroups(plan: Plan, spec: dict[str, Any], facts: Facts, options: ParsedOptions, reason: str) -> dict[str, int]:
    """Clones of the container's own cgroups, by their path, where it has no cgroup namespace; else none."""
    sources: dict[str, int] = {}
    if facts.driver is None or not facts.cgroup or not _shares_namespace(spec):
        return sources
    attribute = int(attributes(options.flags_set) | _COMMON)
    for type, path, where, _words in _mounts(spec, facts):
        if type == "bind":
            slot = sources[path] = plan.slot(path)
            plan.runtime("BIND", slot, path, 1, -1, reason=reason)
            plan.runtime("SETATTR", slot, attribute, 0, int(MountFlag.PRIVATE), -1, 1, where, reason=reason)
    return sources


def _shares_namespace(spec: dict[str, Any]) -> bool:
    """Whether the container has no cgroup namespace; one that it joins has its own root."""
    return requested(spec).get("cgroup") is None


def _mounts(spec: dict[str, Any], facts: Facts) -> list[tuple[str, str, str, list[str]]]:
    return facts.driver.mounts(facts.cgroup if _shares_namespace(spec) else None) if facts.driver is not None else []


_KERNEL_WORDS = frozenset({"nosuid", "nodev", "noexec", "relatime", "ro", "rw"})
