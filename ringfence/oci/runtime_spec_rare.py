"""The properties of config.json that few specs have, and so few starts import: see runtime_spec_fields.py."""

from __future__ import annotations

from ringfence.oci.runtime_spec_fields import HOOKS, TEXTS, environment_entry, words
from ringfence.oci.shape import (
    INT64,
    UINT64,
    Mismatch,
    absolute,
    array,
    boolean,
    filled,
    integer,
    mapping,
    one_of,
    quote,
    record,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEDULER_POLICIES = words("SCHED_", "OTHER FIFO RR BATCH ISO IDLE DEADLINE")
SCHEDULER_FLAGS = words(
    "SCHED_FLAG_", "RESET_ON_FORK RECLAIM DL_OVERRUN KEEP_POLICY KEEP_PARAMS UTIL_CLAMP_MIN UTIL_CLAMP_MAX"
)
IO_PRIORITY_CLASSES = words("IOPRIO_CLASS_", "RT BE IDLE")
MEMORY_POLICY_MODES = words("MPOL_", "DEFAULT PREFERRED BIND INTERLEAVE LOCAL PREFERRED_MANY WEIGHTED_INTERLEAVE")
MEMORY_POLICY_FLAGS = words("MPOL_F_", "NUMA_BALANCING RELATIVE_NODES STATIC_NODES")


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


_HOOK_LIST = array(
    record(
        {
            "path": absolute,
            "args": TEXTS,
            "env": array(environment_entry),
            "timeout": integer(1, 2**31 - 1),
        },
        required=("path",),
    )
)
_OFFSET = record({"secs": INT64, "nanosecs": integer(0, 999_999_999)})

SHAPES = {
    "hooks": record(dict.fromkeys(HOOKS, _HOOK_LIST)),
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
    "timeOffsets": record({"monotonic": _OFFSET, "boottime": _OFFSET}),
    "netDevices": mapping(record({"name": interface_name})),
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
    "personality": record(
        {"domain": one_of("personality domain", ("LINUX", "LINUX32")), "flags": array(text)}, required=("domain",)
    ),
}
"""By the name of the property."""
