"""update: other limits for a container, live if it runs, other ports and mounts, and another restart policy."""

from __future__ import annotations

from ringfence.engine import bandwidth, events, mount, publish, repair, spec_host, spec_resources, status
from ringfence.engine.lock import Lock
from ringfence.engine.options import Options, resource_options
from ringfence.errors import Conflict, InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.engine import Engine


def update(engine: Engine, name: str, raw: Mapping[str, object]) -> list[str]:
    """See Engine.update. The record is written only when the kernel has taken the limits."""
    raw = {key.replace("-", "_"): value for key, value in raw.items()}
    add, remove = publish.parse(raw.pop("publish_add", None), raw.pop("publish_rm", None))
    mounts = mount.parse(raw)
    changed = resource_options(raw)
    if not changed.to_json() and not add and not remove and not mounts:
        raise InvalidInput("update: nothing to change: give at least one limit")
    record = repair.find(engine, name)
    with Lock(engine, record.id):
        record = repair.fresh(engine, record)
        if changed.given("restart") and record.auto_remove and changed.restart["policy"] != "no":
            raise Conflict(f"--restart: container {record.name} is removed when it exits (--rm)")
        if mounts:
            mount.change(engine, record, mounts)
        merged = Options.from_json({**record.options, **changed.to_json()})
        if record.options.get("group"):
            from ringfence.engine import group

            group.admit(engine, merged)
        shaped = any(changed.given(name) for name in bandwidth.FLAGS)
        if shaped:
            bandwidth.admit(merged)
        resources = spec_resources.limits(_live(merged, changed), spec_host.block_devices(changed))
        if resources and status.of(engine, record).live:
            engine.runtime_of(record).update(record.id, resources)
        record.options = dict(merged.to_json())
        if add or remove:
            record.options["publish"] = list(publish.change(engine, record, add, remove))
        if shaped:
            bandwidth.change(engine, record)
        if changed.given("restart"):
            from ringfence.engine import restart_policy

            record.boot = restart_policy.boot()
        engine.records.save(record)
    events.emit_container(engine, record, "update")
    return []


def _live(merged: Options, changed: Options) -> Options:
    """What the kernel is to be told: what changed, and what belongs to it (memory and swap are one pair)."""
    values = dict(changed.to_json())
    if changed.memory and not changed.memory_swap and merged.memory_swap:
        values["memory_swap"] = merged.memory_swap
    if changed.memory_swap and not changed.memory:
        values["memory"] = merged.memory
    return Options.from_json(values)
