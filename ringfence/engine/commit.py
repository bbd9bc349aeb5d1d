"""commit: an image of a container: its image's layers, one more of what it changed, and its config."""

from __future__ import annotations

from ringfence.engine import document, events, repair, root, status
from ringfence.engine.layer import store_layer
from ringfence.engine.lock import Lock
from ringfence.engine.options import Options
from ringfence.engine.spec_mounts import MADE
from ringfence.errors import Conflict, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.images.make import Layer

INHERITED = ("User", "Env", "Cmd", "Entrypoint", "Volumes", "WorkingDir", "Labels", "StopSignal", "Healthcheck")
"""What of the container's `Config` goes into the image config."""


def commit(engine: Engine, name: str, reference: str | None, *, author: str, message: str, change: Sequence[str],
           pause: bool) -> str:  # fmt: skip
    """See Engine.commit. A running container is frozen while its tree is read if `pause`, and if it has a cgroup."""
    from ringfence.images.commit import commit

    record = repair.find(engine, name)
    try:
        parent = engine.image_store.get(record.image_id)
    except NotFound:
        raise Conflict(f"cannot commit container {record.name}: its image was removed", hint="export it") from None
    made_by = " ".join(record.args)
    image = commit(engine.image_store, parent, lambda: _layer(engine, record, pause), config=_config(record),
                   changes=change, name=reference or "", author=author, message=message,
                   created_by=made_by)  # fmt: skip
    events.emit_container(engine, record, "commit", imageID=image.id, imageRef=reference or "")
    return image.id


def _config(record: ContainerRecord) -> dict[str, Any]:
    found = document.config(record, Options.from_json(record.options))
    return {key: found[key] for key in INHERITED if found.get(key)}


def _layer(engine: Engine, record: ContainerRecord, pause: bool) -> Layer:
    """What the container changed."""
    from contextlib import nullcontext

    with Lock(engine, record.id):
        freeze = pause and status.of(engine, record).word == "running" and engine.runtime.can_pause(record.id)
        if freeze:
            engine.runtime_of(record).pause(record.id)
        try:
            with root.written(engine, record) as upper, root.base(engine, record) or nullcontext() as below:
                return store_layer(engine, upper.path, below, MADE)
        finally:
            if freeze:
                engine.runtime_of(record).resume(record.id)
