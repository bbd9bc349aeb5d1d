"""prune: what nobody uses any more, and `system prune` also what a crash left behind."""

from __future__ import annotations

import os
import time

from ringfence.engine import filters as common
from ringfence.engine import images as image_verbs
from ringfence.engine import inspect, network, plug, repair, rm, runtimes, scratch, status, times, volume
from ringfence.engine.lock import Lock
from ringfence.engine.records import ContainerRecord
from ringfence.engine.volumes import Volumes
from ringfence.errors import Conflict, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.images.image import Image

    Wanted = Mapping[str, Sequence[str]]


NO_SPACE = {"SpaceReclaimed": 0}


def containers(engine: Engine, filters: Wanted) -> dict[str, Any]:
    """See Engine.container_prune."""
    common.known(filters, ("until", "label", "label!"))
    limit = _until(filters)
    removed, space = [], 0
    for record in repair.every(engine):
        if record.created >= limit or not _labelled(record.labels, filters):
            continue
        try:
            with Lock(engine, record.id):
                found = repair.fresh(engine, record)
                if status.of(engine, found).word not in ("created", "exited", "dead"):
                    continue
                space += inspect.sizes(engine, found)["SizeRw"]
                rm.remove(engine, found)
                removed.append(found.id)
        except NotFound:
            continue  # its monitor, or another process, has just removed it
    return {"ContainersDeleted": removed, "SpaceReclaimed": space}


def images(engine: Engine, filters: Wanted, *, all: bool) -> dict[str, Any]:
    """See Engine.image_prune."""
    from ringfence.images.prune import prune

    common.known(filters, ("until", "label", "label!", "dangling"))
    if "dangling" in filters:
        all = not common.boolean("dangling", filters["dangling"])
    limit = _until(filters)

    def keep(image: Image) -> bool:
        labels = (image.config.get("config") or {}).get("Labels") or {}
        return image_verbs.created(image) * times.SECOND >= limit or not _labelled(labels, filters)

    pruned = prune(engine.image_store, engine.snapshots, image_verbs.used_ids(engine), all=all, keep=keep)
    return {"ImagesDeleted": [dict([line.split(": ", 1)]) for line in pruned.lines], "SpaceReclaimed": pruned.space}


def volumes(engine: Engine, filters: Wanted, *, all: bool) -> dict[str, Any]:
    """See Engine.volume_prune."""
    common.known(filters, ("label", "label!", "all"))
    if "all" in filters:
        all = common.boolean("all", filters["all"])
    store, used = Volumes(engine.root), volume.users(engine)
    removed, space = [], 0
    for found in store.all():
        if found.name in used or not (all or found.anonymous) or not _labelled(found.labels, filters):
            continue
        size = store.size(found.name)
        try:
            store.remove(found.name)
        except (NotFound, Conflict):
            continue  # another process has removed it, or begun to use it
        removed.append(found.name)
        space += size
    return {"VolumesDeleted": removed, "SpaceReclaimed": space}


def system(engine: Engine, filters: Wanted, *, all: bool, volumes: bool) -> dict[str, Any]:
    """See Engine.system_prune."""
    sweep(engine)
    if all:
        engine.image_store.steps.forget()  # the build cache, which keeps layers alive
    found = containers(engine, filters)
    without_until = {key: values for key, values in filters.items() if key != "until"}
    parts = [images(engine, filters, all=all), {"NetworksDeleted": network.prune(engine, without_until), **NO_SPACE}]
    if volumes:
        parts.append(globals()["volumes"](engine, without_until, all=False))
    for part in parts:
        space = found["SpaceReclaimed"] + part["SpaceReclaimed"]
        found = {**found, **part, "SpaceReclaimed": space}
    return found


def sweep(engine: Engine) -> None:
    """Complete or roll back what killed processes left: records, directories, snapshots, runtime states, volumes."""
    repair.every(engine)
    plug.sweep(engine)
    known = {record.id for record in engine.records.all()}
    for id in sorted(_names(f"{engine.root}/containers") | _names(f"{engine.state}/containers")):
        if id not in known:
            _sweep_one(engine, id)
    for snapshot in engine.snapshots.walk():
        if snapshot.kind == "active" and _is_id(snapshot.key) and snapshot.key not in known:
            _sweep_one(engine, snapshot.key)
    engine.snapshots.sweep()
    Volumes(engine.root).sweep()
    for directory in (engine.root, engine.state):
        scratch.sweep(directory)


def _sweep_one(engine: Engine, id: str) -> None:
    """Remove what there is of a container without a record, unless somebody is just making it."""
    if not _is_id(id):
        return
    lock = Lock(engine, id, make=True)
    if not lock.take(wait=False):
        return
    with lock:
        if engine.records.get(id) is None:
            options = {"runtime": runtimes.recorded(engine, id)}
            rm.remove(engine, ContainerRecord(id, "", 0, options=options), announce=False)


def _is_id(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")


def _names(directory: str) -> set[str]:
    try:
        return set(os.listdir(directory))
    except FileNotFoundError:
        return set()


def _until(filters: Wanted) -> int:
    """What is younger stays: nanoseconds since 1970."""
    values = filters.get("until", ())
    now = time.time_ns()
    return min((times.parse_moment("--filter: until", value, now) for value in values), default=now + times.SECOND)


def _labelled(labels: Mapping[str, str], filters: Wanted) -> bool:
    """Whether `label` holds and `label!` (docker's word for "not so labelled") does not."""
    without = filters.get("label!", ())
    return common.labels(labels, filters.get("label", ())) and not (without and common.labels(labels, without))
