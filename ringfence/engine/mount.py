"""Mounts that are added or taken away while a container goes on; of one that does not run, at its next start.

What is in the kernel ends with the container's run; the record is what lasts, and is written when the kernel has the
change. Between the two a file in the runtime's directory of the container names the target, so that what a crash left
is taken back, or completed, by the next change.
"""

from __future__ import annotations

import os

from ringfence.engine import options_mounts, places, root, status
from ringfence.engine.options_kinds import texts
from ringfence.engine.spec_mounts import mount as of_spec
from ringfence.errors import Conflict, Failed, InvalidInput, NotFound, Unsupported
from ringfence.runtime.execute import HelperDied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.options_mounts import MountRequest
    from ringfence.engine.records import ContainerRecord

ADDED: Mapping[str, Callable[[str, Any], MountRequest]] = {
    "mount_add": options_mounts.mount,
    "volume_add": options_mounts.volume,
}
"""The keyword arguments of `update` that add mounts, and how one of their values is read."""
REMOVED = "mount_rm"
_ADDING, _REMOVING = "add", "remove"


class Changes:
    """What is to be done: mounts to `add`, targets to `remove`; these go first."""

    __slots__ = ("add", "remove")

    def __init__(self, add: Sequence[MountRequest], remove: Sequence[str]) -> None:
        self.add = add
        self.remove = remove

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def parse(raw: dict[str, object]) -> Changes:
    """Take out of `raw` what is about mounts, and read it; InvalidInput, Unsupported."""
    add: list[MountRequest] = []
    for word, read in ADDED.items():
        flag = f"--{word.replace('_', '-')}"
        for value in texts(flag, raw.pop(word, None) or ()):
            request = read(flag, value)
            if request["type"] == "tmpfs":
                raise Unsupported(f"{flag}: {value}: a tmpfs cannot be added by update", hint="bind a path or a volume")
            if not request["source"]:
                raise InvalidInput(f"{flag}: {value}: has no source", hint="name a volume or a path")
            add.append(request)
    flag = f"--{REMOVED.replace('_', '-')}"
    gone = texts(flag, raw.pop(REMOVED, None) or ())
    remove = [options_mounts.target_path(flag, one, one) for one in gone]
    targets = [request["target"] for request in add]
    for target in targets:
        if targets.count(target) > 1:
            raise InvalidInput(f"duplicate mount point: {target}")
    return Changes(add, remove)


def change(engine: Engine, record: ContainerRecord, changes: Changes) -> None:
    """Carry it out one by one, each in the kernel, if the container runs, and in the record.

    NotFound for what is to be removed and was never asked for; Conflict if something is mounted at a target, or below
    it. The caller holds the lock. What was done before an error stays done.
    """
    live = status.of(engine, record).live
    completed = _settle(engine, record) if live else ""
    for target in changes.remove:
        if target != completed:
            _remove(engine, record, target, live)
    for request in changes.add:
        _add(engine, record, request, live)


def _add(engine: Engine, record: ContainerRecord, request: MountRequest, live: bool) -> None:
    from ringfence.engine.volumes import Volumes

    target = request["target"]
    if any(one["target"] == target for one in record.mounts):
        raise Conflict(f"container {record.name} has a mount at {target} already", hint="remove that one first")
    if {"idmap", "ridmap"} & set(request["options"]) and not record.uids:
        raise InvalidInput(f"--volume-add: {target}: the option idmap needs --userns auto")
    if live:
        _refuse_covering(record, target, engine.runtime_of(record).mounted(record.id))
    store = Volumes(engine.root)
    request = store.made(request)
    store.prepare([request], lambda: root.stored(engine, record))
    if live:
        _note(engine, record, _ADDING, target)
        try:
            engine.runtime_of(record).mount(record.id, of_spec(request, mapped=bool(record.uids)))
        except HelperDied:
            raise
        except Failed as error:
            _forget_note(engine, record)
            raise _named(record, target, error) from error
    record.mounts = [*record.mounts, request]
    engine.records.save(record)
    if live:
        _forget_note(engine, record)


def _remove(engine: Engine, record: ContainerRecord, target: str, live: bool) -> None:
    if not any(one["target"] == target for one in record.mounts):
        raise NotFound(f"--mount-rm: container {record.name} has no mount at {target} that was asked for")
    for one in record.mounts:
        if one["target"].startswith(f"{target}/"):
            raise Conflict(f"--mount-rm: {one['target']} is mounted below {target}", hint="remove that one first")
    if live:
        _note(engine, record, _REMOVING, target)
        _unmount(engine, record, target)
    _strike(engine, record, target)
    if live:
        _forget_note(engine, record)


def _strike(engine: Engine, record: ContainerRecord, target: str) -> None:
    record.mounts = [one for one in record.mounts if one["target"] != target]
    for name in ("volume", "mount", "tmpfs"):
        if name in record.options:
            record.options[name] = [one for one in record.options[name] if one["target"] != target]
    engine.records.save(record)


def _unmount(engine: Engine, record: ContainerRecord, target: str) -> None:
    """One mount at exactly the target. Nothing there does not mean that it is gone: its processes may have renamed a
    directory above it, or it was attached where a link led, and then they would keep what is to be taken from them."""
    runtime = engine.runtime_of(record)
    found = runtime.mounted(record.id).count(target)
    if found != 1:
        _forget_note(engine, record)
        why = "has mounted something over it" if found else "has it elsewhere, by a symbolic link or a rename"
        raise Conflict(f"--mount-rm: {target}: the container {why}", hint="stop the container first")
    try:
        runtime.unmount(record.id, target)
    except HelperDied:
        raise
    except Failed as error:
        _forget_note(engine, record)
        raise _named(record, target, error) from error


def _refuse_covering(record: ContainerRecord, target: str, mounted: Sequence[str]) -> None:
    """Whoever starts with these mounts gets parents before children: covering one would be another container."""
    if target in mounted:
        raise Conflict(f"something is mounted at {target} in container {record.name} already")
    for other in mounted:
        if other.startswith(f"{target}/"):
            raise Conflict(f"a mount at {target} would hide the one at {other} in container {record.name}")


def _named(record: ContainerRecord, target: str, error: Failed) -> Failed | Conflict | InvalidInput:
    """The runtime's error as one of this container, by what the kernel said."""
    import errno

    if error.errno == errno.ELOOP:
        return Conflict(f"{target} leads through a symbolic link in container {record.name}",
                        hint="name the place itself")  # fmt: skip
    if error.errno == errno.EBUSY:
        return Conflict(f"something is mounted at {target} in container {record.name} already")
    if error.errno in (0, errno.ENOTDIR, errno.EPERM):
        return InvalidInput(f"container {record.name}: {error}")
    return error


# ---- what a crash left


def _mark(engine: Engine, record: ContainerRecord) -> str:
    return f"{places.runtime_state(engine, record.id)}/mounting"


def _note(engine: Engine, record: ContainerRecord, what: str, target: str) -> None:
    with open(_mark(engine, record), "w", encoding="utf-8") as file:
        file.write(f"{what} {target}")


def _forget_note(engine: Engine, record: ContainerRecord) -> None:
    os.unlink(_mark(engine, record))


def _settle(engine: Engine, record: ContainerRecord) -> str:
    """Take back an addition that the record does not have, as whoever asked for it was never told that it is there;
    complete a removal that the kernel has carried out. Returns the target of the latter."""
    try:
        with open(_mark(engine, record), encoding="utf-8") as file:
            what, _, target = file.read().partition(" ")
    except FileNotFoundError:
        return ""
    there = target in engine.runtime_of(record).mounted(record.id)
    known = any(one["target"] == target for one in record.mounts)
    completed = ""
    if what == _ADDING and there and not known:
        engine.runtime_of(record).unmount(record.id, target)
    elif what == _REMOVING and known and not there:
        _strike(engine, record, target)
        completed = target
    _forget_note(engine, record)
    return completed
