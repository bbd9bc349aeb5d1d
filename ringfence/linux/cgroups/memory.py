"""The memory controller (kernel: cgroup-v1/memory.rst; cgroup-v2.rst, "Memory")."""

from __future__ import annotations

import errno

from ringfence.errors import InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups.fields import Fields
    from ringfence.linux.cgroups.setting import Group, Setting


def v1(group: Group, resources: Fields) -> list[Setting]:
    memory = resources.object("memory")
    settings = []
    hierarchical = memory.boolean("useHierarchy")
    if hierarchical is not None:
        settings.append(group.set("memory.use_hierarchy", int(hierarchical), memory.field("useHierarchy")))
    settings += _limits_v1(group, memory)
    for name, file in (("kernel", "memory.kmem.limit_in_bytes"), ("kernelTCP", "memory.kmem.tcp.limit_in_bytes")):
        limit = memory.limit(name)
        if limit is not None:  # kernels since 5.16 take no such limit any more, and say so in several ways
            settings.append(group.set(file, limit, memory.field(name), optional=True))
    reservation = memory.limit("reservation")
    if reservation is not None:
        settings.append(group.set("memory.soft_limit_in_bytes", reservation, memory.field("reservation")))
    swappiness = memory.integer("swappiness", 0, 100)
    if swappiness is not None:
        settings.append(group.set("memory.swappiness", swappiness, memory.field("swappiness")))
    if memory.boolean("disableOOMKiller"):
        settings.append(group.set("memory.oom_control", 1, memory.field("disableOOMKiller")))
    return settings


def _limits_v1(group: Group, memory: Fields) -> list[Setting]:
    """The limits of memory and of memory + swap; the kernel holds the first to be at most the second at any time.

    So the second is written first when the new limit is above its present value.
    """
    limit, swap = memory.limit("limit"), memory.limit("swap")
    if limit is None and swap is None:
        return []
    _check_before_update(group, memory, limit, "memory.usage_in_bytes")
    unlimited_swap = limit == -1 and swap is None  # all memory with the old bound on memory + swap cannot be
    if unlimited_swap:
        swap = -1
    _swap_beyond(memory, swap, group.limit("memory.limit_in_bytes") if limit is None else limit)
    settings = []
    present = group.limit("memory.memsw.limit_in_bytes")
    grows = limit is not None and present != -1 and (limit == -1 or limit > present)
    if limit is not None:
        settings.append(group.set("memory.limit_in_bytes", limit, memory.field("limit")))
    if swap is not None:
        field = memory.field("limit" if unlimited_swap else "swap")
        setting = group.set("memory.memsw.limit_in_bytes", swap, field, optional=unlimited_swap)
        settings.insert(0 if grows else len(settings), setting)
    elif grows:
        hint = f"raise {memory.field('swap')} with it"
        raise InvalidInput(
            f"{memory.field('limit')}: {limit} is above the limit of memory and swap, {present}", hint=hint
        )
    return settings


def v2(group: Group, resources: Fields) -> list[Setting]:
    memory = resources.object("memory")
    for name in ("kernel", "kernelTCP"):
        if memory.limit(name) is not None:
            raise Unsupported(f"{memory.field(name)}: cgroup v2 has no limit of kernel memory alone")
    if memory.integer("swappiness", 0, 100) is not None:
        raise Unsupported(f"{memory.field('swappiness')}: cgroup v2 has no swappiness of a cgroup")
    if memory.boolean("disableOOMKiller"):
        raise Unsupported(f"{memory.field('disableOOMKiller')}: cgroup v2 cannot turn the OOM killer off")
    if memory.boolean("useHierarchy") is False:
        raise Unsupported(f"{memory.field('useHierarchy')}: cgroup v2 always accounts hierarchically")
    limit, settings = memory.limit("limit"), []
    _check_before_update(group, memory, limit, "memory.current")
    swap = _swap_v2(group, memory, limit)
    if swap is not None:  # a kernel without swap accounting lacks the file; "no swap" and "any" then hold by themselves
        field = memory.field("limit" if memory.limit("swap") is None else "swap")
        settings.append(group.set("memory.swap.max", _maximum(swap), field, optional=swap <= 0))
    if limit is not None:
        settings.append(group.set("memory.max", _maximum(limit), memory.field("limit")))
    reservation = memory.limit("reservation")
    if reservation is not None:
        settings.append(group.set("memory.low", _maximum(reservation), memory.field("reservation")))
    return settings


def _swap_v2(group: Group, memory: Fields, limit: int | None) -> int | None:
    """memory.swap.max, which counts swap alone, from the spec's limit of memory and swap together."""
    swap = memory.limit("swap")
    if swap is None:
        return -1 if limit == -1 else None
    if swap == -1:
        return -1
    effective = group.limit("memory.max") if limit is None else limit
    _swap_beyond(memory, swap, effective)
    return swap - effective


def _swap_beyond(memory: Fields, swap: int | None, limit: int) -> None:
    """The spec's swap is memory + swap: it means nothing without a limit of memory, and cannot be below that."""
    if swap is None or swap == -1:
        return
    if limit == -1:
        raise InvalidInput(f"{memory.field('swap')}: {swap} needs a memory limit ({memory.field('limit')})")
    if swap < limit:
        raise InvalidInput(f"{memory.field('swap')}: {swap} counts memory and swap and is below the limit {limit}")


def _check_before_update(group: Group, memory: Fields, limit: int | None, usage_file: str) -> None:
    """v1 refuses a limit below the present use, v2 enforces it by killing: `checkBeforeUpdate` asks to refuse."""
    if memory.boolean("checkBeforeUpdate") and limit is not None and limit != -1:
        usage = group.number(usage_file)
        if usage > limit:
            error = OSError(errno.EBUSY, "the new memory limit is below the present use", f"{group.path}/{usage_file}")
            error.add_note(f"{memory.field('limit')} is {limit}, in use are {usage} bytes")
            raise error


def _maximum(limit: int) -> str:
    return "max" if limit == -1 else str(limit)


def stats_v1(group: Group) -> dict[str, int | None]:
    table = group.table("memory.stat")
    usage = group.number("memory.usage_in_bytes")
    limit = group.limit("memory.limit_in_bytes")
    return _stats(usage, limit, table.get("total_inactive_file", 0), table.get("total_cache", 0))


def stats_v2(group: Group) -> dict[str, int | None]:
    table = group.table("memory.stat")
    usage = group.number("memory.current")
    return _stats(usage, group.limit("memory.max"), table.get("inactive_file", 0), table.get("file", 0))


def _stats(usage: int, limit: int, inactive_file: int, cache: int) -> dict[str, int | None]:
    """`working_set` is what cannot be had back at once: kubelet's and docker's figure for "memory in use"."""
    return {
        "usage": usage,
        "limit": None if limit == -1 else limit,
        "working_set": max(0, usage - inactive_file),
        "cache": cache,
    }
