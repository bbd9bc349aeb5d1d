"""Group records: which groups of containers there are, what they may use together, and how far a removal has got.

One row each in the data directory's SQLite database. A group below another has the other's name before a slash:
`gold/silver`. Who is in it is told by the containers' own records (--group). What is made of it in the kernel is
group_cgroup's part.
"""

from __future__ import annotations

import _sqlite3 as sqlite3

from ringfence import json
from ringfence.content.database import rows, schema, transaction
from ringfence.errors import Conflict, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = [
    "CREATE TABLE groups (name TEXT PRIMARY KEY, id TEXT NOT NULL, created INTEGER NOT NULL, phase TEXT NOT NULL,"
    " json TEXT NOT NULL) WITHOUT ROWID"
]
COLUMNS = "name, id, created, phase, json"
READY, REMOVING = "ready", "removing"


class GroupRecord:
    """A group: `options` are its limits (Options.to_json), `created` is in ns since 1970."""

    __slots__ = ("created", "id", "labels", "name", "options", "phase")

    def __init__(self, name: str, id: str, created: int, phase: str = READY, *, options: dict[str, Any],
                 labels: dict[str, str]) -> None:  # fmt: skip
        self.name = name
        self.id = id
        self.created = created
        self.phase = phase
        self.options = options
        self.labels = labels

    @property
    def parent(self) -> str:
        """The name of the group that it is below, or ""."""
        return self.name.rpartition("/")[0]

    def row(self) -> tuple[str, str, int, str, str]:
        fields = {"options": self.options, "labels": self.labels}
        return self.name, self.id, self.created, self.phase, json.dumps(fields, separators=(",", ":"))

    @classmethod
    def of(cls, row: tuple[str, str, int, str, str]) -> GroupRecord:
        return cls(*row[:4], **json.loads(row[4]))


class Groups:
    """The table of groups. Each change is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        schema(connection, "groups", SCHEMA)
        self._connection = connection

    def add(self, record: GroupRecord) -> None:
        """Conflict if there is one of that name; NotFound if the group that it is to be below does not exist."""
        with transaction(self._connection):
            if record.parent:
                self.get(record.parent)
            try:
                self._connection.execute(f"INSERT INTO groups ({COLUMNS}) VALUES (?, ?, ?, ?, ?)", record.row())
            except sqlite3.IntegrityError:
                hint = "update it, or remove it first"
                raise Conflict(f"the group {record.name} exists already", hint=hint) from None

    def save(self, record: GroupRecord) -> None:
        """Write all its fields."""
        name, *columns = record.row()
        statement = "UPDATE groups SET id = ?, created = ?, phase = ?, json = ? WHERE name = ?"
        with transaction(self._connection):
            self._connection.execute(statement, (*columns, name))

    def delete(self, record: GroupRecord) -> None:
        with transaction(self._connection):
            self._connection.execute("DELETE FROM groups WHERE name = ? AND id = ?", (record.name, record.id))

    def get(self, name: str) -> GroupRecord:
        """NotFound `no such group: X`, also of one that is being removed."""
        found = rows(self._connection, f"SELECT {COLUMNS} FROM groups WHERE name = ?", (name,))
        if not found or found[0][3] == REMOVING:
            raise NotFound(f"no such group: {name}", hint=f"ringfence group create {name}")
        return GroupRecord.of(found[0])

    def all(self) -> list[GroupRecord]:
        """Every group, those being removed too, by name: one stands before those below it."""
        found = rows(self._connection, f"SELECT {COLUMNS} FROM groups")
        return sorted([GroupRecord.of(row) for row in found], key=lambda record: record.name.split("/"))

    def line(self, name: str) -> list[GroupRecord]:
        """The group of this name and those above it, the highest first."""
        words = name.split("/")
        return [self.get("/".join(words[: length + 1])) for length in range(len(words))]
