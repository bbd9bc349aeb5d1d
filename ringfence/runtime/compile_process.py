"""Plan, process: its attributes, its identity, its confinement, and its execution, in that order.

Privileges go last, and the seccomp filter with them: without no_new_privs loading it needs CAP_SYS_ADMIN, so it is
loaded before the capabilities are dropped; with no_new_privs it is the last thing before the program (K27).
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

# getrlimit(2); the numbers are the generic ones of include/uapi/asm-generic/resource.h
RLIMITS = {
    name: number
    for number, name in enumerate(
        [
            "CPU",
            "FSIZE",
            "DATA",
            "STACK",
            "CORE",
            "RSS",
            "NPROC",
            "NOFILE",
            "MEMLOCK",
            "AS",
            "LOCKS",
            "SIGPENDING",
            "MSGQUEUE",
            "NICE",
            "RTPRIO",
            "RTTIME",
        ]
    )
}
SCHEDULERS = {"SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5,
              "SCHED_DEADLINE": 6}  # fmt: skip
SCHEDULER_FLAGS = {"SCHED_FLAG_RESET_ON_FORK": 1, "SCHED_FLAG_RECLAIM": 2, "SCHED_FLAG_DL_OVERRUN": 4,
                   "SCHED_FLAG_KEEP_POLICY": 8, "SCHED_FLAG_KEEP_PARAMS": 16, "SCHED_FLAG_UTIL_CLAMP_MIN": 32,
                   "SCHED_FLAG_UTIL_CLAMP_MAX": 64}  # fmt: skip
IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
PERSONALITIES = {"LINUX": 0, "LINUX32": 8}
MEMORY_MODES = {"MPOL_DEFAULT": 0, "MPOL_PREFERRED": 1, "MPOL_BIND": 2, "MPOL_INTERLEAVE": 3, "MPOL_LOCAL": 4,
                "MPOL_PREFERRED_MANY": 5, "MPOL_WEIGHTED_INTERLEAVE": 6}  # fmt: skip
MEMORY_FLAGS = {"MPOL_F_STATIC_NODES": 1 << 15, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_NUMA_BALANCING": 1 << 13}
INIT_ANNOTATION = "org.ringfence.init"
GROUPS_ANNOTATION = "run.oci.keep_original_groups"  # crun.1: the caller's supplementary groups stay
DEFAULT_UMASK = 0o022
SUBORDINATE = "give this user lines in /etc/subuid and /etc/subgid"


def monitor(plan: Plan, facts: Facts) -> None:
    """What the monitor will do is opened and checked before anything runs."""
    wishes = facts.monitoring
    if wishes is None:
        return
    oom_file, oom_key = "", ""
    if facts.driver is not None and facts.cgroup:
        oom_file, oom_key = facts.driver.oom_file(facts.cgroup)
    log, (health, health_command) = wishes.log, wishes.health
    plan.runtime(
        "MONITOR",
        *(log.driver, log.path, log.max_size, log.max_file),
        *(wishes.attach_socket, wishes.exit_file, wishes.exit_command, wishes.event_file, wishes.event),
        *(health, list(health_command), wishes.timeout, oom_file, oom_key),
        reason="the monitor keeps stdio, the log and the exit record without any daemon",
    )


def before_namespaces(plan: Plan, process: dict[str, Any]) -> None:
    """What needs the host's procfs and privileges."""
    score = process.get("oomScoreAdj")
    if score is not None:
        plan.container("WRITE", "/proc/self/oom_score_adj", str(score).encode(), 0, reason="process.oomScoreAdj")


def attributes(plan: Plan, process: dict[str, Any], facts: Facts) -> None:
    """What the process inherits but its identity: keyring, limits, scheduling, file mode mask, stdio."""
    if facts.keyring:
        plan.container("KEYRING", f"_ses.{facts.id}", reason="keys of others are out of reach (keyrings(7))")
    for limit in process.get("rlimits") or []:
        number = RLIMITS.get(limit["type"].removeprefix("RLIMIT_"))
        if number is None:
            raise InvalidInput(f"process.rlimits: unknown resource limit {limit['type']}")
        values = _signed(limit["soft"]), _signed(limit["hard"])
        # without CAP_SYS_RESOURCE the engine goes as high as it may; a runtime is asked for exactly this
        plan.container("RLIMIT", number, *values, facts.monitoring is not None, reason="process.rlimits")
    _scheduling(plan, process)
    mask = (process.get("user") or {}).get("umask", DEFAULT_UMASK)
    plan.container("UMASK", mask, reason="process.user.umask")
    plan.container("STDIO", (process.get("user") or {}).get("uid", 0), reason="stdin, stdout, stderr and nothing more")


def _signed(value: int) -> int:
    """RLIM_INFINITY and its like as the signed 64 bits that travel in a plan."""
    return value - 2**64 if value >= 2**63 else value


def _scheduling(plan: Plan, process: dict[str, Any]) -> None:
    scheduler = process.get("scheduler")
    if scheduler:
        flags = 0
        for name in scheduler.get("flags") or []:
            flags |= SCHEDULER_FLAGS[name]
        numbers = (scheduler.get(key) or 0 for key in ("nice", "priority", "runtime", "deadline", "period"))
        plan.container("SCHEDULER", SCHEDULERS[scheduler["policy"]], flags, *numbers, reason="process.scheduler")
    priority = process.get("ioPriority")
    if priority:
        value = IO_CLASSES[priority["class"]] << 13 | priority.get("priority", 0)
        plan.container("IOPRIORITY", value, reason="process.ioPriority")


def affinity(add: Callable[..., None], process: dict[str, Any], when: str) -> None:
    """process.execCPUAffinity, of an exec alone: `initial` before it is in the container's cgroup, `final` after."""
    cpus = (process.get("execCPUAffinity") or {}).get(when)
    if cpus:
        add("AFFINITY", cpu_mask(cpus), reason=f"process.execCPUAffinity.{when}")


def cpu_mask(cpus: str) -> bytes:
    """A list such as "0-3,8" as the bit mask of sched_setaffinity(2)."""
    mask = 0
    for part in cpus.split(","):
        first, _, last = part.strip().partition("-")
        if not (first + last).isdecimal() or not first or int(last or first) < int(first):
            raise InvalidInput(f'"{cpus}" is not a list of processors')
        mask |= (1 << int(last or first) + 1) - (1 << int(first))
    return mask.to_bytes((mask.bit_length() + 63) // 64 * 8, "little")


def machine(plan: Plan, spec: dict[str, Any]) -> None:
    """linux.personality and linux.memoryPolicy."""
    linux = spec.get("linux") or {}
    personality = linux.get("personality")
    if personality:
        plan.container("PERSONALITY", PERSONALITIES[personality["domain"]], reason="linux.personality")
    policy = linux.get("memoryPolicy")
    if policy:
        mode = MEMORY_MODES[policy["mode"]]
        for flag in policy.get("flags") or []:
            mode |= MEMORY_FLAGS[flag]
        nodes = cpu_mask(policy["nodes"]) if policy.get("nodes") else b""
        plan.container("MEMPOLICY", mode, nodes, reason="linux.memoryPolicy")


def identity(plan: Plan, spec: dict[str, Any], process: dict[str, Any], facts: Facts) -> None:
    """User, groups and the bounding set; the capabilities themselves stay until the program is found.

    Where a user maps its own id alone, the kernel lets nobody change supplementary groups (user_namespaces(7)).
    """
    user = process.get("user") or {}
    if user.get("additionalGids") and not facts.groups:
        raise InvalidInput("process.user.additionalGids: cannot be set without subordinate ids", hint=SUBORDINATE)
    bounding = mask(process, "bounding")
    plan.container("BOUNDING", bounding, reason="process.capabilities.bounding")
    groups = b"".join(gid.to_bytes(4, "little") for gid in user.get("additionalGids") or [])
    identity = user.get("uid", 0), user.get("gid", 0)
    kept = (spec.get("annotations") or {}).get(GROUPS_ANNOTATION) == "1"  # `podman run --group-add keep-groups`
    plan.container("USER", *identity, groups, facts.groups and not kept, reason="process.user")


def mask(process: dict[str, Any], kind: str) -> int:
    """One capability set as a bit mask; unknown names are left out, as the spec asks (C23)."""
    names = (process.get("capabilities") or {}).get(kind) or []
    return capabilities.mask([name for name in names if name.removeprefix("CAP_") in _KNOWN])


def unknown_capabilities(process: dict[str, Any]) -> list[str]:
    """A warning for each name that is none."""
    sets = (process.get("capabilities") or {}).values()
    names = sorted({name for names in sets for name in names or () if name.removeprefix("CAP_") not in _KNOWN})
    return [f'process.capabilities: unknown capability "{name}": not granted' for name in names]


_KNOWN = frozenset(name.removeprefix("CAP_") for name in capabilities.NAMES)


_LABELS = {"apparmorProfile": "exec ", "selinuxLabel": ""}


def open_labels(plan: Plan, process: dict[str, Any], facts: Facts) -> dict[str, int]:
    """The files that label the program, of the host's procfs: the container's may be a fake (CVE-2019-16884)."""
    slots = {}
    for field, path in facts.labels.items():
        if process.get(field):
            slots[field] = plan.slot(path)
            plan.container("OPEN", slots[field], path, -1, reason=f"process.{field}")
    return slots


def confine(plan: Plan, process: dict[str, Any], facts: Facts, labels: dict[str, int]) -> None:
    """Labels of security modules, capabilities, no_new_privs, seccomp."""
    for field, slot in labels.items():
        plan.container("WRITE_TO", slot, f"{_LABELS[field]}{process[field]}".encode(), reason=f"process.{field}")
    no_new_privileges = bool(process.get("noNewPrivileges"))
    sets = [mask(process, kind) for kind in ("effective", "permitted", "inheritable", "ambient")]
    filter = facts.seccomp
    if filter is not None and not no_new_privileges:
        plan.container(
            "SECCOMP", facts.seccomp_flags, filter, 0, reason="linux.seccomp; loading it needs CAP_SYS_ADMIN"
        )
    plan.container("CAPABILITIES", *sets, reason="process.capabilities")
    if no_new_privileges:
        plan.container("NONEWPRIVS", reason="process.noNewPrivileges")
        if filter is not None:
            plan.container("SECCOMP", facts.seccomp_flags, filter, 1, reason="linux.seccomp; right before execve")


def execute(plan: Plan, spec: dict[str, Any], process: dict[str, Any]) -> None:
    """The program; nothing comes after it."""
    init = (spec.get("annotations") or {}).get(INIT_ANNOTATION) == "true"
    args, env = process.get("args") or [], process.get("env") or []
    plan.container("EXEC", args, env, init, reason="process.args")
