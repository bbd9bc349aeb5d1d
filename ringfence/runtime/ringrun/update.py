"""`ringrun update`: new resource limits for a live container, from flags or from a file with linux.resources."""

from __future__ import annotations

import sys

from ringfence.commandline import Flag
from ringfence.errors import InvalidInput
from ringfence.oci.shape import parse_json
from ringfence.runtime import update
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.ringrun.verb import Call

#: flag → (where it goes in linux.resources, what its value is, what it does)
LIMITS = {
    "blkio-weight": ("blockIO.weight", "number", "share of block I/O, 10 to 1000"),
    "cpu-burst": ("cpu.burst", "number", "µs of CPU time that may be saved up above the quota"),
    "cpu-idle": ("cpu.idle", "number", "1: run only when nobody else wants to"),
    "cpu-period": ("cpu.period", "number", "length of a period in µs"),
    "cpu-quota": ("cpu.quota", "number", "µs of CPU time in each period, -1 for any"),
    "cpu-rt-period": ("cpu.realtimePeriod", "number", "length of a period for real-time processes in µs"),
    "cpu-rt-runtime": ("cpu.realtimeRuntime", "number", "µs of real-time scheduling in each period"),
    "cpu-share": ("cpu.shares", "number", "share of CPU time, relative to that of others"),
    "cpuset-cpus": ("cpu.cpus", "text", "the processors to use, such as 0-3,8"),
    "cpuset-mems": ("cpu.mems", "text", "the memory nodes to use"),
    "kernel-memory": ("memory.kernel", "size", "limit of kernel memory; kernels no longer have it"),
    "kernel-memory-tcp": ("memory.kernelTCP", "size", "limit of TCP buffers; kernels no longer have it"),
    "memory": ("memory.limit", "size", "limit of memory, -1 for none"),
    "memory-reservation": ("memory.reservation", "size", "what it is pressed back to when memory is short"),
    "memory-swap": ("memory.swap", "size", "limit of memory and swap together, -1 for none"),
    "pids-limit": ("pids.limit", "number", "how many tasks there may be, -1 for any number"),
}
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def run(call: Call) -> int:
    resources = _from_file(call.flags.text("resources")) if call.flags.text("resources") else _from_flags(call)
    update.update(call.record(), call.driver(), resources)
    return 0


def _from_file(path: str) -> dict[str, Any]:
    if path == "-":
        text, path = sys.stdin.buffer.read(), "standard input"
    else:
        with open(path, "rb") as file:
            text = file.read()
    resources = parse_json(text, path)
    if not isinstance(resources, dict):
        raise InvalidInput(f"{path}: is not a JSON object with the members of linux.resources")
    return resources


def _from_flags(call: Call) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    for flag in ("l3-cache-schema", "mem-bw-schema"):
        if call.flags.text(flag):
            raise InvalidInput(f"--{flag}: the container has no linux.intelRdt that could be changed")
    for flag, (place, kind, _) in LIMITS.items():
        text = call.flags.text(flag)
        if text:
            controller, name = place.split(".")
            value = text if kind == "text" else (_size if kind == "size" else _number)(flag, text)
            resources.setdefault(controller, {})[name] = value
    return resources


def _number(flag: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f'--{flag}: "{text}" is not a whole number') from None


def _size(flag: str, text: str) -> int:
    """Bytes, with the units of docker/go-units, all powers of 1024: 512m, 1.5GiB, 64kb; -1 is no limit."""
    if text == "-1":
        return -1
    digits = text.rstrip("bBiIkKmMgGtTpP ")
    unit = text[len(digits) :].strip().lower().removesuffix("b").removesuffix("i")
    if not digits.isascii() or not digits.replace(".", "", 1).isdecimal() or unit not in _UNITS:
        raise InvalidInput(f'--{flag}: "{text}" is no size like 512m')
    return int(float(digits) * _UNITS[unit])


VERB = Verb(run, "CONTAINER", "Change the resource limits of a container", (
    Flag("resources", "file with linux.resources, - for standard input; other flags then do not count", "r",
         kind="value", metavar="FILE"),
    *[Flag(name, doc, kind="value", metavar="VALUE") for name, (_, _, doc) in LIMITS.items()],
    Flag("l3-cache-schema", "Intel RDT: schema of the L3 cache", kind="value", metavar="SCHEMA"),
    Flag("mem-bw-schema", "Intel RDT: schema of the memory bandwidth", kind="value", metavar="SCHEMA"),
))  # fmt: skip
