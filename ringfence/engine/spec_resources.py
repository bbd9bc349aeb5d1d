"""`linux.resources` and `linux.devices` of the spec; also what `update` hands to a live container."""

from __future__ import annotations

from ringfence.engine.options_resources import CPU_PERIOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ringfence.engine.options import Options
    from ringfence.engine.spec_host import HostFacts

DENY_ALL = {"allow": False, "access": "rwm"}  # the runtime lets the default devices through by itself
ALLOW_ALL = {"allow": True, "access": "rwm"}


def resources(options: Options, host: HostFacts) -> dict[str, Any]:
    """All limits, with the device rules."""
    found = limits(options, host.blocks)
    found["devices"] = _device_rules(options, host)
    return found


def limits(options: Options, blocks: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """`linux.resources` without device rules: only what was asked for. `blocks`: see spec_host.block_devices."""
    found: dict[str, Any] = {}
    for key, value in (
        ("memory", _memory(options)),
        ("cpu", _cpu(options)),
        ("blockIO", _block_io(options, blocks)),
        ("pids", _pids(options)),
    ):
        if value:
            found[key] = value
    return found


def _memory(options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.memory:
        found["limit"] = options.memory
        found["swap"] = options.memory_swap or 2 * options.memory  # docker's default: as much swap as memory
    if options.memory_reservation:
        found["reservation"] = options.memory_reservation
    if options.memory_swappiness >= 0:
        found["swappiness"] = options.memory_swappiness
    if options.oom_kill_disable:
        found["disableOOMKiller"] = True
    return found


def _cpu(options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.cpus:
        found["period"] = CPU_PERIOD
        found["quota"] = options.cpus * CPU_PERIOD // 10**9
    for key, value in (
        ("shares", options.cpu_shares),
        ("period", options.cpu_period),
        ("quota", options.cpu_quota),
        ("cpus", options.cpuset_cpus),
        ("mems", options.cpuset_mems),
    ):
        if value:
            found[key] = value
    return found


def _pids(options: Options) -> dict[str, Any]:
    """-1 is unlimited (runtime-spec, config-linux: Pids); it is written, for `update` may lift a limit."""
    return {"limit": options.pids_limit if options.pids_limit > 0 else -1} if options.given("pids_limit") else {}


def _block_io(options: Options, blocks: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.blkio_weight:
        found["weight"] = options.blkio_weight
    for key, rates in (
        ("throttleReadBpsDevice", options.device_read_bps),
        ("throttleWriteBpsDevice", options.device_write_bps),
        ("throttleReadIOPSDevice", options.device_read_iops),
        ("throttleWriteIOPSDevice", options.device_write_iops),
        ("weightDevice", options.blkio_weight_device),
    ):
        if rates:
            found[key] = [_of_device(rate, blocks[rate["path"]]) for rate in rates]
    return found


def _of_device(asked: Mapping[str, Any], numbers: tuple[int, int]) -> dict[str, Any]:
    limit = {key: value for key, value in asked.items() if key != "path"}
    return {"major": numbers[0], "minor": numbers[1], **limit}


def _device_rules(options: Options, host: HostFacts) -> list[dict[str, Any]]:
    if options.privileged:
        return [ALLOW_ALL]
    rules: list[dict[str, Any]] = [DENY_ALL]
    for device in host.devices:
        rules.append({"allow": True, "type": device.type, "major": device.major, "minor": device.minor,
                      "access": device.access})  # fmt: skip
    rules += [dict(rule) for rule in options.device_cgroup_rule]
    return rules


def devices(host: HostFacts) -> list[dict[str, Any]]:
    """`linux.devices`: nodes beside the default ones."""
    return [
        {"path": device.path, "type": device.type, "major": device.major, "minor": device.minor,
         "fileMode": device.mode, "uid": device.uid, "gid": device.gid}
        for device in host.devices
    ]  # fmt: skip
