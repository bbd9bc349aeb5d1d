"""A step of a build: a program run on a draft of an image, whose changes become a layer and a snapshot.

Its container is one that nobody sees and that ends with its maker: the record's phase is "building" and its lock is
held to the end, so whoever meets it with a free lock removes it, running or not (repair.py).
"""

from __future__ import annotations

import os
import time

from ringfence.engine import names, places, rm, root
from ringfence.engine import start as starting
from ringfence.engine.layer import store_layer
from ringfence.engine.lock import Lock
from ringfence.engine.records import BUILDING, ContainerRecord
from ringfence.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.options import Options
    from ringfence.engine.options_mounts import MountRequest
    from ringfence.engine.session import Session
    from ringfence.images.draft import Draft
    from ringfence.images.make import Layer
    from ringfence.linux.paths import Root

# What a container's image config may hold that is nothing to a step: volumes would swallow what it writes there.
_NOT_OF_A_STEP = ("Volumes", "Healthcheck", "Entrypoint", "Cmd")


class Step:
    """One program, in a `with` block whose end removes its container. The caller holds a lease of the content store."""

    def __init__(self, engine: Engine, draft: Draft, argv: Sequence[str], options: Options,
                 mounts: Sequence[MountRequest] = ()) -> None:  # fmt: skip
        from ringfence.images.unpack import unpack

        self._engine = engine
        unpack(draft, engine.content, engine.snapshots)
        config = {key: value for key, value in draft.config.items() if key not in _NOT_OF_A_STEP}
        self.record = ContainerRecord(
            names.new_id(), "", time.time_ns(), BUILDING, image_config=config, parent=draft.top, args=list(argv),
            options=options.to_json(), mounts=list(mounts), auto_remove=True,
        )  # fmt: skip
        self.record.name = f"build-{self.record.id[:12]}"
        self._lock = Lock(engine, self.record.id, make=True)
        self._session: Session | None = None

    def __enter__(self) -> Step:
        self._lock.take()
        try:
            self._engine.records.add(self.record)
            self._engine.snapshots.prepare(self.record.id, self.record.parent)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            if self._session is not None:
                self._session.disown()
                self._session.close()
            rm.remove(self._engine, self.record, announce=False)
        finally:
            self._lock.release()

    def run(self, write: Callable[[int, bytes], None]) -> int:
        """Execute the program; `write` gets what it prints (1 or 2, bytes). Its exit code. CannotExecute, Failed."""
        self._session = starting.begin(self._engine, self.record, keep=False, locked=True)
        while self._session.exit_record is None:
            kind, payload = self._session.receive()
            if not kind:
                break
            if kind in ("O", "E"):
                write(1 if kind == "O" else 2, payload)
        return self._session.exit_code

    def kill(self) -> None:
        """End the program, from another thread; it may have ended."""
        from ringfence.errors import NotFound

        try:
            self._engine.runtime_of(self.record).kill(self.record.id, 9)
        except (Conflict, NotFound):
            return

    def layer(self, *, latest: int | None = None) -> Layer | None:
        """Store what the program changed (None: nothing), without the mount points that were made for it; times after
        `latest` (seconds) become that."""
        from ringfence.engine.step_tree import settle_times, without_mount_points

        with root.stored(self._engine, self.record) as merged:
            targets = [mount for mount in self._mount_points() if merged.exists(mount)]
            real = [_real(merged, target) for target in targets]
        below = root.base(self._engine, self.record)
        try:
            upper = self._engine.snapshots.upper(self.record.id)
            without_mount_points(upper, below, real, self._engine.snapshots.whiteouts)
            if latest is not None:
                settle_times(upper, latest)
            if not _has_changes(upper, below, self._engine):
                return None
            return store_layer(self._engine, upper, below)
        finally:
            if below is not None:
                below.close()

    def _mount_points(self) -> list[str]:
        from ringfence import json

        with open(f"{places.bundle(self._engine, self.record.id)}/config.json", encoding="utf-8",
                  errors="surrogateescape") as file:  # fmt: skip
            document: dict[str, Any] = json.load(file)
        return [mount["destination"] for mount in document["mounts"]]

    def keep(self, chain_id: str) -> None:
        """Make the tree, whose layer has been stored, the snapshot of that chain ID: it need not be unpacked again."""
        try:
            self._engine.snapshots.commit(chain_id, self.record.id)
        except Conflict:
            return  # another process has made the same one: ours goes with the container


def _real(merged: Root, path: str) -> str:
    """The path that `path` leads to, without links."""
    with merged.open(path, os.O_PATH) as handle, merged.open("/", os.O_PATH) as top:
        prefix = os.readlink(top.path).rstrip("/")
        return os.readlink(handle.path).removeprefix(prefix)


def _has_changes(upper: str, below: Root | None, engine: Engine) -> bool:
    if engine.snapshots.driver == "copy":
        from ringfence.layers.diff import changes

        return bool(changes(upper, below.fileno() if below else None, engine.snapshots.whiteouts))
    with os.scandir(upper) as entries:
        return next(entries, None) is not None


