"""The block I/O controller: blkio in v1, io in v2 (kernel: cgroup-v1/blkio-controller.rst; cgroup-v2.rst, "IO")."""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux.cgroups.fields import UINT16, UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.linux.cgroups.fields import Fields
    from ringfence.linux.cgroups.setting import Group, Setting

# field of linux.resources.blockIO, v1 file, key in v2's io.max
_THROTTLES = (
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"),
)
_LOWEST, _HIGHEST = 10, 1000  # weights of the spec and of v1


def v1(group: Group, resources: Fields) -> list[Setting]:
    block = resources.object("blockIO")
    # CFQ's files went with it in Linux 5.0, BFQ's carry its name; the root cgroup shows which there are.
    prefix = "blkio" if os.path.exists(f"{group.root}/blkio.leaf_weight") else "blkio.bfq"
    settings = []
    for name, file in (("weight", f"{prefix}.weight"), ("leafWeight", "blkio.leaf_weight")):
        weight = _weight(block, name)
        if weight is not None:
            settings.append(group.set(file, weight, block.field(name)))
    for device, number in _weighted_devices(block):
        for name, file in (("weight", f"{prefix}.weight_device"), ("leafWeight", "blkio.leaf_weight_device")):
            weight = _weight(device, name)
            if weight is not None:
                settings.append(group.set(file, f"{number} {weight}", device.field(name)))
    for field, file, _key in _THROTTLES:
        for device, number, rate in _throttled_devices(block, field):
            settings.append(group.set(file, f"{number} {rate}", device.where))
    return settings


def v2(group: Group, resources: Fields) -> list[Setting]:
    block = resources.object("blockIO")
    settings = []
    if _weight(block, "leafWeight") is not None:
        raise Unsupported(f"{block.field('leafWeight')}: cgroup v2 has no leaf weight")
    weight = _weight(block, "weight")
    if weight is not None:
        settings += _weights_v2(group, "default", weight, block.field("weight"))
    for device, number in _weighted_devices(block):
        if _weight(device, "leafWeight") is not None:
            raise Unsupported(f"{device.field('leafWeight')}: cgroup v2 has no leaf weight")
        weight = _weight(device, "weight")
        if weight is not None:
            settings += _weights_v2(group, number, weight, device.field("weight"))
    for field, _file, key in _THROTTLES:
        for device, number, rate in _throttled_devices(block, field):
            settings.append(group.set("io.max", f"{number} {key}={rate or 'max'}", device.where))
    return settings


def _weights_v2(group: Group, target: str, weight: int, field: str) -> list[Setting]:
    """The weight for both that may heed one: the BFQ scheduler (1..1000) and the cost model (1..10000).

    A kernel has the one's file, the other's or both, and no device need use either; one of them is required.
    """
    costs = os.path.exists(f"{group.root}/io.cost.qos")
    scaled = 1 + (weight - _LOWEST) * 9999 // (_HIGHEST - _LOWEST)
    return [
        group.set("io.bfq.weight", f"{target} {weight}", field, optional=costs),
        group.set("io.weight", f"{target} {scaled}", field, optional=not costs),
    ]


def _weight(fields: Fields, name: str) -> int | None:
    """A weight in 10..1000; 0 counts as absent, because engines send it for "not given"."""
    weight = fields.integer(name, 0, UINT16) or None
    if weight is not None and not _LOWEST <= weight <= _HIGHEST:
        raise InvalidInput(f"{fields.field(name)}: {weight} is not in {_LOWEST}..{_HIGHEST}")
    return weight


def _weighted_devices(block: Fields) -> Iterator[tuple[Fields, str]]:
    for device in block.objects("weightDevice"):
        if _weight(device, "weight") is None and _weight(device, "leafWeight") is None:
            raise InvalidInput(f"{device.where}: neither weight nor leafWeight is given")
        yield device, _number(device)


def _throttled_devices(block: Fields, field: str) -> Iterator[tuple[Fields, str, int]]:
    for device in block.objects(field):
        rate = device.integer("rate", 0, UINT64)
        if rate is None:
            raise InvalidInput(f"{device.field('rate')}: missing")
        yield device, _number(device), rate


def _number(device: Fields) -> str:
    numbers = [device.integer(name) for name in ("major", "minor")]
    if None in numbers:
        raise InvalidInput(f"{device.where}: major and minor are required")
    return f"{numbers[0]}:{numbers[1]}"


def joined_v1(levels: Sequence[Group]) -> Group:
    """The cgroup that a process joins for this one: the nearest that has rates, its own if none above has.

    v1's rates hold for the processes of a cgroup itself, all together, and not for those below (kernel:
    cgroup-v1/blkio-controller.rst, "Hierarchical Cgroups"). Of the cgroups near the root nobody asks: they have none.
    """
    for level in reversed(levels[2:-1]):
        if any(level.read(file) for _, file, _ in _THROTTLES):
            return level
    return levels[-1]


def stats_v1(group: Group) -> dict[str, int]:
    """Bytes over all devices, from lines "254:0 Read 4096"."""
    text = group.read("blkio.throttle.io_service_bytes_recursive") or group.read("blkio.throttle.io_service_bytes")
    totals = {"Read": 0, "Write": 0}
    for words in map(str.split, text.splitlines()):
        if len(words) == 3 and words[1] in totals:
            totals[words[1]] += int(words[2])
    return {"read": totals["Read"], "write": totals["Write"]}


def stats_v2(group: Group) -> dict[str, int]:
    """Bytes over all devices, from lines "254:0 rbytes=4096 wbytes=0 rios=1 ..."."""
    totals = {"rbytes": 0, "wbytes": 0}
    for line in group.read("io.stat").splitlines():
        for pair in line.split()[1:]:
            key, _, value = pair.partition("=")
            if key in totals:
                totals[key] += int(value)
    return {"read": totals["rbytes"], "write": totals["wbytes"]}
