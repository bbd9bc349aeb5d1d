"""The cpu controller, with the accounting of cpuacct (kernel: scheduler/sched-bwc.rst; cgroup-v2.rst, "CPU")."""

from __future__ import annotations

import math

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux.cgroups.fields import UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups.fields import Fields
    from ringfence.linux.cgroups.setting import Group, Setting

_DEFAULT_PERIOD = 100_000  # microseconds


def v1(group: Group, resources: Fields) -> list[Setting]:
    cpu = resources.object("cpu")
    shares = cpu.integer("shares", 0, UINT64)
    weight = [] if not shares else [group.set("cpu.shares", shares, cpu.field("shares"))]
    return [*_idle(group, cpu, weight), *_bandwidth_v1(group, cpu), *_realtime(group, cpu)]


def v2(group: Group, resources: Fields) -> list[Setting]:
    cpu = resources.object("cpu")
    for name in ("realtimeRuntime", "realtimePeriod"):
        if cpu.integer(name):
            raise Unsupported(f"{cpu.field(name)}: cgroup v2 has no real-time scheduling of cgroups")
    shares = cpu.integer("shares", 0, UINT64)
    weight = [] if not shares else [group.set("cpu.weight", weight_of(shares), cpu.field("shares"))]
    return [*_idle(group, cpu, weight), *_bandwidth_v2(group, cpu)]


def weight_of(shares: int) -> int:
    """v2's cpu.weight (1..10000) for v1's shares (2..262144), so that both defaults, 1024 and 100, meet.

    runc since 1.3.2 and crun since 1.23 convert so: a quadratic function of the logarithm through (2, 1),
    (1024, 100) and (262144, 10000). The linear function that they used before made the default 39.
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    logarithm = math.log2(shares)
    return math.ceil(10 ** ((logarithm * logarithm + 125 * logarithm) / 612 - 7 / 34))


def _idle(group: Group, cpu: Fields, weight: list[Setting]) -> list[Setting]:
    """An idle cgroup takes no weight: it must cease to be idle before, and become it after the weight is written."""
    idle = cpu.integer("idle", 0, 1)
    if idle is None:
        return weight
    setting = [group.set("cpu.idle", idle, cpu.field("idle"))]
    return [*weight, *setting] if idle else [*setting, *weight]


def _bandwidth_v1(group: Group, cpu: Fields) -> list[Setting]:
    """Quota, period and burst, in an order in which no step in between asks for more than the beginning or the end.

    The kernel checks every step: quota / period must not exceed the parent's, burst must not exceed the quota.
    So a period that grows is written before the quota, one that shrinks after it.
    """
    quota, period, burst = _bandwidth(cpu, group.limit("cpu.cfs_quota_us"))
    settings = []
    if quota is not None:
        settings.append(group.set("cpu.cfs_quota_us", quota, cpu.field("quota")))
    if period is not None:
        grows = period >= (group.number("cpu.cfs_period_us") or _DEFAULT_PERIOD)
        first = quota != -1 and grows
        settings.insert(0 if first else len(settings), group.set("cpu.cfs_period_us", period, cpu.field("period")))
    return _with_burst(group, "cpu.cfs_burst_us", cpu, burst, settings)


def _bandwidth_v2(group: Group, cpu: Fields) -> list[Setting]:
    present_quota, present_period = (group.read("cpu.max") or f"max {_DEFAULT_PERIOD}").split()
    quota, period, burst = _bandwidth(cpu, -1 if present_quota == "max" else int(present_quota))
    settings = []
    if quota is not None or period is not None:
        field = cpu.field("period" if quota is None else "quota")
        amount = present_quota if quota is None else "max" if quota == -1 else quota
        settings.append(group.set("cpu.max", f"{amount} {period or present_period}", field))
    return _with_burst(group, "cpu.max.burst", cpu, burst, settings)


def _bandwidth(cpu: Fields, present_quota: int) -> tuple[int | None, int | None, int | None]:
    """Quota, period and burst in microseconds, checked; 0 counts as absent for the first two, as for engines."""
    quota = cpu.limit("quota")
    period = cpu.integer("period") or None
    burst = cpu.integer("burst")
    if period is not None and not 1000 <= period <= 1_000_000:
        raise InvalidInput(f"{cpu.field('period')}: {period} is not in 1000..1000000 microseconds")
    if quota is not None and quota != -1 and quota < 1000:
        raise InvalidInput(f"{cpu.field('quota')}: {quota} is below 1000 microseconds")
    effective = present_quota if quota is None else quota
    if burst and effective != -1 and burst > effective:
        raise InvalidInput(f"{cpu.field('burst')}: {burst} is above the quota {effective}")
    return quota, period, burst


def _with_burst(group: Group, file: str, cpu: Fields, burst: int | None, settings: list[Setting]) -> list[Setting]:
    if burst is None:
        return settings
    setting = group.set(file, burst, cpu.field("burst"))
    return [setting, *settings] if burst < group.number(file) else [*settings, setting]


def _realtime(group: Group, cpu: Fields) -> list[Setting]:
    """Real-time bandwidth. The period first: the runtime must fit into it."""
    settings = []
    for name, file in (("realtimePeriod", "cpu.rt_period_us"), ("realtimeRuntime", "cpu.rt_runtime_us")):
        value = cpu.integer(name, -1 if name == "realtimeRuntime" else 0)
        if value:
            settings.append(group.set(file, value, cpu.field(name)))
    return settings


def stats_v1(bandwidth: Group, accounting: Group) -> dict[str, int]:
    """Nanoseconds; the controllers cpu and cpuacct may be mounted apart."""
    throttling = bandwidth.table("cpu.stat")
    return {
        "total": accounting.number("cpuacct.usage"),
        "user": accounting.number("cpuacct.usage_user"),
        "system": accounting.number("cpuacct.usage_sys"),
        "throttled": throttling.get("throttled_time", 0),
        "periods": throttling.get("nr_periods", 0),
        "throttled_periods": throttling.get("nr_throttled", 0),
    }


def stats_v2(group: Group) -> dict[str, int]:
    """Nanoseconds; the kernel tells the times even where the controller is not enabled."""
    table = group.table("cpu.stat")
    return {
        "total": table.get("usage_usec", 0) * 1000,
        "user": table.get("user_usec", 0) * 1000,
        "system": table.get("system_usec", 0) * 1000,
        "throttled": table.get("throttled_usec", 0) * 1000,
        "periods": table.get("nr_periods", 0),
        "throttled_periods": table.get("nr_throttled", 0),
    }
