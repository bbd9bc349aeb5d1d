"""Plan, stage: the kernel's file systems, mounted before there is a root filesystem, and moved into it afterwards.

What a container shares with the next one of its kind comes first: namespaces, cgroups, /proc, /dev and /sys. That
needs nothing of an image, so that a helper can execute this first part of a plan before anybody asks for a container
(sandbox.py). A tmpfs holds those mounts until then.
"""

from __future__ import annotations

from ringfence.linux.mountoptions import MountFlag, parse_options
from ringfence.runtime import compile_mounts, compile_root
from ringfence.runtime.compile_namespaces import requested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

_TYPES = frozenset({"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"})
_KERNEL = ("proc", "sysfs")  # nothing may lead them astray (CVE-2019-19921): see op_mount
_MADE = frozenset({"mount", "pid", "ipc", "uts", "network", "cgroup"})


class Stage:
    """The first `count` mounts of a spec, whose topmost are `tops`: path → type. `devices`: and those of /dev.

    `covered`: and so are its masked and its read-only paths, for which /dev/null must be there.
    """

    __slots__ = ("count", "covered", "devices", "tops")

    def __init__(self, count: int, tops: dict[str, str], *, devices: bool, covered: bool) -> None:
        self.count = count
        self.tops = tops
        self.devices = devices
        self.covered = covered


def of(spec: dict[str, Any], facts: Facts) -> Stage | None:
    """What of a container can be staged; None if something before the root filesystem is its alone.

    Hooks are, which see the mount namespace as it is being made, and all that is joined, lent or mapped.
    """
    linux, kinds = spec.get("linux") or {}, requested(spec)
    if facts.monitoring is None or facts.wait or facts.rootless or facts.hide is not None or facts.preserve:
        return None
    if kinds.get("mount") != "" or not kinds.keys() <= _MADE or any(kinds.values()):
        return None
    if spec.get("hooks") or facts.resctrl is not None or facts.netdevices or facts.labels:
        return None
    if linux.get("rootfsPropagation"):
        return None
    count, tops = 0, dict[str, str]()
    mounts = spec.get("mounts") or []
    for mount in mounts:
        if not _needs_nothing(mount) or (mount["type"].startswith("cgroup") and kinds.get("cgroup") != ""):
            break
        path = compile_mounts.place(mount)
        top = path[: path.find("/", 1)] if "/" in path[1:] else path
        if path == top:
            if top in tops:
                break
            tops[top] = mount["type"]
        elif top not in tops:
            break
        count += 1
    if not tops:
        return None
    later = [compile_mounts.place(mount) for mount in mounts[count:]]
    if not all(path.strip("/") for path in later):
        return None  # a mount at / has devices, and paths to cover, of its own
    devices = compile_mounts.listed_devices(spec)
    staged = "/dev" in tops and all(path.startswith("/dev/") and ".." not in path for path in devices)
    staged = staged and not any(path.startswith("/dev") for path in later)
    covered = [*(linux.get("maskedPaths") or []), *(linux.get("readonlyPaths") or [])]
    return Stage(count, tops, devices=staged, covered=staged and all(_stays(path, tops, later) for path in covered))


def _stays(path: str, tops: dict[str, str], later: list[str]) -> bool:
    """Whether a path is of a kernel's file system on the stage, and nothing is mounted in that later on."""
    top = path[: path.find("/", 1)]
    plain = not {"", ".", ".."} & set(path[1:].split("/"))
    return plain and tops.get(top) in _KERNEL and not any(f"{place}/".startswith(f"{top}/") for place in later)


def _needs_nothing(mount: dict[str, Any]) -> bool:
    """Whether a mount needs nothing of the root filesystem: no source, no mode or content of what it covers."""
    if mount.get("type") not in _TYPES:
        return False
    path, options = compile_mounts.place(mount), parse_options(mount.get("options") or [])
    if compile_mounts.is_bind(mount, options) or options.propagation or options.flags_set & MountFlag.REMOUNT:
        return False
    plain = path != "/" and not path.endswith("/") and not {"", ".", ".."} & set(path[1:].split("/"))
    return plain and not compile_mounts.special(mount, options, [])


def mount(plan: Plan, spec: dict[str, Any], facts: Facts, stage: Stage) -> None:
    """The mounts, the devices and what is covered of them on the stage; with this the first part of the plan ends."""
    plan.container("STAGE", reason="/proc, /dev and /sys do not wait for the root filesystem")
    compile_mounts.mount_all(plan, {**spec, "mounts": spec["mounts"][: stage.count]}, facts, {})
    if stage.devices:
        compile_mounts.devices(plan, spec, {})
    if stage.covered:
        compile_root.cover(plan, spec)
    plan.first = len(plan.operations)


def move(plan: Plan, stage: Stage) -> None:
    """From the stage into the root filesystem."""
    for path, type in stage.tops.items():
        plan.container("MOVE", path, type in _KERNEL, reason="what was mounted before there was a root filesystem")
