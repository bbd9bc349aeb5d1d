"""rm: remove a container; marked first, so that a removal that is cut off is completed by the next command."""

from __future__ import annotations

import os

from ringfence.engine import events, places, repair, status
from ringfence.engine.lock import Lock
from ringfence.engine.options import Options
from ringfence.engine.options_network import requests
from ringfence.engine.records import CREATED, CREATING, REMOVING
from ringfence.errors import Conflict, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

SHAPED = frozenset(("group", "network_egress", "network_ingress"))
"""The options by which a container's bandwidth may be limited: others need not ask bandwidth.py."""


def rm(engine: Engine, name: str, *, force: bool, volumes: bool) -> None:
    """See Engine.rm."""
    record = repair.find(engine, name)
    with Lock(engine, record.id, make=True):  # one whose directory is lost can be removed, too
        found = engine.records.get(record.id)
        if found is None:
            remove_directory(places.bundle(engine, record.id))
            raise NotFound(f"no such container: {name}")
        record = found
        current = status.of(engine, record)
        if not force and (current.live or current.word == "restarting"):
            raise Conflict(f"cannot remove container {record.name}: it is {current.word}", hint="stop it, or use force")
        remove(engine, record, volumes=volumes)


def remove(engine: Engine, record: ContainerRecord, *, volumes: bool = False, announce: bool = True,
           later: bool = False) -> None:  # fmt: skip
    """Remove all there is of a container whose lock we hold, killing what still runs. Every step may be repeated.

    `later`: it has ended by itself, and the caller goes on to `engine.snapshots.clear()`.

    A --rm container that was started needs no mark: repair removes it in any case.
    """
    if record.phase == CREATED and not (record.auto_remove and record.started):
        engine.records.mark(record, REMOVING)
    if later:  # at this moment the monitor removes the cgroups, which `forget_run` waits for
        engine.snapshots.remove(record.id, missing_ok=True, later=True)
    forget_run(engine, record)
    if not later:
        engine.snapshots.remove(record.id, missing_ok=True)
    if record.mounts and (volumes or record.auto_remove or record.phase == CREATING):
        _remove_volumes(engine, record)
    remove_directory(places.bundle(engine, record.id))
    engine.records.delete(record.id)
    if announce:
        events.emit_container(engine, record, "destroy")


def forget_run(engine: Engine, record: ContainerRecord) -> None:
    """Kill what runs and clear the runtime's state, also of a start that was cut off before it had any to speak of."""
    engine.runtime_of(record).delete(record.id, force=True)
    forget_networks(engine, record)
    remove_directory(places.runtime_state(engine, record.id))


def forget_networks(engine: Engine, record: ContainerRecord) -> None:
    """Take a container that does not run any more out of its networks: links, addresses, ports, names, bandwidth."""
    if not SHAPED.isdisjoint(record.options):
        from ringfence.engine import bandwidth

        bandwidth.disconnect(engine, record)
    if requests(Options.from_json(record.options)):
        from ringfence.engine import plug

        plug.release(engine, record.id)


def remove_directory(path: str) -> None:
    """Remove a container's directory with its files, its lock last, so that nobody takes it for a new one's."""
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return
    for name in sorted(names, key=lambda name: name == "lock"):
        try:
            os.unlink(f"{path}/{name}")
        except IsADirectoryError:
            import shutil

            shutil.rmtree(f"{path}/{name}")
        except FileNotFoundError:
            continue  # the monitor renames exit.json and rotates logs
    try:
        os.rmdir(path)
    except OSError:
        if os.path.exists(path):
            remove_directory(path)


def _remove_volumes(engine: Engine, record: ContainerRecord) -> None:
    """Remove its anonymous volumes, unless another container has them too (--volumes-from)."""
    from ringfence.engine import volume
    from ringfence.engine.volumes import Volumes

    store = Volumes(engine.root)
    users = volume.users(engine)
    for mount in record.mounts:
        if mount["type"] != "volume" or set(users.get(mount["source"], ())) - {record.id}:
            continue
        try:
            anonymous = store.get(mount["source"]).anonymous
        except NotFound:
            continue
        if anonymous:
            store.remove(mount["source"], missing_ok=True)
