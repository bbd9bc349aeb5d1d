"""The build cache's records: what a step of a build made, by a key of all that decided it. They keep its layer alive.

A key is a digest (build/cache.py makes it). A step's result is the layer that it added, if any, on the layers below it,
and when it was made, so that a build from the cache alone gives the same image again.
"""

from __future__ import annotations

import time

from ringfence import json
from ringfence.content import database
from ringfence.images.make import Layer
from ringfence.oci.digest import Digest
from ringfence.oci.image_spec import Descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from typing import Any

SCHEMA = (
    """CREATE TABLE steps (key TEXT PRIMARY KEY, created TEXT NOT NULL, layer TEXT NOT NULL, chain_ids TEXT NOT NULL,
                           about TEXT NOT NULL, used INTEGER NOT NULL)""",
)


class StepResult:
    """`created`: RFC 3339. `layer`: what it added (None: nothing)."""

    __slots__ = ("created", "layer")

    def __init__(self, created: str, layer: Layer | None) -> None:
        self.created = created
        self.layer = layer


class Steps:
    """The records of one data directory; an object belongs to one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        database.schema(connection, "steps", SCHEMA)
        self._connection = connection

    def find(self, key: str) -> StepResult | None:
        found = database.rows(self._connection, "SELECT created, layer FROM steps WHERE key = ?", (key,))
        if not found:
            return None
        row = found[0]
        self._connection.execute("UPDATE steps SET used = ? WHERE key = ?", (time.time_ns(), key))
        return StepResult(row["created"], _layer(row["layer"]))

    def add(self, key: str, result: StepResult, chain_ids: Sequence[str], about: str) -> None:
        """Record a result; `chain_ids` are those up to and with its layer, `about` is the instruction, for people."""
        layer = result.layer
        document = {**layer.descriptor.to_json(), "diffID": layer.diff_id} if layer else {}
        values = (key, result.created, json.dumps(document), json.dumps(list(chain_ids)), about, time.time_ns())
        self._connection.execute("INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?)", values)

    def all(self) -> list[dict[str, Any]]:
        """The latest used first: Key, Created, Used (ns), About, Layer (descriptor and diffID, or {}), ChainIDs."""
        rows = database.rows(self._connection, "SELECT * FROM steps ORDER BY used DESC, rowid DESC")
        return [
            {"Key": row["key"], "Created": row["created"], "Used": row["used"], "About": row["about"],
             "Layer": json.loads(row["layer"]), "ChainIDs": json.loads(row["chain_ids"])}
            for row in rows
        ]  # fmt: skip

    def forget(self, before: int | None = None) -> int:
        """Remove all records, or those not used since `before` (ns since 1970); returns how many."""
        moment = before if before is not None else (1 << 62)
        return self._connection.execute("DELETE FROM steps WHERE used < ?", (moment,)).rowcount

    def remove(self, key: str) -> None:
        """Forget one record, if it is there."""
        self._connection.execute("DELETE FROM steps WHERE key = ?", (key,))

    def used_blobs(self) -> set[str]:
        return {step["Layer"]["digest"] for step in self.all() if step["Layer"]}

    def used_snapshots(self) -> set[str]:
        return {chain_id for step in self.all() for chain_id in step["ChainIDs"]}


def _layer(text: str) -> Layer | None:
    document = json.loads(text)
    if not document:
        return None
    return Layer(Descriptor(document["mediaType"], Digest(document["digest"]), document["size"]), document["diffID"])
