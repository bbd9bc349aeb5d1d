"""ps: the processes of a container, by its cgroup, or where it has none by its pid namespace."""

from __future__ import annotations

import os

from ringfence.linux import namespaces, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.runtime.state import State


def processes_of(record: State, driver: CgroupDriver) -> list[int]:
    """Their pids in our pid namespace, ascending; none of a container that has ended."""
    if record.cgroup:
        return driver.processes(record.cgroup) if driver.exists(record.cgroup) else []
    return _by_namespace(record.pid) if record.pid else []


def _by_namespace(first: int) -> list[int]:
    """All in the pid namespace of `first`; if that is our own, only it and its children can be told from others."""
    try:
        wanted = namespaces.inode(first, "pid")
        if wanted == namespaces.inode("self", "pid"):
            return [first, *processes.children(first)]
    except (FileNotFoundError, ProcessLookupError):
        return []
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and namespaces.inode(name, "pid") == wanted:
                found.append(int(name))
        except OSError:  # it has ended, or it is another user's
            continue
    return sorted(found)
