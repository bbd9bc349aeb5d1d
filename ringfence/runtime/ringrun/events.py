"""`ringrun events`: what a container uses, every few seconds, and when it runs out of memory: a line of JSON for each.

The shape is that of runc's events, with the numbers that both versions of cgroups have.
"""

from __future__ import annotations

import time

from ringfence import json
from ringfence.commandline import Flag
from ringfence.errors import InvalidInput
from ringfence.linux import pidfd
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.runtime.ringrun.verb import Call
    from ringfence.runtime.state import State

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_LOOK = 0.2  # seconds between two looks at how many processes the kernel has killed for lack of memory


def run(call: Call) -> int:
    record = call.record()
    record.require("events")
    driver = call.driver(record)
    if call.flags.on("stats"):
        _tell("stats", record.id, statistics(driver, record.cgroup))
        return 0
    _watch(record, driver, _seconds(call.flags.text("interval")))
    return 0


def _watch(record: State, driver: CgroupDriver, interval: float) -> None:
    """Until the container has ended."""
    try:
        process = pidfd.open(record.pid, record.begun)
    except ProcessLookupError:
        return
    kills, due = driver.oom_kills(record.cgroup), time.monotonic() + interval
    ended = False
    with process:
        while not ended:
            ended = process.wait(max(0.0, min(_LOOK, due - time.monotonic())))
            now = driver.oom_kills(record.cgroup)
            if now > kills:
                kills = now
                _tell("oom", record.id, None)
            if not ended and time.monotonic() >= due:
                due += interval
                _tell("stats", record.id, statistics(driver, record.cgroup))


def _tell(kind: str, id: str, data: dict[str, Any] | None) -> None:
    print(json.dumps({"type": kind, "id": id, **({"data": data} if data is not None else {})}), flush=True)


def statistics(driver: CgroupDriver, cgroup: str) -> dict[str, Any]:
    """The `data` of an event: times in nanoseconds, sizes in bytes; a limit that there is none of is left out."""
    found = driver.stats(cgroup)
    cpu, memory, pids, blkio = (found[name] for name in ("cpu", "memory", "pids", "blkio"))
    return {
        "cpu": {
            "usage": {"total": cpu["total"], "kernel": cpu["system"], "user": cpu["user"]},
            "throttling": {
                "periods": cpu["periods"],
                "throttledPeriods": cpu["throttled_periods"],
                "throttledTime": cpu["throttled"],
            },
        },
        "memory": {"cache": memory["cache"], "usage": _limited(memory["usage"], memory["limit"], "usage")},
        "pids": _limited(pids["current"], pids["limit"], "current"),
        "blkio": {"ioServiceBytesRecursive": [{"op": op, "value": blkio[op.lower()]} for op in ("Read", "Write")]},
    }


def _limited(value: int | None, limit: int | None, name: str) -> dict[str, int | None]:
    return {name: value, **({"limit": limit} if limit is not None else {})}


def _seconds(text: str) -> float:
    """A duration as Go writes it, with one unit: 5s, 100ms, 1m."""
    number = text.rstrip("hms")
    factor = _UNITS.get(text[len(number) :])
    if factor is None or not number.replace(".", "", 1).isdecimal() or not float(number):
        raise InvalidInput(f'--interval: "{text}" is no duration like 5s')
    return float(number) * factor


VERB = Verb(run, "CONTAINER", "Print what a container uses, and when it runs out of memory, as lines of JSON", (
    Flag("interval", "time between two prints of what it uses", kind="value", default="5s", metavar="DURATION"),
    Flag("stats", "print once what it uses"),
))  # fmt: skip
