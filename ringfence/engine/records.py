"""Container records: what the engine knows of a container that its files and processes do not tell.

One row each in the data directory's SQLite database. Whether it runs is never written here: `status` derives that from
the runtime and the exit record, so that no crash can make the two disagree. `phase` is the one mark of a half-done
change: "creating" until creation is complete, "removing" from the moment removal begins (see repair.py). A container in
phase "building" is a step of a build for all its life (see step.py).
"""

from __future__ import annotations

import _sqlite3 as sqlite3

from ringfence import json
from ringfence.content.database import rows, schema, transaction
from ringfence.engine.options_kinds import is_unicode
from ringfence.errors import Conflict, InvalidInput, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine.options_mounts import MountRequest

SCHEMA = [
    "CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,"
    " phase TEXT NOT NULL, json TEXT NOT NULL) WITHOUT ROWID"
]
COLUMNS = "id, name, created, phase, json"
CREATING, CREATED, REMOVING, BUILDING = "creating", "created", "removing", "building"


class ContainerRecord:
    """A container: what was asked for (`image`, `command`, `options`) and what came of it.

    `created` is in nanoseconds since 1970. `image` is the name as typed, `image_id` what it then named, `image_config`
    the "config" of its image config, `parent` the chain ID its snapshot stands on. `args` is the argv. `options` are
    those of engine/options.py, as JSON. `mounts` are its binds, volumes and tmpfs, resolved. `uids` and `gids` are its
    rows (container id, host id, size) of --userns auto. `started`: it was started at least once. `error` and
    `start_code` tell of a start that failed.

    For its restart policy: `stopped`: a person stopped it, so that it is not restarted, unless at the next boot
    (`for_boot`). `boot` names the boot in which it was started; `restarts` counts the restarts since a person started
    it, `streak` those in a row after short runs; `counted` is the end ("finished_at") of the last run that is counted.
    """

    FIELDS = ("image", "image_id", "image_config", "parent", "args", "options", "labels", "mounts", "uids", "gids",
              "driver", "auto_remove", "started", "stopped", "for_boot", "boot", "restarts", "streak", "counted",
              "error", "start_code")  # fmt: skip
    __slots__ = ("created", "id", "name", "phase", *FIELDS)

    def __init__(self, id: str, name: str, created: int, phase: str = CREATING, **fields: Any) -> None:
        self.id = id
        self.name = name
        self.created = created
        self.phase = phase
        self.image: str = fields.get("image", "")
        self.image_id: str = fields.get("image_id", "")
        self.image_config: dict[str, Any] = fields.get("image_config", {})
        self.parent: str = fields.get("parent", "")
        self.args: list[str] = fields.get("args", [])
        self.options: dict[str, Any] = fields.get("options", {})
        self.labels: dict[str, str] = fields.get("labels", {})
        self.mounts: list[MountRequest] = fields.get("mounts", [])
        self.uids: list[tuple[int, int, int]] = fields.get("uids", [])
        self.gids: list[tuple[int, int, int]] = fields.get("gids", [])
        self.driver: str = fields.get("driver", "overlay")
        self.auto_remove: bool = fields.get("auto_remove", False)
        self.started: bool = fields.get("started", False)
        self.stopped: bool = fields.get("stopped", False)
        self.for_boot: bool = fields.get("for_boot", False)
        self.boot: str = fields.get("boot", "")
        self.restarts: int = fields.get("restarts", 0)
        self.streak: int = fields.get("streak", 0)
        self.counted: int = fields.get("counted", -1)
        self.error: str = fields.get("error", "")
        self.start_code: int = fields.get("start_code", 0)

    def row(self) -> tuple[str, str, int, str, str]:
        fields = {name: getattr(self, name) for name in self.FIELDS}
        return self.id, self.name, self.created, self.phase, json.dumps(fields, separators=(",", ":"))

    @classmethod
    def of(cls, row: tuple[str, str, int, str, str]) -> ContainerRecord:
        return cls(*row[:4], **json.loads(row[4]))


class Records:
    """The table of containers. Each change is one statement, and so one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        schema(connection, "containers", SCHEMA)
        self._connection = connection

    def add(self, record: ContainerRecord) -> None:
        """Reserve its id and name. Conflict if another container has the name."""
        with transaction(self._connection):
            try:
                self._connection.execute(f"INSERT INTO containers ({COLUMNS}) VALUES (?, ?, ?, ?, ?)", record.row())
            except sqlite3.IntegrityError:
                raise self._taken(record.name) from None

    def save(self, record: ContainerRecord) -> None:
        """Write all its fields. Conflict if its new name is taken; NotFound if it was removed meanwhile."""
        id, *columns = record.row()
        statement = "UPDATE containers SET name = ?, created = ?, phase = ?, json = ? WHERE id = ?"
        with transaction(self._connection):
            try:
                changed = self._connection.execute(statement, (*columns, id)).rowcount
            except sqlite3.IntegrityError:
                raise self._taken(record.name) from None
        if not changed:
            raise NotFound(f"no such container: {record.name}")

    def mark(self, record: ContainerRecord, phase: str) -> None:
        """Write its phase alone."""
        with transaction(self._connection):
            self._connection.execute("UPDATE containers SET phase = ? WHERE id = ?", (phase, record.id))
        record.phase = phase

    def delete(self, id: str) -> None:
        with transaction(self._connection):
            self._connection.execute("DELETE FROM containers WHERE id = ?", (id,))

    def get(self, id: str) -> ContainerRecord | None:
        """The record of exactly this id, as it is now, or None."""
        found = rows(self._connection, f"SELECT {COLUMNS} FROM containers WHERE id = ?", (id,))
        return ContainerRecord.of(found[0]) if found else None

    def find(self, name: str) -> ContainerRecord:
        """By id, by name, or by an unambiguous beginning of the id; in this order, as docker does.

        NotFound `no such container: X`; InvalidInput if several ids begin so.
        """
        name = name.removeprefix("/")
        if not is_unicode(name):
            raise NotFound(f"no such container: {name}")
        select = f"SELECT {COLUMNS} FROM containers WHERE "
        found = rows(self._connection, select + "id = ? OR name = ?", (name, name))
        if not found and name and not name.strip("0123456789abcdef"):
            found = rows(self._connection, select + "id > ? AND id < ? LIMIT 2", (name, name + "g"))
            if len(found) > 1:
                raise InvalidInput(f"the id {name!r} is the beginning of several containers'", hint="give more of it")
        if not found:
            raise NotFound(f"no such container: {name}")
        return ContainerRecord.of(min(found, key=lambda row: row[0] != name))

    def all(self) -> list[ContainerRecord]:
        """Every container, newest first."""
        found = rows(self._connection, f"SELECT {COLUMNS} FROM containers ORDER BY created DESC, id")
        return [ContainerRecord.of(row) for row in found]

    def _taken(self, name: str) -> Conflict:
        found = rows(self._connection, "SELECT id FROM containers WHERE name = ?", (name,))
        owner = f" by container {found[0][0][:12]}" if found else ""
        return Conflict(f"the container name {name!r} is already in use{owner}", hint="remove or rename that one")
