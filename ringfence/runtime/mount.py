"""mount: binds added to a running container, and mounts taken away from it.

Only its namespaces matter, so that it may be another runtime's. A process of ours joins them for the moment; it is in
none of the container's cgroups and not in its pid namespace.
"""

from __future__ import annotations

import os

from ringfence.errors import Conflict, Unsupported
from ringfence.linux import mountinfo, namespaces, processes
from ringfence.runtime.compile_mount import compile_mount, compile_unmount
from ringfence.runtime.exec import foreign_namespaces
from ringfence.runtime.execute import execute
from ringfence.runtime.facts import Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ringfence.runtime.plan import Plan
    from ringfence.runtime.state import State


def mounted(record: State) -> list[str]:
    """The targets of all that the container's first process sees mounted; Conflict unless it runs."""
    record.require("mount")
    try:
        targets = [entry.target for entry in mountinfo.read(record.pid)]
    except OSError:  # EINVAL: its namespaces have gone already
        targets = []
    if not targets or not processes.alive(record.pid, record.begun):
        raise Conflict(f"cannot mount container {record.id}: it is stopped")
    return targets


def mount(record: State, wanted: Mapping[str, Any]) -> None:
    """Add a bind mount, as the runtime-spec writes it. It is at its destination when this returns, or nowhere.

    Raises Conflict unless it runs; Failed if the source or the mount point is not to be had, or something is mounted
    there; Unsupported for other types, and where the container shares our mount namespace.
    """
    _carry_out(record, lambda facts: compile_mount(dict(wanted), record.spec, facts))


def unmount(record: State, target: str) -> None:
    """Take away the mount at this absolute path, and what is mounted below it; open files stay open."""
    _carry_out(record, lambda facts: compile_unmount(target, facts))


def _carry_out(record: State, compile: Callable[[Facts], Plan]) -> None:
    record.require("mount")
    try:
        first = os.open(f"/proc/{record.pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Conflict(f"cannot mount container {record.id}: it is stopped") from None
    try:
        foreign = [one for one in foreign_namespaces(record, first, "mount") if one[0] in ("mount", "user")]
        if "mount" not in dict(foreign):
            raise Unsupported(f"container {record.id} has no mount namespace of its own")
        bundle = str(record.document["bundle"])
        facts = Facts(id=record.id, bundle=bundle, state="", rootless=not namespaces.privileged(), namespaces=foreign)
        plan = compile(facts)
        execute(plan, plan.encode(), record.directory).release()
    finally:
        os.close(first)
