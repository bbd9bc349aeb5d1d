"""config.json: read it, and refuse what the runtime-spec refuses before anything is done with it.

`check` looks at the JSON alone (`runtime_spec_fields.SPEC` holds the table of properties and values, this file the
rules that tie properties together); what depends on the file system, the kernel or the caller is checked where it is
used. References like (C17) are lines of docs/conformance/oci-runtime.md.
"""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput, NotFound
from ringfence.oci.runtime_spec_fields import CAPABILITY_SETS, PROCESS, SPEC
from ringfence.oci.shape import any_object, parse_json, quote, record, render, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]

VERSION = "1.3.0"  # the runtime-spec that this implements
_NEWEST = (1, 3)

# Namespaced sysctls and the namespace that keeps the rest of the machine out of reach of a write (J05).
_SYSCTLS = {
    "kernel/msgmax": "ipc",
    "kernel/msgmnb": "ipc",
    "kernel/msgmni": "ipc",
    "kernel/msg_next_id": "ipc",
    "kernel/sem": "ipc",
    "kernel/sem_next_id": "ipc",
    "kernel/shmall": "ipc",
    "kernel/shmmax": "ipc",
    "kernel/shmmni": "ipc",
    "kernel/shm_next_id": "ipc",
    "kernel/shm_rmid_forced": "ipc",
    "kernel/domainname": "uts",
}
_SYSCTL_DIRECTORIES = {"fs/mqueue/": "ipc", "net/": "network", "user/": "user"}
_PROCESS_ALONE = record({"process": PROCESS})
_ACTIONS_WITH_ERRNO = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")


def load(path: str | os.PathLike[str]) -> Spec:
    """The JSON object in the file `path` (a config.json), unchecked. NotFound, or InvalidInput if it is not one."""
    try:
        with open(path, "rb") as file:
            document = file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"no spec at {os.fspath(path)}", hint="a bundle needs a config.json") from None
    except IsADirectoryError:
        raise InvalidInput(f"{os.fspath(path)}: is a directory, not a spec") from None
    spec = parse_json(document, os.fspath(path))
    require(spec, any_object, os.fspath(path))
    return spec  # type: ignore[no-any-return]


_approved: Spec | None = None
"""The seccomp profile of the last spec that was right."""


def check(spec: Spec) -> list[str]:
    """Raise InvalidInput (`linux.namespaces[2].type: unknown namespace "foo"`) or return warnings, one line each."""
    global _approved
    profile = _part(_part(spec, "linux"), "seccomp") if isinstance(spec.get("linux"), dict) else None
    if profile and profile is _approved:  # an engine's default, of some five hundred names, is checked once
        spec = {**spec, "linux": {name: part for name, part in spec["linux"].items() if name != "seccomp"}}
    require(spec, SPEC)
    warnings: list[str] = []
    _check_version(spec["ociVersion"], warnings)
    linux = _part(spec, "linux")
    namespaces = _namespaces(linux)
    for index, mount in enumerate(_items(spec, "mounts")):
        _check_mount(mount, f"mounts[{index}]", namespaces, warnings)
    if spec.get("process") is not None:
        _check_process(spec["process"], "process", warnings)
    _check_host_names(spec, namespaces)
    _check_user_namespace(linux, namespaces)
    _check_devices(linux, namespaces)
    _check_sysctls(linux, namespaces, spec.get("domainname"))
    _check_seccomp(_part(linux, "seccomp"))
    if linux.get("timeOffsets") and "time" not in namespaces:
        raise InvalidInput("linux.timeOffsets: needs a time namespace in linux.namespaces")
    if _part(linux, "personality").get("flags"):
        raise InvalidInput("linux.personality.flags: no flag is defined by the runtime-spec")
    _approved = profile
    return warnings


def check_process(process: dict[str, Any]) -> list[str]:
    """Check a `process` object on its own, as `exec --process FILE` gets one; as `check` does."""
    require({"process": process}, _PROCESS_ALONE)
    warnings: list[str] = []
    _check_process(process, "process", warnings)
    return warnings


def default_spec(rootless: bool = False) -> Spec:
    """A spec to start from: a shell in namespaces of its own, as `ringrun spec [--rootless]` writes it."""
    from ringfence.oci.default_spec import default_spec

    return default_spec(rootless)


def _part(parent: Spec, name: str) -> Spec:
    """The object `parent[name]`; absent and null are the empty one."""
    return parent.get(name) or {}


def _items(parent: Spec, name: str) -> list[Any]:
    return parent.get(name) or []


def parse_version(text: str) -> tuple[int, int, int]:
    """(major, minor, patch) of a SemVer 2.0.0 version; ValueError if it is not one."""
    core, plus, build = text.partition("+")
    core, dash, prerelease = core.partition("-")
    parts = core.split(".")
    if len(parts) != 3 or not all(_is_number(part) for part in parts):
        raise ValueError(text)
    for mark, identifiers in ((plus, build), (dash, prerelease)):
        for identifier in identifiers.split(".") if mark else ():
            if not identifier.isascii() or not identifier.replace("-", "a").isalnum():
                raise ValueError(text)
            if mark == "-" and identifier.isdecimal() and not _is_number(identifier):
                raise ValueError(text)
    return int(parts[0]), int(parts[1]), int(parts[2])


def _is_number(text: str) -> bool:
    """A SemVer number: ASCII digits without a leading zero, here at most nine of them."""
    return text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0") and len(text) < 10


def _check_version(version: str, warnings: list[str]) -> None:
    """Every 1.y is accepted: a later minor only adds properties, and unknown ones are ignored (A03, A04, A05)."""
    try:
        major, minor, _ = parse_version(version)
    except ValueError:
        raise InvalidInput(f"ociVersion: {quote(version)} is not a version like {VERSION}") from None
    if major != 1:
        raise InvalidInput(f"ociVersion: {quote(version)} is not supported", hint=f"this runtime speaks {VERSION}")
    if (major, minor) > _NEWEST:
        warnings.append(f"ociVersion: {version} is newer than {VERSION}: properties added since are ignored")


def _namespaces(linux: Spec) -> dict[str, str]:
    """The listed namespaces, type → path ("" for a new one); a type may be listed once (G12)."""
    found: dict[str, str] = {}
    for index, namespace in enumerate(_items(linux, "namespaces")):
        kind = namespace["type"]
        if kind in found:
            raise InvalidInput(f'linux.namespaces[{index}].type: "{kind}" is listed twice')
        found[kind] = namespace.get("path") or ""
    return found


def _check_mount(mount: Spec, where: str, namespaces: dict[str, str], warnings: list[str]) -> None:
    """Destinations (B06, B07) and id-mapped mounts (B59–B61)."""
    if not mount["destination"].startswith("/"):
        warnings.append(f"{where}.destination: {quote(mount['destination'])} is relative: taken from / (deprecated)")
    mapped = bool(mount.get("uidMappings"))
    if mapped != bool(mount.get("gidMappings")):
        raise InvalidInput(f"{where}: uidMappings and gidMappings must be given together")
    options = mount.get("options") or ()
    bind = "bind" in options or "rbind" in options or mount.get("type") == "bind"
    if (mapped or "idmap" in options or "ridmap" in options) and not bind:
        raise InvalidInput(f"{where}: only a bind mount can be id-mapped")
    if ("idmap" in options or "ridmap" in options) and not mapped and "user" not in namespaces:
        raise InvalidInput(f"{where}.options: an id-mapped mount needs uidMappings and gidMappings or a user namespace")


def _check_process(process: Spec, where: str, warnings: list[str]) -> None:
    seen: set[str] = set()
    for index, rlimit in enumerate(_items(process, "rlimits")):
        here = f"{where}.rlimits[{index}]"
        if rlimit["type"] in seen:
            raise InvalidInput(f"{here}.type: {rlimit['type']} is given twice")
        if rlimit["soft"] > rlimit["hard"]:
            raise InvalidInput(f"{here}.soft: {rlimit['soft']} is above the hard limit {rlimit['hard']}")
        seen.add(rlimit["type"])
    _check_capabilities(_part(process, "capabilities"), where, warnings)
    _check_scheduler(_part(process, "scheduler"), f"{where}.scheduler")


def _check_capabilities(capabilities: Spec, where: str, warnings: list[str]) -> None:
    """Only warnings: what cannot be granted is left out, never an error (C22, C23)."""
    sets = {name: set(_items(capabilities, name)) for name in CAPABILITY_SETS}
    lost = sets["ambient"] - (sets["permitted"] & sets["inheritable"])
    if lost:
        names = ", ".join(quote(name) for name in sorted(lost))
        warnings.append(f"{where}.capabilities.ambient: {names} not in permitted and inheritable: not granted")


def _check_scheduler(scheduler: Spec, where: str) -> None:
    """Which numbers a policy takes: sched_setattr(2) (C29–C32)."""
    policy = scheduler.get("policy")
    if scheduler.get("priority") and policy not in ("SCHED_FIFO", "SCHED_RR"):
        raise InvalidInput(f"{where}.priority: only SCHED_FIFO and SCHED_RR have one, not {policy}")
    for name in ("runtime", "deadline", "period"):
        if scheduler.get(name) and policy != "SCHED_DEADLINE":
            raise InvalidInput(f"{where}.{name}: only SCHED_DEADLINE has one, not {policy}")


def _check_host_names(spec: Spec, namespaces: dict[str, str]) -> None:
    """Without a UTS namespace they would rename the host (D01, D02)."""
    for name in ("hostname", "domainname"):
        if spec.get(name) and "uts" not in namespaces:
            raise InvalidInput(f"{name}: needs a uts namespace in linux.namespaces")


def _check_user_namespace(linux: Spec, namespaces: dict[str, str]) -> None:
    """Mappings belong to a user namespace, and a new one to mappings (G16)."""
    for name in ("uidMappings", "gidMappings"):
        mapped = bool(linux.get(name))
        if mapped and "user" not in namespaces:
            raise InvalidInput(f"linux.{name}: needs a user namespace in linux.namespaces")
        if not mapped and namespaces.get("user") == "":
            raise InvalidInput(f"linux.{name}: a new user namespace needs at least one mapping")


def _check_devices(linux: Spec, namespaces: dict[str, str]) -> None:
    for index, device in enumerate(_items(linux, "devices")):
        for name in ("major", "minor"):
            if device["type"] != "p" and device.get(name) is None:
                raise InvalidInput(f"linux.devices[{index}].{name}: is required and missing")
    devices = _part(linux, "netDevices")
    if devices and "network" not in namespaces:
        raise InvalidInput("linux.netDevices: needs a network namespace in linux.namespaces")
    taken: set[str] = set()
    for name, device in devices.items():
        inside = (device or {}).get("name") or name
        if inside in taken and "%d" not in inside:
            raise InvalidInput(f"{render(('linux', 'netDevices', name))}.name: {quote(inside)} is given twice")
        taken.add(inside)


def _check_sysctls(linux: Spec, namespaces: dict[str, str], domain: str | None) -> None:
    """Only keys that a namespace of the container contains: any other would change the host (J05)."""
    for key, value in _part(linux, "sysctl").items():
        where = render(("linux", "sysctl", key))
        path = sysctl_path(key)
        namespace = _SYSCTLS.get(path) or next(
            (kind for directory, kind in _SYSCTL_DIRECTORIES.items() if path.startswith(directory)), None
        )
        if path == "kernel/hostname":  # two places for one thing: runc and crun refuse it as well
            raise InvalidInput(f"{where}: is set by hostname")
        if path == "kernel/domainname" and domain and value != domain:
            raise InvalidInput(f"{where}: {quote(value)} is not what domainname says, {quote(domain)}")
        if namespace is None:
            raise InvalidInput(f"{where}: is not a namespaced sysctl")
        if namespace not in namespaces:
            raise InvalidInput(f"{where}: needs a {namespace} namespace in linux.namespaces")


def sysctl_path(key: str) -> str:
    """The path below /proc/sys of `net.ipv4.ip_forward`, or of `net/ipv4/conf/eth0.1/forwarding`; InvalidInput if none.

    As in sysctl(8) the first separator is the separator, and the other of the two then stands for it inside a name.
    """
    slash, dot = key.find("/"), key.find(".")
    if slash >= 0 and (dot < 0 or slash < dot):
        names = key.split("/")
    else:
        names = [name.replace("/", ".") for name in key.split(".")]
    if any(name in ("", ".", "..") for name in names) or "\0" in key:
        raise InvalidInput(f"{render(('linux', 'sysctl', key))}: is not the name of a sysctl")
    return "/".join(names)


def _check_seccomp(seccomp: Spec) -> None:
    """Error numbers and the listener (K20, K21, K24, K25)."""
    if not seccomp:
        return
    _check_errno(seccomp["defaultAction"], seccomp.get("defaultErrnoRet"), "linux.seccomp.defaultErrnoRet")
    notifies = seccomp["defaultAction"] == "SCMP_ACT_NOTIFY"
    for index, rule in enumerate(_items(seccomp, "syscalls")):
        if rule.get("errnoRet") is not None:
            _check_errno(rule["action"], rule["errnoRet"], f"linux.seccomp.syscalls[{index}].errnoRet")
        notifies = notifies or rule["action"] == "SCMP_ACT_NOTIFY"
    if notifies and not seccomp.get("listenerPath"):
        raise InvalidInput("linux.seccomp.listenerPath: is required by SCMP_ACT_NOTIFY and missing")
    if seccomp.get("listenerMetadata") and not seccomp.get("listenerPath"):
        raise InvalidInput("linux.seccomp.listenerMetadata: needs linux.seccomp.listenerPath")


def _check_errno(action: str, number: int | None, where: str) -> None:
    if number is not None and action not in _ACTIONS_WITH_ERRNO:
        raise InvalidInput(f"{where}: {action} returns no errno")
