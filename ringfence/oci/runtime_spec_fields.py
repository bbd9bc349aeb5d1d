"""The properties of config.json and the values each may have: runtime-spec 1.3 (config.md, config-linux.md) as a table.

Those that few specs have are in `runtime_spec_rare.py`, those of linux.seccomp in `runtime_spec_seccomp.py`.

Rules that tie several properties together are in `runtime_spec.py`. `linux.resources` is checked by the cgroup driver,
which also knows what this machine can do.
"""

from __future__ import annotations

from ringfence.oci.shape import (
    INT64,
    UINT32,
    UINT64,
    Mismatch,
    absolute,
    any_object,
    array,
    boolean,
    both,
    filled,
    integer,
    mapping,
    one_of,
    quote,
    record,
    string,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.oci.shape import Shape


def words(prefix: str, names: str) -> frozenset[str]:
    """The names, each with the prefix."""
    return frozenset(prefix + name for name in names.split())


NAMESPACES = words("", "pid network mount ipc uts user cgroup time")
PROPAGATIONS = words("", "shared slave private unbindable rshared rslave rprivate runbindable")
RLIMITS = words(
    "RLIMIT_",
    "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK",
)
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
CAPABILITY_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")


def environment_entry(value: Any) -> None:
    """`NAME=value` as IEEE Std 1003.1 `environ` has it."""
    text(value)
    if value.find("=") < 1:
        raise Mismatch(f'{quote(value)} is not of the form "NAME=value"')


def host_name(value: Any) -> None:
    """At most 64 bytes: sethostname(2), setdomainname(2)."""
    text(value)
    if len(value.encode()) > 64:
        raise Mismatch(f"{quote(value)} is longer than 64 bytes")


def _rare(name: str) -> Shape:
    """The shape of a property that few specs have: its module is imported for its first value."""

    def check(value: Any) -> None:
        from ringfence.oci import runtime_spec_rare

        runtime_spec_rare.SHAPES[name](value)

    return check


def _seccomp(value: Any) -> None:
    from ringfence.oci import runtime_spec_seccomp

    runtime_spec_seccomp.SECCOMP(value)


TEXTS = array(text)
_ID = integer(0, 2**32 - 2)  # the last number means "leave it" to setresuid(2): the process would stay root
_MAPPINGS = array(
    record(
        {"containerID": UINT32, "hostID": UINT32, "size": integer(1, 2**32 - 1)},
        required=("containerID", "hostID", "size"),
    )
)
PROCESS = record(
    {
        "terminal": boolean,
        "consoleSize": record({"height": UINT32, "width": UINT32}, required=("height", "width")),
        "cwd": absolute,
        "env": array(environment_entry),
        "args": array(text, at_least=1),
        "user": record({"uid": _ID, "gid": _ID, "umask": integer(0, 0o777), "additionalGids": array(_ID)}),
        "rlimits": array(
            record(
                {"type": one_of("rlimit", RLIMITS), "soft": UINT64, "hard": UINT64}, required=("type", "soft", "hard")
            )
        ),
        "capabilities": record({name: array(text) for name in CAPABILITY_SETS}),
        "noNewPrivileges": boolean,
        "oomScoreAdj": integer(-1000, 1000),
        "apparmorProfile": text,
        "selinuxLabel": text,
        "scheduler": _rare("scheduler"),
        "ioPriority": _rare("ioPriority"),
        "execCPUAffinity": _rare("execCPUAffinity"),
    },
    required=("cwd", "args"),
)

_DEVICE = record(
    {
        "type": one_of("device type", ("c", "b", "u", "p")),
        "path": both(absolute, filled),
        "major": INT64,
        "minor": INT64,
        "fileMode": UINT32,  # engines leave the file type in it: docker writes 0o20666 for a character device
        "uid": UINT32,
        "gid": UINT32,
    },
    required=("type", "path"),
)

_LINUX = record(
    {
        "namespaces": array(
            record({"type": one_of("namespace", NAMESPACES), "path": absolute}, required=("type",)),
        ),
        "uidMappings": _MAPPINGS,
        "gidMappings": _MAPPINGS,
        "timeOffsets": _rare("timeOffsets"),
        "devices": array(_DEVICE),
        "netDevices": _rare("netDevices"),
        "cgroupsPath": text,
        "resources": any_object,
        "intelRdt": _rare("intelRdt"),
        "memoryPolicy": _rare("memoryPolicy"),
        "sysctl": mapping(text),
        "seccomp": _seccomp,
        "rootfsPropagation": one_of("propagation", PROPAGATIONS),
        "maskedPaths": array(absolute),
        "readonlyPaths": array(absolute),
        "mountLabel": text,
        "personality": _rare("personality"),
    }
)

SPEC = record(
    {
        "ociVersion": string,
        "root": record({"path": filled, "readonly": boolean}, required=("path",)),
        "mounts": array(
            record(
                {
                    "destination": filled,
                    "source": text,
                    "type": text,
                    "options": TEXTS,
                    "uidMappings": _MAPPINGS,
                    "gidMappings": _MAPPINGS,
                },
                required=("destination",),
            )
        ),
        "process": PROCESS,
        "hostname": host_name,
        "domainname": host_name,
        "hooks": _rare("hooks"),
        "annotations": mapping(string),
        "linux": _LINUX,
    },
    required=("ociVersion", "root"),
)
