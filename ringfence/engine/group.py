"""group create, ls, inspect, update, rm: limits that containers share, in docker's shapes."""

from __future__ import annotations

import os
import time

from ringfence.engine import document, events, group_cgroup, repair, status, times
from ringfence.engine import filters as common
from ringfence.engine.groups import REMOVING, GroupRecord
from ringfence.engine.options import Options, changeable_of_group, group_options, resource_options
from ringfence.engine.options_process import labels as read_labels
from ringfence.engine.options_resources import CPU_PERIOD, group_name
from ringfence.errors import Conflict, InvalidInput, NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

FILTERS = ("id", "name", "label")


def create(engine: Engine, name: str, raw: Mapping[str, object], label: Sequence[str]) -> dict[str, Any]:
    """See Engine.group_create."""
    name = group_name("group", name)
    limits = group_options(_with_pids(raw))
    settle(engine)
    if limits.network_burst and not (limits.network_egress or limits.network_ingress):
        raise InvalidInput("--network-burst: needs --network-egress or --network-ingress to be set too")
    warnings = group_cgroup.check(limits)
    record = GroupRecord(name, os.urandom(32).hex(), time.time_ns(), options=dict(limits.to_json()),
                         labels=read_labels("--label", label))  # fmt: skip
    if record.parent:
        _check_cpus(engine, f"group {name}", limits, record.parent)
        _check_rates(engine, f"group {name}", limits, record.parent)
    engine.groups.add(record)
    events.emit(engine, "group", "create", name, record.labels)
    return {**_document(engine, record, {}), "Warnings": warnings}


def ls(engine: Engine, *, filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """See Engine.group_ls."""
    common.known(filters, FILTERS)
    found, members = settle(engine), _members(engine)
    return [_document(engine, record, members) for record in found if _matches(record, filters)]


def inspect(engine: Engine, name: str) -> dict[str, Any]:
    """See Engine.group_inspect."""
    return _document(engine, find(engine, name), _members(engine))


def update(engine: Engine, name: str, raw: Mapping[str, object]) -> list[str]:
    """See Engine.group_update."""
    raw = _with_pids(raw)
    changed = resource_options(raw, allowed=changeable_of_group)
    if not changed.to_json():
        raise InvalidInput("group update: nothing to change: give at least one limit")
    record = find(engine, name)
    merged = resource_options(raw, Options.from_json(record.options), changeable_of_group)
    warnings = group_cgroup.check(changed)
    if record.parent:
        _check_cpus(engine, f"group {name}", merged, record.parent)
    _check_cpus_below(engine, record, merged)
    group_cgroup.change(engine, record, _pairs(changed, merged), merged)
    events.emit(engine, "group", "update", record.name, record.labels)
    return warnings


def rm(engine: Engine, name: str, *, force: bool) -> None:
    """See Engine.group_rm. The mark is set in one transaction with the look for containers."""
    from ringfence.content.database import transaction

    try:
        record = find(engine, name)
    except NotFound:
        if force:
            return
        raise
    for container in _inside(engine, name):
        repair.settle(engine, container)
    with transaction(engine.database):
        below = [other.name for other in engine.groups.all() if other.parent == name]
        if below:
            raise Conflict(f"group {name} has groups below it: {', '.join(below)}", hint="remove them first")
        inside = _inside(engine, name)
        if inside:
            raise Conflict(f"group {name} is in use by container {', '.join(one.id[:12] for one in inside)}",
                           hint="remove them first")  # fmt: skip
        record.phase = REMOVING
        engine.groups.save(record)
    _remove(engine, record)


def find(engine: Engine, name: str) -> GroupRecord:
    """The group of this name; what crashes left of any is put right first. NotFound `no such group: X`."""
    settle(engine)
    return engine.groups.get(name)


def settle(engine: Engine) -> list[GroupRecord]:
    """All groups, by name, once removals and updates that were cut off are completed."""
    for record in engine.groups.all():
        if record.phase == REMOVING:
            _remove(engine, record)
        else:
            group_cgroup.remake(engine, record)
    return [record for record in engine.groups.all() if record.phase != REMOVING]


def admit(engine: Engine, options: Options) -> None:
    """Whether a container of these options can be in its --group: NotFound, or InvalidInput for its CPUs."""
    find(engine, options.group)
    _check_cpus(engine, "the container", options, options.group)
    _check_rates(engine, "the container", options, options.group)
    if options.runtime != "ringrun" and group_cgroup.rates_of_one_only():
        for record in engine.groups.line(options.group):
            if _has_rates(Options.from_json(record.options)):
                what = f"--runtime: {options.runtime} cannot hold to the rates of block devices of group {record.name}"
                raise Unsupported(f"{what} on cgroup v1", hint="leave it out, or use cgroup v2")


def is_inside(record: ContainerRecord, name: str) -> bool:
    """Whether a container is in this group or in one below it."""
    return f"{record.options.get('group', '')}/".startswith(f"{name}/")


def _inside(engine: Engine, name: str) -> list[ContainerRecord]:
    return [record for record in engine.records.all() if is_inside(record, name)]


def _remove(engine: Engine, record: GroupRecord) -> None:
    group_cgroup.remove(engine, record)
    engine.groups.delete(record)
    events.emit(engine, "group", "destroy", record.name, record.labels)


def _with_pids(raw: Mapping[str, object]) -> dict[str, object]:
    """`pids` is a shorter word for `pids_limit` here."""
    found = dict(raw)
    if "pids" in found:
        found["pids_limit"] = found.pop("pids")
    return found


def _pairs(changed: Options, merged: Options) -> Options:
    """What the kernel is to be told: what changed, and what belongs to it (memory and swap are one pair)."""
    values = dict(changed.to_json())
    if changed.memory and not changed.memory_swap and merged.memory_swap:
        values["memory_swap"] = merged.memory_swap
    if changed.memory_swap and not changed.memory:
        values["memory"] = merged.memory
    return Options.from_json(values)


def _cpus(options: Options) -> float:
    """How many CPUs these options allow; 0 for all."""
    if options.cpus:
        return options.cpus / 10**9
    return max(0, options.cpu_quota) / (options.cpu_period or CPU_PERIOD)


def _check_cpus(engine: Engine, who: str, options: Options, above: str) -> None:
    """A quota above that of a group it is in: cgroup v1 refuses to write it (EINVAL), and v2 ignores it."""
    wanted = _cpus(options)
    for record in engine.groups.line(above) if wanted else ():
        limit = _cpus(Options.from_json(record.options))
        if limit and wanted > limit:
            raise InvalidInput(f"--cpus: {who} would have {wanted:g} CPUs, and group {record.name} has {limit:g}")


def _check_rates(engine: Engine, who: str, options: Options, above: str) -> None:
    if not _has_rates(options) or not group_cgroup.rates_of_one_only():
        return
    for record in engine.groups.line(above):
        if _has_rates(Options.from_json(record.options)):
            what = f"{who} would have rates and group {record.name} has some"
            hint = "cgroup v1 holds to those of one of them only"
            raise Unsupported(f"--device-read-bps and its like: {what}", hint=hint)


def _has_rates(options: Options) -> bool:
    return bool(
        options.device_read_bps or options.device_write_bps or options.device_read_iops or options.device_write_iops
    )


def _check_cpus_below(engine: Engine, record: GroupRecord, merged: Options) -> None:
    limit = _cpus(merged)
    if not limit:
        return
    groups = [one for one in engine.groups.all() if one.name.startswith(f"{record.name}/")]
    below = [(f"group {one.name}", one.options) for one in groups]
    below += [(f"container {one.name}", one.options) for one in _inside(engine, record.name)]
    for who, options in below:
        own = _cpus(Options.from_json(options))
        if own > limit:
            raise Conflict(f"--cpus: {who} in group {record.name} has {own:g} CPUs, which is above {limit:g}",
                           hint="change that first")  # fmt: skip


def _members(engine: Engine) -> dict[str, dict[str, Any]]:
    """All containers that are in groups, by id, as `Containers` shows them."""
    return {
        record.id: {"Name": record.name, "Group": record.options["group"], "State": status.of(engine, record).word}
        for record in repair.every(engine)
        if record.options.get("group")
    }


def _document(engine: Engine, record: GroupRecord, members: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    options, name = Options.from_json(record.options), record.name
    return {
        "Name": name,
        "Id": record.id,
        "Created": times.rfc3339(record.created),
        "Parent": record.parent,
        "Groups": [other.name for other in engine.groups.all() if other.parent == name],
        "CgroupPath": group_cgroup.path(engine, name),
        "Limits": document.limits(options),
        "Labels": record.labels,
        "Containers": {id: one for id, one in members.items() if f"{one['Group']}/".startswith(f"{name}/")},
    }


def _matches(record: GroupRecord, wanted: Mapping[str, Sequence[str]]) -> bool:
    tests = {
        "id": lambda values: any(record.id.startswith(value) for value in values),
        "name": lambda values: any(value in record.name for value in values),
        "label": lambda values: common.labels(record.labels, values),
    }
    return all(tests[key](values) for key, values in wanted.items())
