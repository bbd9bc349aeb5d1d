"""Plan, mounts: sources are cloned on the host, file systems are made inside, all below the container's root.

A bind source is cloned and given its attributes by the runtime actor, which may see the host; the container actor only
attaches it. Destinations are resolved by openat2(RESOLVE_IN_ROOT) at the moment of attaching (CVE-2021-30465).
"""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput
from ringfence.linux.mountoptions import MountFlag, attributes, changes, parse_options
from ringfence.runtime.compile_cgroup_mount import mount_cgroups, open_cgroups
from ringfence.runtime.compile_namespaces import host_id, id_map, requested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.linux.mountoptions import ParsedOptions
    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

# What lxcfs and the like may put over files of /proc (runc's checkProcMount; security.md, CVE-2019-16884).
ALLOWED_IN_PROC = frozenset(
    f"/proc/{name}"
    for name in (
        *("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"),
        *("sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"),
    )
)
#: path → (major, minor) of the devices every container has (runtime-spec, config-linux: Default Devices)
DEFAULT_DEVICES = {
    "/dev/null": (1, 3),
    "/dev/zero": (1, 5),
    "/dev/full": (1, 7),
    "/dev/random": (1, 8),
    "/dev/urandom": (1, 9),
    "/dev/tty": (5, 0),
}
DEFAULT_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/core": "/proc/kcore",
    "/dev/ptmx": "pts/ptmx",
}
_FILE_TYPES = {"c": 0o020000, "u": 0o020000, "b": 0o060000, "p": 0o010000}
_PRIVATE = MountFlag.PRIVATE | MountFlag.REC
_INSTANCE = {
    MountFlag.SYNCHRONOUS: "sync",
    MountFlag.DIRSYNC: "dirsync",
    MountFlag.LAZYTIME: "lazytime",
    MountFlag.MANDLOCK: "mand",
}
_INSTANCE_WITHOUT = {MountFlag.SYNCHRONOUS: "async", MountFlag.LAZYTIME: "nolazytime", MountFlag.MANDLOCK: "nomand"}
IN_PROC, EXACT = 1, 2
"""Rules of ATTACH: it may cover a file of a procfs; it is at this very path, and covers no mount (see ringinit.c)."""
_OF_A_DEVICE = attributes(MountFlag.NOSUID | MountFlag.NOEXEC)
_COPY_UP, _KEEP_MODE, _BY_MOUNT, _I_VERSION = 1, 2, 4, 8
_LABELLED = ("tmpfs", "ramfs", "devpts", "overlay")  # not the kernel's own: proc, sysfs, mqueue, cgroup
_LONGEST_VALUE = 255  # of an option for fsconfig(2)


def place(mount: dict[str, Any]) -> str:
    """Where a mount goes; a relative destination begins at / (B07)."""
    destination = str(mount["destination"])
    return destination if destination[:1] == "/" else f"/{destination}"


def is_bind(mount: dict[str, Any], options: ParsedOptions) -> bool:
    """Whether a mount of the spec is a bind: by its option, or by its type as older specs write it."""
    return bool(options.flags_set & MountFlag.BIND) or mount.get("type") == "bind"


def open_sources(plan: Plan, spec: dict[str, Any], facts: Facts) -> dict[str, int]:
    """Clone every bind source; the slots by "mounts[n]", and by path for devices that are bound in a user namespace."""
    sources = {}
    for number, mount in enumerate(spec.get("mounts") or []):
        options = parse_options(mount.get("options") or [])
        if is_bind(mount, options) and not options.flags_set & MountFlag.REMOUNT:
            sources[f"mounts[{number}]"] = clone(plan, spec, facts, f"mounts[{number}]", mount, options)
        elif mount.get("type") in ("cgroup", "cgroup2"):
            sources |= open_cgroups(plan, spec, facts, options, f"mounts[{number}]")
    return sources | _open_devices(plan, spec, facts)


def _open_devices(plan: Plan, spec: dict[str, Any], facts: Facts) -> dict[str, int]:
    """In a user namespace nobody may make devices: they come from outside. The slots by path.

    Those of linux.devices are made as they are described, if we may and know whose they are; others are the host's.
    """
    user = requested(spec).get("user")
    if user is None and not facts.rootless:
        return {}
    linux = spec.get("linux") or {}
    own = user == "" and not facts.rootless
    listed = listed_devices(spec) if own else {}
    slots = {}
    for path, kind, major, minor in _all_devices(spec):
        if kind == "p":
            continue
        slot = slots[path] = plan.slot(path)
        number, reason = os.makedev(major, minor), "nobody may make devices in a user namespace"
        device = listed.get(path)
        if device is None:
            plan.runtime("BIND", slot, path, 0, number, reason=reason)
            plan.runtime("SETATTR", slot, _OF_A_DEVICE, 0, 0, -1, 0, path, reason="a device and nothing else")
        else:
            uid = host_id(linux["uidMappings"], device.get("uid", 0))
            gid = host_id(linux["gidMappings"], device.get("gid", 0))
            plan.runtime("NODE", slot, path, _mode(device), number, uid, gid, reason=reason)
    return slots


def clone(
    plan: Plan, spec: dict[str, Any], facts: Facts, name: str, mount: dict[str, Any], options: ParsedOptions
) -> int:
    """Clone the source of one bind mount, which errors call `name`, with its attributes; its slot."""
    source = mount.get("source")
    if not source:
        raise InvalidInput(f"{name}.source: required for a bind mount")
    path = source if source.startswith("/") else f"{facts.bundle}/{source}"
    slot = plan.slot(path)
    recursive = bool(options.flags_set & MountFlag.REC)
    plan.runtime("BIND", slot, path, recursive, -1, reason=name)
    userns = _mapping(plan, spec, mount, options, name)
    first = options.propagation[0] if options.propagation else _PRIVATE
    set, cleared = changes(options)
    deep = "ridmap" in options.extensions
    destination, reason = mount["destination"], f"{name}.options"
    plan.runtime("SETATTR", slot, set, cleared, 0, -1 if deep else userns, 0, destination, reason=reason)
    if deep:  # the mapping alone is of the whole tree
        plan.runtime("SETATTR", slot, 0, 0, 0, userns, 1, destination, reason=reason)
    if recursive and not first & (MountFlag.REC | MountFlag.SHARED):
        # the mounts below are not spoken of: they stay cut off from the host's, as all there is in the container
        plan.runtime("SETATTR", slot, 0, 0, int(MountFlag.SLAVE), -1, 1, mount["destination"], reason="propagation")
    for change in [first, *options.propagation[1:]]:
        kind, deep = int(change & ~MountFlag.REC), bool(change & MountFlag.REC)
        plan.runtime("SETATTR", slot, 0, 0, kind, -1, deep, mount["destination"], reason="propagation")
    if options.attributes_set or options.attributes_cleared:
        changed = options.attributes_set, options.attributes_cleared
        plan.runtime("SETATTR", slot, *changed, 0, -1, 1, mount["destination"], reason=f"{name}.options")
    return slot


def _mapping(plan: Plan, spec: dict[str, Any], mount: dict[str, Any], options: ParsedOptions, name: str) -> int:
    """The slot of a user namespace for an id-mapped mount, or -1 (B59–B61)."""
    uids, gids = mount.get("uidMappings"), mount.get("gidMappings")
    if not uids and not options.extensions & {"idmap", "ridmap"}:
        return -1
    if not uids:
        linux = spec.get("linux") or {}
        uids, gids = linux.get("uidMappings"), linux.get("gidMappings")
    if not uids or not gids:
        raise InvalidInput(f"{name}: an id-mapped mount needs mappings, its own or the container's")
    slot = plan.slot(f"id mapping of {name}")
    plan.runtime("USERNS", slot, id_map(uids), id_map(gids), reason="the mapping of an id-mapped mount")
    return slot


def mount_all(plan: Plan, spec: dict[str, Any], facts: Facts, sources: dict[str, int], done: int = 0) -> None:
    """Every mount of the spec but the first `done`, in its order (B05)."""
    for number, mount in enumerate((spec.get("mounts") or [])[done:], done):
        options = parse_options(mount.get("options") or [])
        destination = place(mount)
        slot = sources.get(f"mounts[{number}]")
        reason = f"mounts[{number}]"
        if options.flags_set & MountFlag.REMOUNT:
            _remount(plan, destination, options, reason)
        elif slot is not None:
            plan.container("ATTACH", slot, IN_PROC * (destination in ALLOWED_IN_PROC), destination, reason=reason)
        elif mount.get("type") in ("cgroup", "cgroup2"):
            mount_cgroups(plan, spec, facts, destination, options, sources, reason)
        else:
            label = spec["linux"]["mountLabel"] if "mountLabel" in facts.labels else ""
            _file_system(plan, mount, destination, options, label, reason)


def _remount(plan: Plan, destination: str, options: ParsedOptions, reason: str) -> None:
    """The mount's attributes, then what is the file system's own, which stays as it is with `bind` (mount(8))."""
    words = []
    if not options.flags_set & MountFlag.BIND:
        words = options.data + [word for flag, word in _INSTANCE.items() if options.flags_set & flag]
        words += [word for flag, word in _INSTANCE_WITHOUT.items() if options.flags_cleared & flag]
    set, cleared = changes(options)
    plan.container("REMOUNT", destination, set, cleared, 0, 0, words, reason=reason)
    _recursive(plan, destination, options, reason)
    _propagate(plan, destination, options.propagation, reason)


def _recursive(plan: Plan, destination: str, options: ParsedOptions, reason: str) -> None:
    if options.attributes_set or options.attributes_cleared:
        changed = options.attributes_set, options.attributes_cleared
        plan.container("REMOUNT", destination, *changed, 0, 1, [], reason=reason)


def _propagate(plan: Plan, destination: str, propagation: list[int], reason: str) -> None:
    for change in propagation:
        kind, deep = int(change & ~MountFlag.REC), bool(change & MountFlag.REC)
        plan.container("REMOUNT", destination, 0, 0, kind, deep, [], reason=reason)


def _file_system(
    plan: Plan, mount: dict[str, Any], destination: str, options: ParsedOptions, label: str, reason: str
) -> None:
    type = mount.get("type") or "none"
    context = [f"context={label}"] if label and type in _LABELLED else []
    words = context + options.data + [word for flag, word in _INSTANCE.items() if options.flags_set & flag]
    flags = special(mount, options, words)
    if context and flags & _BY_MOUNT:
        words[0] = f'context="{label}"'  # mount(2) takes all options in one text, in which a label's commas are quoted
    propagation = options.propagation[0] if options.propagation else 0
    source = mount.get("source") or type
    attribute = attributes(options.flags_set)
    plan.container("MOUNT", type, source, destination, tuple(words), attribute, propagation, flags, reason=reason)
    _recursive(plan, destination, options, reason)
    _propagate(plan, destination, options.propagation[1:], reason)


def special(mount: dict[str, Any], options: ParsedOptions, words: list[str]) -> int:
    """The flags of the MOUNT operation: what of the place it covers it needs, and what is beyond fsconfig(2)."""
    flags = 0
    if "tmpcopyup" in options.extensions:
        flags |= _COPY_UP
    if mount.get("type") == "tmpfs" and not any(word.startswith("mode=") for word in options.data):
        flags |= _KEEP_MODE
    if options.flags_set & MountFlag.I_VERSION:
        flags |= _BY_MOUNT | _I_VERSION  # fsconfig(2) has no word for it
    if any(len(word.partition("=")[2]) > _LONGEST_VALUE for word in words or options.data):
        flags |= _BY_MOUNT
    return flags


# ---- devices and the terminal


def own_dev(spec: dict[str, Any]) -> bool:
    """Whether /dev is the container's own; a bind of somebody's /dev is left as it is."""
    for mount in spec.get("mounts") or []:
        if place(mount).rstrip("/") == "/dev":
            return not is_bind(mount, parse_options(mount.get("options") or []))
    return True


def listed_devices(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """linux.devices by path. A slash at its end says nothing of a device, and the kernel makes no node by that name."""
    listed = (spec.get("linux") or {}).get("devices") or []
    return {device["path"].rstrip("/") or "/": device for device in listed}


def _all_devices(spec: dict[str, Any]) -> list[tuple[str, str, int, int]]:
    """Path, type and numbers."""
    found = {
        path: (path, device.get("type", "c"), device.get("major", 0), device.get("minor", 0))
        for path, device in listed_devices(spec).items()
    }
    if own_dev(spec):
        for path, (major, minor) in DEFAULT_DEVICES.items():
            found.setdefault(path, (path, "c", major, minor))
    return list(found.values())


def _mode(device: dict[str, Any]) -> int:
    """The type and the permissions of an entry of linux.devices."""
    permissions: int = device.get("fileMode", 0o666) & 0o7777
    return _FILE_TYPES[device.get("type", "c")] | permissions


def devices(plan: Plan, spec: dict[str, Any], sources: dict[str, int]) -> None:
    """Device nodes (bound in a user namespace) and the usual links."""
    listed = listed_devices(spec)
    for path, _kind, major, minor in _all_devices(spec):
        if path in sources:
            plan.container("ATTACH", sources[path], 0, path, reason="made outside of the user namespace")
            continue
        device = listed.get(path, {})
        owner = device.get("uid", 0), device.get("gid", 0)
        reason = "linux.devices" if device else "a default device of the runtime-spec"
        plan.container("DEVICE", path, _mode(device), major, minor, *owner, reason=reason)
    if own_dev(spec):
        for path, to in DEFAULT_LINKS.items():
            plan.container("LINK", to, path, reason="runtime-spec, config-linux: Dev symbolic links")


def console(plan: Plan, process: dict[str, Any], window: tuple[int, int], *, bind: bool) -> None:
    """A pseudo terminal, if the process asks for one, of `window` rows and columns unless it names its own."""
    if process.get("terminal"):
        size = process.get("consoleSize") or dict(zip(("height", "width"), window, strict=True))
        uid = (process.get("user") or {}).get("uid", 0)
        plan.container("CONSOLE", size.get("height", 0), size.get("width", 0), bind, uid, reason="process.terminal")
