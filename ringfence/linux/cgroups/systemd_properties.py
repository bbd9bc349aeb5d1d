"""Properties of systemd's units (systemd.resource-control(5)) for the settings of a cgroup, and from annotations."""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux.dbus import Variant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ringfence.linux.cgroups.setting import Setting

ANNOTATION = "org.systemd.property."
_INFINITY = (1 << 64) - 1
_NUMBERS = {  # file of a cgroup → property: one number, "max" or -1 for none
    "memory.max": "MemoryMax",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "memory.limit_in_bytes": "MemoryLimit",
    "cpu.weight": "CPUWeight",
    "cpu.shares": "CPUShares",
    "pids.max": "TasksMax",
}
_SETS = {"cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes"}  # v1's file names, too: v2 alone has these


def properties(settings: Iterable[Setting]) -> dict[str, Variant]:
    """What systemd is to know of these settings; what it has no word for is left out."""
    told: dict[str, Variant] = {}
    for setting in settings:
        file = setting.path.rpartition("/")[2]
        if file in _NUMBERS:
            unlimited = setting.value in ("max", "-1")
            told[_NUMBERS[file]] = Variant("t", _INFINITY if unlimited else int(setting.value))
        elif file in _SETS and setting.value and "/cpuset/" not in setting.path:
            told[_SETS[file]] = Variant("ay", mask(setting.value))
        elif file == "cpu.max":
            quota, period = setting.value.split()
            per_second = _INFINITY if quota == "max" else _rounded(int(quota) * 1_000_000, int(period))
            told["CPUQuotaPerSecUSec"] = Variant("t", per_second)
            told["CPUQuotaPeriodUSec"] = Variant("t", int(period))
    return told


def _rounded(dividend: int, divisor: int) -> int:
    """Up to 10 ms, systemd's own precision."""
    return -(-dividend // (divisor * 10_000)) * 10_000


def mask(ranges: str) -> bytes:
    """CPUs or memory nodes such as "0-2,7" as bits, the lowest first; InvalidInput."""
    bits = 0
    for part in ranges.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) > 8191:
            raise InvalidInput(f'linux.resources.cpu: "{ranges}" is not a list of numbers such as 0-2,7')
        for number in range(int(first), int(last or first) + 1):
            bits |= 1 << number
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def annotated(annotations: Mapping[str, str]) -> dict[str, Variant]:
    """The properties that annotations org.systemd.property.NAME ask for; InvalidInput."""
    return {
        name.removeprefix(ANNOTATION): value(text, name)
        for name, text in annotations.items()
        if name.startswith(ANNOTATION)
    }


def value(text: str, where: str) -> Variant:
    """A value in GVariant's text form: true, 7, uint64 7, 'words' or ['a', 'b']; InvalidInput."""
    types = {"int32": "i", "uint32": "u", "int64": "x", "uint64": "t"}
    word, _, rest = text.strip().partition(" ")
    if word in ("true", "false") and not rest:
        return Variant("b", word == "true")
    kind, number = (types[word], rest.strip()) if word in types else ("i", text.strip())
    if number.removeprefix("-").isdecimal() and number.isascii():
        bits = 32 if kind in "iu" else 64
        least, most = (-1 << bits - 1, (1 << bits - 1) - 1) if kind in "ix" else (0, (1 << bits) - 1)
        if least <= int(number) <= most:
            return Variant(kind, int(number))
    elif text[:1] in ("'", '"') and len(text) > 1 and text[-1] == text[0] and text[0] not in text[1:-1]:
        return Variant("s", text[1:-1])
    elif text[:1] == "[" and text[-1:] == "]":
        items = [value(part.strip(), where) for part in text[1:-1].split(",") if part.strip()]
        if all(item.signature == "s" for item in items):
            return Variant("as", [item.value for item in items])
    raise InvalidInput(f"annotations.{where}: {text!r} is not a value such as uint64 7, true, 'words' or ['a', 'b']")
