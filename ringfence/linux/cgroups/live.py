"""What a live cgroup tells and what can be done to it: numbers, processes, freezing, killing, removing."""

from __future__ import annotations

import errno
import os
import time

from ringfence.errors import Unsupported
from ringfence.linux import signals
from ringfence.linux.cgroups import freezer
from ringfence.linux.cgroups.setting import gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.linux.cgroups.places import Places
    from ringfence.linux.cgroups.setting import Group

_REMOVAL_PATIENCE = 5.0  # seconds; the kernel lets go of an exited process's cgroup a moment after its parent has it


def stats(places: Places, cgroup: str) -> dict[str, dict[str, int | None]]:
    from ringfence.linux.cgroups import blockio, cpu, memory, pids

    tree, (_, bandwidth) = places.v2(cgroup), places.controlled(cgroup, "cpu")
    version, accounting = places.controlled(cgroup, "cpuacct")
    times = cpu.stats_v2(tree) if tree is not None and version != 1 else cpu.stats_v1(bandwidth, accounting)
    version, group = places.controlled(cgroup, "memory")
    sizes = memory.stats_v2(group) if version == 2 else memory.stats_v1(group)
    version, group = places.controlled(cgroup, "blkio", "io")
    traffic = blockio.stats_v2(group) if version == 2 else blockio.stats_v1(group)
    _, group = places.controlled(cgroup, "pids")
    return {"cpu": {**times}, "memory": sizes, "pids": pids.stats(group), "blkio": {**traffic}}


def freeze(places: Places, cgroup: str) -> None:
    version, group = _freezer(places, cgroup)
    (freezer.freeze_v2 if version == 2 else freezer.freeze_v1)(group)


def thaw(places: Places, cgroup: str) -> None:
    version, group = _freezer(places, cgroup)
    (freezer.thaw_v2 if version == 2 else freezer.thaw_v1)(group)


def frozen(places: Places, cgroup: str) -> bool:
    tree, (_, group) = places.v2(cgroup), places.controlled(cgroup, "freezer")
    return bool(tree and freezer.is_frozen_v2(tree)) or bool(freezer.is_frozen_v1(group))


def release(places: Places, cgroup: str, pid: int) -> None:
    """Let killed processes die whom somebody else holds in v1's freezer, where even SIGKILL waits.

    Those in cgroups below, as a container engine inside makes them, are thawed; `pid`, if it was moved into a frozen
    cgroup elsewhere, comes back: that one may hold others.
    """
    version, group = places.controlled(cgroup, "freezer")
    if version != 1:
        return
    try:
        for directory in _walk(group.path):
            with open(f"{directory}/freezer.state", "w") as file:
                file.write("THAWED")
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            path = next((line.rstrip("\n").split(":", 2)[2] for line in file if ":freezer:" in line), "")
        if f"{group.root}{path}/".startswith(f"{group.path}/"):
            return
        with open(f"{group.path}/cgroup.procs", "w") as file:
            file.write(str(pid))
    except OSError as error:
        if not gone(error) and error.errno != errno.ESRCH:  # it has died meanwhile
            raise


def _freezer(places: Places, cgroup: str) -> tuple[int, Group]:
    """v2's freezer where there is one: processes frozen by v1's sleep uninterruptibly and cannot be killed."""
    tree = places.v2(cgroup)
    version, group = (2, tree) if tree is not None else places.controlled(cgroup, "freezer")
    if not version:
        raise Unsupported(f"{cgroup}: cannot be frozen: neither cgroup v2 nor a v1 freezer is mounted")
    return version, group


def processes(places: Places, cgroup: str) -> list[int]:
    """By the v2 hierarchy, else the freezer's, else any."""
    version, freezing = places.controlled(cgroup, "freezer")
    group = places.v2(cgroup) or (freezing if version else next(iter(places.all(cgroup)), None))
    found = set[int]()
    for directory in _walk(group.path) if group else ():
        try:
            with open(f"{directory}/cgroup.procs") as file:
                found.update([int(line) for line in file])
        except OSError as error:  # in a threaded cgroup not supported: its processes are listed further up
            if not gone(error) and error.errno != errno.EOPNOTSUPP:
                raise
    return sorted(found)


def kill(places: Places, cgroup: str, signal: int) -> None:
    """By cgroup.kill (Linux 5.14), else one by one while all stand still, so that none escapes by forking.

    A cgroup that goes meanwhile has no process left.
    """
    try:
        if signal == signals.SIGKILL and _kill_v2(places, cgroup):
            return
        _signal_all(places, cgroup, signal)
    except OSError as error:
        if not gone(error):
            raise


def _kill_v2(places: Places, cgroup: str) -> bool:
    """Whether this kernel and layout can."""
    tree = places.v2(cgroup)
    if tree is None or not os.path.exists(f"{tree.path}/cgroup.kill"):
        return False
    with open(f"{tree.path}/cgroup.kill", "w") as file:
        file.write("1")
    return True


def _signal_all(places: Places, cgroup: str, signal: int) -> None:
    was_frozen = frozen(places, cgroup)
    if not was_frozen:
        freeze(places, cgroup)
    try:
        for pid in processes(places, cgroup):
            try:
                os.kill(pid, signal)
            except ProcessLookupError:
                continue
    finally:
        if signal == signals.SIGKILL or not was_frozen:
            thaw(places, cgroup)


def remove(places: Places, cgroup: str) -> None:
    deadline, pause = time.monotonic() + _REMOVAL_PATIENCE, 0.0002
    left = [group.path for group in places.all(cgroup)]
    while left:
        error = _remove_tree(left[-1])
        if error is None:
            left.pop()
        elif error.errno != errno.EBUSY or time.monotonic() > deadline:
            raise error
        else:
            time.sleep(pause)
            pause = min(pause * 2, 0.05)


def _remove_tree(top: str) -> OSError | None:
    """Children first; None once all is gone, by whomever. Few have any, and to look for them costs more than to try."""
    error = _remove(top)
    if error is None or error.errno != errno.EBUSY:
        return error
    for directory in reversed(list(_walk(top))):
        error = _remove(directory)
        if error is not None:
            return error
    return None


def _remove(directory: str) -> OSError | None:
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error
    return None


def _walk(top: str) -> Iterator[str]:
    """The cgroup directories from `top` down, parents first; nothing if it does not exist."""
    try:
        with os.scandir(top) as entries:
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    yield top
    for directory in below:
        yield from _walk(directory)
