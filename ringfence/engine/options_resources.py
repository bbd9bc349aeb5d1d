"""Options that limit what a container may use: memory, CPU, processes, block I/O, bandwidth, ulimits, devices.

The least values and conflicts are docker's (moby daemon/daemon_unix.go, verifyPlatformContainerResources): they are
checked here, before anything is made, rather than reported as EINVAL of some cgroup file.
"""

from __future__ import annotations

import os

from ringfence.engine.options_kinds import INT64_MAX, Option, bad, between, each, number, scaled, size, switch, text
from ringfence.engine.options_lifecycle import is_name
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine.options import Options

LEAST_MEMORY = 6 << 20
DEEPEST_GROUP = 7  # groups one below another: an htb tree has eight levels, the last is for containers
LONGEST_GROUP = 64  # characters: with an id it is the name of a directory
LONGEST_FILE_NAME = 255  # NAME_MAX, limits.h
CPU_PERIOD = 100_000  # microseconds: the kernel's default, Documentation/scheduler/sched-bwc.rst

# Bits per second, in tc(8)'s words; its words for bytes ("mbps") are left out, for most people take them for bits.
UNITS = {"": 1, "bit": 1, **{f"{letter}bit": 1000**power for power, letter in enumerate("kmgt", 1)},
         **{f"{letter}ibit": 1024**power for power, letter in enumerate("kmgt", 1)}}  # fmt: skip
LEAST_RATE = 8000
LEAST_BURST = 2000  # bytes: a packet must fit in

# docker/go-units ulimit.go: the words of `--ulimit`, for getrlimit(2)'s RLIMIT_ names.
ULIMITS = {
    name: f"RLIMIT_{name.upper()}"
    for name in ("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
                 "rtprio", "rttime", "sigpending", "stack", "as")
}  # fmt: skip


def memory(flag: str, value: Any) -> int:
    """A memory limit in bytes; 0 means none."""
    result = size(flag, value)
    if 0 < result < LEAST_MEMORY:
        bad(flag, value, "is below the minimum memory limit of 6m")
    return result


def memory_or_unlimited(flag: str, value: Any) -> int:
    """Bytes, or -1 for no limit."""
    return -1 if value in (-1, "-1") else size(flag, value)


def cpus(flag: str, value: Any) -> int:
    """Nanocpus of a decimal number of CPUs (`0.5` is 500000000), at most the CPUs of this machine."""
    digits = str(value).strip()
    whole, _, fraction = digits.partition(".")
    if not (whole + fraction).isascii() or not (whole + fraction).isdigit() or len(whole) > 9:
        bad(flag, value, "is not a number of CPUs")
    if len(fraction) > 9:
        bad(flag, value, "is more precise than a billionth of a CPU")
    result = int(whole or "0") * 10**9 + int(fraction.ljust(9, "0"))
    present = len(os.sched_getaffinity(0))
    if result and not 10**7 <= result <= present * 10**9:
        bad(flag, value, f"is out of range: 0.01 to {present}.00, as only {present} CPUs are available")
    return result


def index_list(flag: str, value: Any) -> str:
    """A list of numbers and ranges as cpuset(7) writes them: `0-2,5`; empty means all."""
    words = str(value) if isinstance(value, int) else text(flag, value).strip()
    _indexes(flag, words)
    return words


def _indexes(flag: str, value: str) -> set[int]:
    found: set[int] = set()
    for part in value.strip().split(",") if value.strip() else ():
        low, dash, high = part.partition("-")
        if not all(end.isascii() and end.isdigit() and len(end) < 6 for end in ((low, high) if dash else (low,))):
            bad(flag, value, "is not a list of numbers and ranges (such as 0-2,5)")
        if dash and int(high) < int(low):
            bad(flag, value, f"has a range that ends before it begins: {part}")
        found.update(range(int(low), int(high or low) + 1))
    return found


def cpu_period(flag: str, value: Any) -> int:
    """Microseconds."""
    result = number(flag, value)
    if result and not 1000 <= result <= 1_000_000:
        bad(flag, value, "is out of range: 1000 (1 ms) to 1000000 (1 s)")
    return result


def cpu_quota(flag: str, value: Any) -> int:
    """Microseconds in each period; -1 or 0 means none."""
    result = number(flag, value)
    if result not in (0, -1) and result < 1000:
        bad(flag, value, "is below the minimum of 1000 (1 ms)")
    return result


def pids_limit(flag: str, value: Any) -> int:
    """A number of processes; -1 and 0 mean no limit."""
    result = number(flag, value)
    if result < -1:
        bad(flag, value, "is below -1 (unlimited)")
    return result


def ulimit(flag: str, value: Any) -> dict[str, Any]:
    """`nofile=1024:2048` → {"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 2048}; -1 is unlimited (RLIM_INFINITY)."""
    name, equals, limits = text(flag, value).partition("=")
    if not equals:
        bad(flag, value, "is not of the form TYPE=SOFT[:HARD]")
    if name not in ULIMITS:
        bad(flag, value, f"has an unknown type {name} (one of {', '.join(sorted(ULIMITS))})")
    soft, colon, hard = limits.partition(":")
    ends = []
    for end in (soft, hard if colon else soft):
        digits = end.strip()
        if digits in ("-1", "unlimited"):
            ends.append(2**64 - 1)
        elif digits.isascii() and digits.isdigit() and len(digits) < 20:
            ends.append(int(digits))
        else:
            bad(flag, value, "is not of the form TYPE=SOFT[:HARD]")
    if ends[0] > ends[1]:
        bad(flag, value, "has a soft limit above its hard limit")
    return {"type": ULIMITS[name], "soft": ends[0], "hard": ends[1]}


def ulimits(flag: str, value: Any) -> list[dict[str, Any]]:
    """Limits by type: a later one replaces an earlier one, for the runtime-spec forbids doubles."""
    return list({limit["type"]: limit for limit in each(ulimit)(flag, value)}.values())


def device(flag: str, value: Any) -> dict[str, str]:
    """`HOST[:CONTAINER[:rwm]]` → {"host", "container", "access"}; a directory means the devices below it."""
    parts = text(flag, value).split(":")
    if len(parts) > 3 or not parts[0]:
        bad(flag, value, "is not of the form HOST-DEVICE[:CONTAINER-DEVICE][:PERMISSIONS]")
    access = "rwm"
    if len(parts) == 3 or (len(parts) == 2 and _is_access(parts[1])):
        access = parts.pop()
        if not _is_access(access):
            bad(flag, value, f"has invalid permissions {access!r} (of r, w and m)")
    container = parts[1] if len(parts) == 2 and parts[1] else parts[0]
    if not container.startswith("/"):
        bad(flag, value, f"is not an absolute path: {container}")
    if not parts[0].startswith("/"):
        bad(flag, value, f"is not an absolute path: {parts[0]}")
    return {"host": parts[0], "container": container, "access": access}


def _is_access(word: str) -> bool:
    return 0 < len(word) == len(set(word)) and set(word) <= set("rwm")


def device_rule(flag: str, value: Any) -> dict[str, Any]:
    """`c 1:* rwm` → a rule of linux.resources.devices (runtime-spec, config-linux.md "Allowed Device list")."""
    parts = text(flag, value).split(" ")
    numbers = parts[1].split(":") if len(parts) == 3 else []
    if len(numbers) != 2 or parts[0] not in ("a", "b", "c") or not _is_access(parts[2]):
        bad(flag, value, "is not of the form TYPE MAJOR:MINOR PERMISSIONS (such as c 10:200 rwm)")
    rule: dict[str, Any] = {"allow": True, "type": parts[0]}
    for key, digits in zip(("major", "minor"), numbers, strict=True):
        if digits != "*":
            rule[key] = number(flag, digits)
    rule["access"] = parts[2]
    return rule


def _device_value(flag: str, value: Any, form: str) -> tuple[str, str]:
    path, colon, amount = text(flag, value).rpartition(":")
    if not colon or not amount:
        bad(flag, value, f"is not of the form {form}")
    if not path.startswith("/dev/"):
        bad(flag, value, f"is not the path of a device: {path}")
    return path, amount


def bytes_per_second(flag: str, value: Any) -> dict[str, Any]:
    """`/dev/sda:1mb` → {"path", "rate"}."""
    path, amount = _device_value(flag, value, "DEVICE:BYTES-PER-SECOND")
    rate = size(flag, amount)
    if rate <= 0:
        bad(flag, value, "has a rate of 0")
    return {"path": path, "rate": rate}


def operations_per_second(flag: str, value: Any) -> dict[str, Any]:
    """`/dev/sda:100` → {"path", "rate"}."""
    path, amount = _device_value(flag, value, "DEVICE:OPERATIONS-PER-SECOND")
    return {"path": path, "rate": between(1)(flag, amount)}


def device_weight(flag: str, value: Any) -> dict[str, Any]:
    """`/dev/sda:500` → {"path", "weight"}."""
    path, amount = _device_value(flag, value, "DEVICE:WEIGHT")
    return {"path": path, "weight": between(10, 1000, zero="none")(flag, amount)}


def rate(flag: str, value: Any) -> int:
    """Bits per second of `50mbit`, `1.5gbit` or a number; 0 means no limit."""
    words = str(value).strip().lower()
    digits = words.rstrip("bitkmg")
    unit = UNITS.get(words[len(digits) :].strip())
    found = scaled(digits.rstrip(" "), unit) if unit else None
    if found is None or found > INT64_MAX:
        bad(flag, value, "is not a rate in bits per second, such as 50mbit")
    if 0 < found < LEAST_RATE:
        bad(flag, value, "is below the minimum of 8kbit")
    return found


def burst(flag: str, value: Any) -> int:
    """Bytes; 0 for what suits the rate."""
    result = size(flag, value)
    if result and not LEAST_BURST <= result < 1 << 31:
        bad(flag, value, f"is out of range: {LEAST_BURST} bytes to 2 GiB")
    return result


def group_name(flag: str, value: Any) -> str:
    """The name of a group, or of one below another: `gold`, `gold/silver`."""
    words = text(flag, value).split("/")
    if not all(is_name(part) and len(part) <= LONGEST_GROUP for part in words):
        bad(flag, value, "is not the name of a group: each part of it is [a-zA-Z0-9][a-zA-Z0-9_.-]+, at most 64 long")
    if len(words) > DEEPEST_GROUP:
        bad(flag, value, f"is a group below too many others: at most {DEEPEST_GROUP - 1}")
    return "/".join(words)


OPTIONS = (
    Option("memory", "value", memory, "limit of memory", metavar="bytes", short="m", update=True, group=True),
    Option("memory-swap", "value", memory_or_unlimited, "limit of memory and swap together; -1 for unlimited swap, "
           "twice the memory limit if not given", metavar="bytes", update=True, group=True),
    Option("memory-reservation", "value", memory, "memory the kernel tries to leave the container when memory is short",
           metavar="bytes", update=True, group=True),
    Option("memory-swappiness", "value", between(-1, 100), "eagerness to swap, 0 to 100; -1 for the host's",
           metavar="int"),
    Option("oom-kill-disable", "flag", switch, "let processes wait instead of killing them when memory runs out "
           "(cgroup v1)"),
    Option("cpus", "value", cpus, "number of CPUs the container may use, such as 1.5", metavar="decimal",
           update=True, group=True),
    Option("cpu-shares", "value", between(0), "relative weight of CPU time (1024 is one share of the default size)",
           metavar="int", short="c", update=True, group=True),
    Option("cpu-period", "value", cpu_period, "length of a period of the CPU quota, in microseconds", metavar="int",
           update=True, group=True),
    Option("cpu-quota", "value", cpu_quota, "CPU time in each period, in microseconds", metavar="int", update=True,
           group=True),
    Option("cpuset-cpus", "value", index_list, "CPUs on which processes may run (0-3, 0,1)", update=True, group=True),
    Option("cpuset-mems", "value", index_list, "memory nodes that may be used (0-3, 0,1)", update=True, group=True),
    Option("pids-limit", "value", pids_limit, "greatest number of processes and threads; -1 for unlimited",
           metavar="int", update=True, group=True),
    Option("blkio-weight", "value", between(10, 1000, zero="none"), "relative weight of block I/O, 10 to 1000",
           metavar="uint16", update=True, group=True),
    Option("blkio-weight-device", "list", each(device_weight), "weight of block I/O on one device (DEVICE:WEIGHT)",
           group=True),
    Option("device-read-bps", "list", each(bytes_per_second), "limit of bytes read per second (DEVICE:RATE, such as "
           "/dev/sda:1mb)", group=True),
    Option("device-write-bps", "list", each(bytes_per_second), "limit of bytes written per second (DEVICE:RATE)",
           group=True),
    Option("device-read-iops", "list", each(operations_per_second), "limit of reads per second (DEVICE:RATE)",
           group=True),
    Option("device-write-iops", "list", each(operations_per_second), "limit of writes per second (DEVICE:RATE)",
           group=True),
    Option("network-egress", "value", rate, "limit of what the container sends in a second, such as 50mbit; 0 for none",
           metavar="rate", update=True, group=True),
    Option("network-ingress", "value", rate, "limit of what the container receives in a second; 0 for none",
           metavar="rate", update=True, group=True),
    Option("network-burst", "value", burst, "how much may pass at once (what passes in 20 ms if not given)",
           metavar="bytes", update=True, group=True),
    Option("shm-size", "value", size, "size of /dev/shm (64m if not given)", metavar="bytes"),
    Option("ulimit", "list", ulimits, "resource limit of each process (TYPE=SOFT[:HARD])", metavar="ulimit"),
    Option("oom-score-adj", "value", between(-1000, 1000), "preference of the kernel's OOM killer, -1000 to 1000",
           metavar="int"),
    Option("device", "list", each(device), "add a device of the host (HOST[:CONTAINER][:rwm])"),
    Option("device-cgroup-rule", "list", each(device_rule), "allow a kind of device in the device cgroup "
           "(TYPE MAJOR:MINOR PERMISSIONS)"),
    Option("group", "value", group_name, "group whose limits the container shares (see `ringfence group create`)"),
    Option("cgroup-parent", "value", text, "cgroup below which the container's own is made"),
)  # fmt: skip


def check(options: Options) -> None:
    """Refuse limits that contradict each other; the messages name both flags."""
    if options.memory_swap > 0 and not options.memory:
        raise InvalidInput("--memory-swap: needs --memory to be set too")
    if 0 < options.memory_swap < options.memory:
        raise InvalidInput("--memory-swap: is below --memory (it limits memory and swap together)")
    if options.memory and options.memory < options.memory_reservation:
        raise InvalidInput("--memory-reservation: is above --memory")
    if options.oom_kill_disable and not options.memory:
        raise InvalidInput("--oom-kill-disable: needs --memory, or the host may run out of memory")
    if options.cpus:
        for name in ("cpu_period", "cpu_quota"):
            if getattr(options, name):
                raise InvalidInput(f"--cpus and --{name.replace('_', '-')} cannot both be set")
    _check_present("--cpuset-cpus", options.cpuset_cpus, "/sys/devices/system/cpu/online")
    _check_present("--cpuset-mems", options.cpuset_mems, "/sys/devices/system/node/online")
    if options.group and options.cgroup_parent:
        raise InvalidInput("--group and --cgroup-parent cannot both be set: a group has a cgroup of its own")
    parent = options.cgroup_parent
    if ".." in parent.split("/"):
        bad("--cgroup-parent", parent, "may not contain ..")
    if "\n" in parent or any(len(os.fsencode(name)) > LONGEST_FILE_NAME for name in parent.split("/")):
        bad("--cgroup-parent", parent, "is not the path of a cgroup")


def _check_present(flag: str, asked: str, online: str) -> None:
    if not asked:
        return
    try:
        with open(online) as file:
            present = file.read().strip()
    except FileNotFoundError:  # a kernel without NUMA has no node directory: there is node 0 only
        present = "0"
    missing = _indexes(flag, asked) - _indexes(flag, present)
    if missing:
        bad(flag, asked, f"asks for {min(missing)}, available are {present}")
