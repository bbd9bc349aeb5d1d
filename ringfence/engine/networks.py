"""Network records: which networks there are, which containers are plugged into them now, and with which addresses.

Three tables of the data directory's SQLite database. A network's row lasts until it is removed. An endpoint's is there
from before its link is made until after it is gone, so that whatever a crash leaves in the kernel is named by a row.
Addresses and published ports have rows of their own, whose keys make the database refuse to hand one out twice.
"""

from __future__ import annotations

import _sqlite3 as sqlite3

from ringfence import json
from ringfence.content.database import schema, transaction
from ringfence.errors import Conflict, NotFound
from ringfence.network.values import Attachment, Network, Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

SCHEMA = [
    "CREATE TABLE networks (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,"
    " json TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE endpoints (container TEXT NOT NULL, position INTEGER NOT NULL, network TEXT NOT NULL,"
    " pid INTEGER NOT NULL, began INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (container, network))"
    " WITHOUT ROWID",
    "CREATE TABLE addresses (network TEXT NOT NULL, address TEXT NOT NULL, container TEXT NOT NULL,"
    " PRIMARY KEY (network, address)) WITHOUT ROWID",
    "CREATE TABLE ports (protocol TEXT NOT NULL, host_ip TEXT NOT NULL, host_port INTEGER NOT NULL,"
    " container TEXT NOT NULL, container_port INTEGER NOT NULL, PRIMARY KEY (protocol, host_ip, host_port))"
    " WITHOUT ROWID",
]


class NetworkRecord:
    """A network as the engine keeps it. `created` is in ns since 1970; `automatic`: nobody asked for its subnets."""

    __slots__ = ("automatic", "created", "labels", "network")

    def __init__(self, network: Network, created: int, *, labels: dict[str, str] | None = None,
                 automatic: bool = False) -> None:  # fmt: skip
        self.network = network
        self.created = created
        self.labels = labels or {}
        self.automatic = automatic

    def row(self) -> tuple[str, str, int, str]:
        fields = {"network": self.network.to_json(), "labels": self.labels, "automatic": self.automatic}
        return self.network.name, self.network.id, self.created, json.dumps(fields, separators=(",", ":"))

    @classmethod
    def of(cls, row: tuple[int, str]) -> NetworkRecord:
        fields = json.loads(row[1])
        return cls(Network.from_json(fields["network"]), row[0], labels=fields["labels"],
                   automatic=fields["automatic"])  # fmt: skip


class Endpoint:
    """A container plugged into a network: of the namespace of process `pid`, `began` in clock ticks; 0: not yet."""

    __slots__ = ("attachment", "began", "pid", "position")

    def __init__(self, attachment: Attachment, position: int = 0, pid: int = 0, began: int = 0) -> None:
        self.attachment = attachment
        self.position = position
        self.pid = pid
        self.began = began

    @classmethod
    def of(cls, row: tuple[int, int, int, str]) -> Endpoint:
        return cls(Attachment.from_json(json.loads(row[3])), *row[:3])


class Networks:
    """The tables. Each change is one transaction, or a part of the caller's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        schema(connection, "networks", SCHEMA)
        self._connection = connection

    # networks

    def add(self, record: NetworkRecord) -> None:
        """Conflict if there is one of that name."""
        with transaction(self._connection):
            try:
                self._connection.execute("INSERT INTO networks VALUES (?, ?, ?, ?)", record.row())
            except sqlite3.IntegrityError:
                name = record.network.name
                raise Conflict(f"the network {name} exists already", hint="remove it first") from None

    def save(self, record: NetworkRecord) -> None:
        """Write all its fields but its name."""
        name, id, created, fields = record.row()
        with transaction(self._connection):
            self._connection.execute("UPDATE networks SET id = ?, created = ?, json = ? WHERE name = ?",
                                     (id, created, fields, name))  # fmt: skip

    def find(self, name: str) -> NetworkRecord:
        """The network of this name, id or beginning of an id. NotFound; Conflict if several begin so."""
        found = self._records("WHERE name = ? OR id = ?", name, name)
        if not found and name and all(c in "0123456789abcdef" for c in name):
            found = self._records("WHERE id GLOB ?", f"{name}*")
        if len(found) > 1:
            names = ", ".join(record.network.name for record in found)
            raise Conflict(f"{name} is the beginning of several networks' ids: {names}")
        if not found:
            raise NotFound(f"no such network: {name}", hint=f"ringfence network create {name}")
        return found[0]

    def all(self) -> list[NetworkRecord]:
        """By name."""
        return self._records("ORDER BY name")

    def delete(self, name: str) -> None:
        with transaction(self._connection):
            self._connection.execute("DELETE FROM networks WHERE name = ?", (name,))

    def _records(self, which: str, *values: str) -> list[NetworkRecord]:
        rows = self._connection.execute(f"SELECT created, json FROM networks {which}", values)
        return [NetworkRecord.of(tuple(row)) for row in rows]

    # endpoints, with the addresses that they have

    def endpoints(self, *, container: str = "", network: str = "") -> list[Endpoint]:
        """All, or those of a container (in the order of its interfaces) or of a network (an id)."""
        tests = [(column, value) for column, value in (("container", container), ("network", network)) if value]
        where = " WHERE " + " AND ".join(f"{column} = ?" for column, _ in tests) if tests else ""
        rows = self._connection.execute(
            f"SELECT position, pid, began, json FROM endpoints{where} ORDER BY container, position",
            [value for _, value in tests],
        )
        return [Endpoint.of(tuple(row)) for row in rows]

    def taken(self, network: str) -> set[str]:
        """The addresses that are handed out, without prefixes."""
        rows = self._connection.execute("SELECT address FROM addresses WHERE network = ?", (network,))
        return {row[0] for row in rows}

    def plug(self, endpoint: Endpoint) -> None:
        """Write an endpoint with its addresses, new or anew. Conflict if somebody else has one of them."""
        attachment = endpoint.attachment
        text = json.dumps(attachment.to_json(), separators=(",", ":"))
        row = (attachment.container, endpoint.position, attachment.network, endpoint.pid, endpoint.began, text)
        with transaction(self._connection):
            self._connection.execute("INSERT OR REPLACE INTO endpoints VALUES (?, ?, ?, ?, ?, ?)", row)
            for address in attachment.addresses:
                self._take(attachment.network, address.partition("/")[0], attachment.container)

    def unplug(self, container: str, network: str) -> None:
        with transaction(self._connection):
            for table in ("endpoints", "addresses"):
                where = f"DELETE FROM {table} WHERE container = ? AND network = ?"
                self._connection.execute(where, (container, network))

    def _take(self, network: str, address: str, container: str) -> None:
        row = (network, address, container)
        self._connection.execute("INSERT OR IGNORE INTO addresses VALUES (?, ?, ?)", row)
        holder = self._connection.execute(
            "SELECT container FROM addresses WHERE network = ? AND address = ?", row[:2]
        ).fetchone()[0]
        if holder != container:
            raise Conflict(f"address {address} is in use by container {holder[:12]}")

    # published ports

    def ports(self, container: str = "") -> list[tuple[str, Port]]:
        """(container, port) of all, or of one container's."""
        rows = self._connection.execute(
            "SELECT container, container_port, host_port, host_ip, protocol FROM ports"
            f"{' WHERE container = ?' if container else ''} ORDER BY container_port, protocol, host_ip, host_port",
            (container,) if container else (),
        )
        return [(row[0], Port(*row[1:])) for row in rows]

    def publish(self, container: str, ports: Iterable[Port]) -> None:
        """Conflict if another container has published one of them."""
        with transaction(self._connection):
            for port in ports:
                row = (port.protocol, port.host_ip, port.host_port, container, port.container_port)
                try:
                    self._connection.execute("INSERT INTO ports VALUES (?, ?, ?, ?, ?)", row)
                except sqlite3.IntegrityError:
                    holder = self._connection.execute(
                        "SELECT container FROM ports WHERE protocol = ? AND host_ip = ? AND host_port = ?", row[:3]
                    ).fetchone()[0]
                    what = f"port {port.host_port}/{port.protocol} is published by container {holder[:12]}"
                    raise Conflict(what, hint="choose another one, or stop that container") from None

    def unpublish(self, container: str, ports: Sequence[Port] | None = None) -> None:
        """Those ports, or all of the container's."""
        with transaction(self._connection):
            if ports is None:
                self._connection.execute("DELETE FROM ports WHERE container = ?", (container,))
            for port in ports or ():
                which: tuple[Any, ...] = (container, port.protocol, port.host_ip, port.host_port)
                self._connection.execute(
                    "DELETE FROM ports WHERE container = ? AND protocol = ? AND host_ip = ? AND host_port = ?", which
                )
