"""stats: what containers use, measured again and again, in docker's shape and as the columns people read."""

from __future__ import annotations

import os
import time

from ringfence.engine import bandwidth, repair, status, times
from ringfence.engine.options import Options
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

    Sample = dict[str, Any]

DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB")
BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def stats(engine: Engine, names: Sequence[str], *, all: bool, stream: bool,
          interval: float) -> Iterator[list[Sample]]:  # fmt: skip
    """See Engine.stats. NotFound for a name, before the first measurement."""
    chosen = [repair.find(engine, name) for name in names]
    return _stats(engine, chosen, bool(names), all, stream, interval)


def _stats(engine: Engine, chosen: list[ContainerRecord], named: bool, all: bool, stream: bool,
           interval: float) -> Iterator[list[Sample]]:  # fmt: skip
    from itertools import count

    before: dict[str, Sample] = {}
    for number in count() if stream else range(2):  # a share of the processors takes two measurements
        if number:
            time.sleep(interval)
        records = chosen if named else repair.every(engine)
        measured = [sample(engine, record, before.get(record.id)) for record in records]
        found = [entry for entry in measured if entry["pid"] or named or all]
        before = {entry["id"]: entry for entry in found}
        if stream or number:
            yield found


def sample(engine: Engine, record: ContainerRecord, before: Sample | None) -> Sample:
    """One measurement; a container that does not run uses nothing. CPU shares are since the measurement `before`."""
    current = status.of(engine, record)
    numbers = _numbers(engine, record) if current.live else {}
    ports = networks(current.pid) if current.live else {}
    found = entry(record.id, f"/{record.name}", current.pid, numbers, ports, before)
    limits = Options.from_json(record.options)
    found["network_limits"] = bandwidth.document(limits)
    found["Summary"]["NetLimit"] = bandwidth.text(limits)
    return found


def entry(id: str, name: str, pid: int, numbers: Mapping[str, Mapping[str, int | None]],
          ports: dict[str, dict[str, int]], before: Sample | None) -> Sample:  # fmt: skip
    """One measurement in docker's shape, from what a cgroup tells (CgroupDriver.stats) and counters of interfaces."""
    cpu, memory = numbers.get("cpu", {}), numbers.get("memory", {})
    pids, blkio = numbers.get("pids", {}), numbers.get("blkio", {})
    found: Sample = {
        "id": id,
        "name": name,
        "pid": pid,
        "read": times.rfc3339(time.time_ns()),
        "preread": before["read"] if before else times.ZERO,
        "cpu_stats": {
            "cpu_usage": {"total_usage": cpu.get("total", 0), "usage_in_kernelmode": cpu.get("system", 0),
                          "usage_in_usermode": cpu.get("user", 0)},
            "system_cpu_usage": _machine_cpu(),
            "online_cpus": os.cpu_count() or 1,
            "throttling_data": {"periods": cpu.get("periods", 0), "throttled_periods": cpu.get("throttled_periods", 0),
                                "throttled_time": cpu.get("throttled", 0)},
        },
        "precpu_stats": before["cpu_stats"] if before else {},
        "memory_stats": {"usage": memory.get("usage", 0), "limit": memory.get("limit") or _machine_memory(),
                         "stats": {"working_set": memory.get("working_set", 0), "cache": memory.get("cache", 0)}},
        "pids_stats": {"current": pids.get("current", 0), "limit": pids.get("limit") or 0},
        "blkio_stats": {
            "io_service_bytes_recursive": [{"op": op, "value": blkio.get(op, 0)} for op in ("read", "write")]
        },
        "networks": ports,
    }  # fmt: skip
    found["Summary"] = summary(found)
    return found


def _numbers(engine: Engine, record: ContainerRecord) -> dict[str, dict[str, int | None]]:
    """What the runtime tells, or nothing of a container that has just ended."""
    try:
        return engine.runtime_of(record).stats(record.id)
    except (NotFound, FileNotFoundError):
        return {}


def summary(entry: Sample) -> dict[str, str]:
    """The columns of `docker stats`, as text."""
    memory = entry["memory_stats"]
    usage, limit = memory["stats"]["working_set"], memory["limit"]
    network = [sum(port[key] for port in entry["networks"].values()) for key in ("rx_bytes", "tx_bytes")]
    disk = [part["value"] for part in entry["blkio_stats"]["io_service_bytes_recursive"]]
    return {
        "ID": entry["id"],
        "Container": entry["id"][:12],
        "Name": entry["name"].removeprefix("/"),
        "CPUPerc": f"{_cpu_share(entry):.2f}%",
        "MemUsage": f"{size(usage, BINARY)} / {size(limit, BINARY)}",
        "MemPerc": f"{100 * usage / limit if limit else 0:.2f}%",
        "NetIO": " / ".join(size(number, DECIMAL, 3) for number in network),
        "BlockIO": " / ".join(size(number, DECIMAL, 3) for number in disk),
        "PIDs": str(entry["pids_stats"]["current"]),
    }


def size(number: float, units: Sequence[str], digits: int = 4) -> str:
    """A size for people, in four digits at most: 12.5MiB, 1.61kB."""
    base = 1024 if units is BINARY else 1000
    unit = 0
    while number >= base and unit < len(units) - 1:
        number /= base
        unit += 1
    return f"{number:.{digits}g}{units[unit]}"


def _cpu_share(entry: Sample) -> float:
    """Per cent of one processor, since the measurement before; so 200 % are two processors."""
    now, then = entry["cpu_stats"], entry["precpu_stats"]
    if not then:
        return 0.0
    machine = now["system_cpu_usage"] - then["system_cpu_usage"]
    own = now["cpu_usage"]["total_usage"] - then["cpu_usage"]["total_usage"]
    return max(0.0, 100.0 * own * now["online_cpus"] / machine) if machine > 0 else 0.0


def _machine_cpu() -> int:
    """Nanoseconds that all processors have spent since boot, idle or not: the first line of /proc/stat."""
    with open("/proc/stat", "rb") as file:
        ticks = sum(int(word) for word in file.readline().split()[1:9])
    return int(ticks * times.SECOND // os.sysconf("SC_CLK_TCK"))


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def networks(pid: int) -> dict[str, dict[str, int]]:
    """Counters of its interfaces but for lo, from /proc/PID/net/dev (proc(5))."""
    try:
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            lines = file.read().splitlines()[2:]
    except (FileNotFoundError, ProcessLookupError):
        return {}
    keys = {"rx_bytes": 0, "rx_packets": 1, "rx_errors": 2, "rx_dropped": 3,
            "tx_bytes": 8, "tx_packets": 9, "tx_errors": 10, "tx_dropped": 11}  # fmt: skip
    found = {}
    for line in lines:
        name, _, numbers = line.partition(":")
        if name.strip() != "lo":
            counters = numbers.split()
            found[name.strip()] = {key: int(counters[column]) for key, column in keys.items()}
    return found
