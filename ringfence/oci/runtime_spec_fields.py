"""The properties of config.json and the values each may have: runtime-spec 1.3 (config.md, config-linux.md) as a table.

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


def _words(prefix: str, names: str) -> frozenset[str]:
    return frozenset(prefix + name for name in names.split())


NAMESPACES = _words("", "pid network mount ipc uts user cgroup time")
PROPAGATIONS = _words("", "shared slave private unbindable rshared rslave rprivate runbindable")
RLIMITS = _words(
    "RLIMIT_",
    "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK",
)
SECCOMP_ACTIONS = _words("SCMP_ACT_", "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG NOTIFY")
SECCOMP_OPERATORS = _words("SCMP_CMP_", "NE LT LE EQ GE GT MASKED_EQ")
SECCOMP_ARCHITECTURES = _words(
    "SCMP_ARCH_",
    "X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X "
    "PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB",
)
SECCOMP_FLAGS = _words("SECCOMP_FILTER_FLAG_", "TSYNC LOG SPEC_ALLOW WAIT_KILLABLE_RECV")
SCHEDULER_POLICIES = _words("SCHED_", "OTHER FIFO RR BATCH ISO IDLE DEADLINE")
SCHEDULER_FLAGS = _words(
    "SCHED_FLAG_", "RESET_ON_FORK RECLAIM DL_OVERRUN KEEP_POLICY KEEP_PARAMS UTIL_CLAMP_MIN UTIL_CLAMP_MAX"
)
IO_PRIORITY_CLASSES = _words("IOPRIO_CLASS_", "RT BE IDLE")
MEMORY_POLICY_MODES = _words("MPOL_", "DEFAULT PREFERRED BIND INTERLEAVE LOCAL PREFERRED_MANY WEIGHTED_INTERLEAVE")
MEMORY_POLICY_FLAGS = _words("MPOL_F_", "NUMA_BALANCING RELATIVE_NODES STATIC_NODES")
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


def number_list(value: Any) -> None:
    """CPUs or memory nodes in the list format of cpuset(7): `0-3,5`."""
    text(value)
    for part in value.split(","):
        low, dash, high = part.strip().partition("-")
        if not (low.isdecimal() and low.isascii()) or (dash and not (high.isdecimal() and high.isascii())):
            raise Mismatch(f'{quote(value)} is not a list like "0-3,5"')


def interface_name(value: Any) -> None:
    """A name that the kernel's dev_valid_name() takes: 1 to 15 bytes, no `/`, `:` or white space, not `.` or `..`."""
    text(value)
    size = len(value.encode())
    if not 0 < size < 16 or value in (".", "..") or any(char in "/:" or char.isspace() for char in value):
        raise Mismatch(f"{quote(value)} is not a network interface name")


def closid(value: Any) -> None:
    """A directory name below /sys/fs/resctrl, or `/` for the default class of service."""
    filled(value)
    if value != "/" and ("/" in value or value in (".", "..")):
        raise Mismatch(f"{quote(value)} is not a name of a class of service")


def schema_line(value: Any) -> None:
    """One line of a resctrl schemata file: a line break would smuggle in another."""
    text(value)
    if "\n" in value:
        raise Mismatch(f"{quote(value)} has more than one line")


_TEXTS = array(text)
_ID = integer(0, 2**32 - 2)  # the last number means "leave it" to setresuid(2): the process would stay root
_MAPPINGS = array(
    record(
        {"containerID": UINT32, "hostID": UINT32, "size": integer(1, 2**32 - 1)},
        required=("containerID", "hostID", "size"),
    )
)
_HOOK_LIST = array(
    record(
        {
            "path": absolute,
            "args": _TEXTS,
            "env": array(environment_entry),
            "timeout": integer(1, 2**31 - 1),
        },
        required=("path",),
    )
)
_OFFSET = record({"secs": INT64, "nanosecs": integer(0, 999_999_999)})

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
        "scheduler": record(
            {
                "policy": one_of("scheduler policy", SCHEDULER_POLICIES),
                "nice": integer(-20, 19),
                "priority": integer(0, 99),
                "flags": array(one_of("scheduler flag", SCHEDULER_FLAGS)),
                "runtime": UINT64,
                "deadline": UINT64,
                "period": UINT64,
            },
            required=("policy",),
        ),
        "ioPriority": record(
            {"class": one_of("I/O priority class", IO_PRIORITY_CLASSES), "priority": integer(0, 7)}, required=("class",)
        ),
        "execCPUAffinity": record({"initial": number_list, "final": number_list}),
    },
    required=("cwd", "args"),
)

_SECCOMP = record(
    {
        "defaultAction": one_of("seccomp action", SECCOMP_ACTIONS),
        "defaultErrnoRet": integer(0, 4095),
        "architectures": array(one_of("seccomp architecture", SECCOMP_ARCHITECTURES)),
        "flags": array(one_of("seccomp flag", SECCOMP_FLAGS)),
        "listenerPath": text,
        "listenerMetadata": string,
        "syscalls": array(
            record(
                {
                    "names": array(filled, at_least=1),
                    "action": one_of("seccomp action", SECCOMP_ACTIONS),
                    "errnoRet": integer(0, 4095),
                    "args": array(
                        record(
                            {
                                "index": integer(0, 5),
                                "value": UINT64,
                                "valueTwo": UINT64,
                                "op": one_of("seccomp operator", SECCOMP_OPERATORS),
                            },
                            required=("index", "value", "op"),
                        )
                    ),
                },
                required=("names", "action"),
            )
        ),
    },
    required=("defaultAction",),
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
        "timeOffsets": record({"monotonic": _OFFSET, "boottime": _OFFSET}),
        "devices": array(_DEVICE),
        "netDevices": mapping(record({"name": interface_name})),
        "cgroupsPath": text,
        "resources": any_object,
        "intelRdt": record(
            {
                "closID": closid,
                "l3CacheSchema": schema_line,
                "memBwSchema": schema_line,
                "schemata": array(schema_line),
                "enableMonitoring": boolean,
            }
        ),
        "memoryPolicy": record(
            {
                "mode": one_of("memory policy mode", MEMORY_POLICY_MODES),
                "nodes": number_list,
                "flags": array(one_of("memory policy flag", MEMORY_POLICY_FLAGS)),
            },
            required=("mode",),
        ),
        "sysctl": mapping(text),
        "seccomp": _SECCOMP,
        "rootfsPropagation": one_of("propagation", PROPAGATIONS),
        "maskedPaths": array(absolute),
        "readonlyPaths": array(absolute),
        "mountLabel": text,
        "personality": record(
            {"domain": one_of("personality domain", ("LINUX", "LINUX32")), "flags": array(text)}, required=("domain",)
        ),
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
                    "options": _TEXTS,
                    "uidMappings": _MAPPINGS,
                    "gidMappings": _MAPPINGS,
                },
                required=("destination",),
            )
        ),
        "process": PROCESS,
        "hostname": host_name,
        "domainname": host_name,
        "hooks": record(dict.fromkeys(HOOKS, _HOOK_LIST)),
        "annotations": mapping(string),
        "linux": _LINUX,
    },
    required=("ociVersion", "root"),
)
