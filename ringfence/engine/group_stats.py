"""group stats: what the containers of a group use together, in the shape of `stats`."""

from __future__ import annotations

import os
import time

from ringfence.engine import bandwidth, group, group_cgroup, repair, stats, status
from ringfence.engine.options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.engine import Engine
    from ringfence.engine.groups import GroupRecord
    from ringfence.engine.stats import Sample


def samples(engine: Engine, names: Sequence[str], *, stream: bool, interval: float) -> Iterator[list[Sample]]:
    """See Engine.group_stats. NotFound for a name, before the first measurement."""
    chosen = [group.find(engine, name) for name in names]
    return _samples(engine, chosen, stream, interval)


def _samples(engine: Engine, chosen: list[GroupRecord], stream: bool, interval: float) -> Iterator[list[Sample]]:
    from itertools import count

    before: dict[str, Sample] = {}
    for number in count() if stream else range(2):  # a share of the processors takes two measurements
        if number:
            time.sleep(interval)
        found = [_sample(engine, record, before.get(record.id)) for record in chosen or group.settle(engine)]
        before = {entry["id"]: entry for entry in found}
        if stream or number:
            yield found


def _sample(engine: Engine, record: GroupRecord, before: Sample | None) -> Sample:
    pids = [
        current.pid
        for current in (status.of(engine, one) for one in repair.every(engine) if group.is_inside(one, record.name))
        if current.live
    ]
    limits = Options.from_json(record.options)
    numbers = group_cgroup.stats(engine, record) or {"memory": {"limit": limits.memory or None}}
    found = stats.entry(record.id, record.name, 0, numbers, _networks(pids), before)
    found["containers"] = len(pids)
    found["Summary"]["Containers"] = str(len(pids))
    found["network_limits"] = bandwidth.document(limits)
    found["Summary"]["NetLimit"] = bandwidth.text(limits)
    return found


def _networks(pids: Sequence[int]) -> dict[str, dict[str, int]]:
    """The counters of all interfaces by "PID/NAME"; those of a network namespace that several share only once."""
    host, seen, found = _namespace("self"), set[str](), {}
    for pid in pids:
        inode = _namespace(str(pid))
        if inode in (host, "") or inode in seen:
            continue
        seen.add(inode)
        found.update({f"{pid}/{name}": counters for name, counters in stats.networks(pid).items()})
    return found


def _namespace(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""
