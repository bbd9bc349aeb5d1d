"""Plan, the container's /sys/fs/cgroup: what a mount of type "cgroup" means on each layout of the host (B12)."""

from __future__ import annotations

from ringfence.linux.mountoptions import MountAttr, attributes
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
    plan: Plan, spec: dict[str, Any], facts: Facts, destination: str, options: ParsedOptions, reason: str
) -> None:
    """v1 and hybrid: a tmpfs with one mount per hierarchy in it; v2: one cgroup2 file system.

    Without a cgroup namespace of its own the container would see every cgroup of the host, so it gets an empty,
    read-only directory instead (CVE-2023-25809).
    """
    attribute = attributes(options.flags_set) | _COMMON
    if facts.driver is None or requested(spec).get("cgroup") is None:
        empty = ["nr_inodes=1", "mode=0555"]
        plan.container(
            "MOUNT", "tmpfs", "tmpfs", destination, empty, int(attribute | MountAttr.RDONLY), 0, 0, reason=reason
        )
        return
    outer = None
    for type, source, where, words in facts.driver.mounts():
        target = destination + where.removeprefix(_ROOT)
        if type == "symlink":
            plan.container("LINK", source, target, reason="controllers that are mounted together")
        elif type == "tmpfs":
            outer = target
            plan.container("MOUNT", type, source, target, ["mode=0755"], int(_COMMON), 0, 0, reason=reason)
        else:
            data = [word for word in words if word not in _KERNEL_WORDS]
            plan.container("MOUNT", type, source, target, data, int(attribute), 0, 0, reason=reason)
    if outer is not None and MountAttr.RDONLY in attribute:
        plan.container("REMOUNT", outer, int(MountAttr.RDONLY), 0, 0, 0, reason="no directory may be added")


_KERNEL_WORDS = frozenset({"nosuid", "nodev", "noexec", "relatime", "ro", "rw"})
