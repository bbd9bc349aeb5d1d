"""The one SQLite database of a data directory: how it is opened, how transactions are made, how tables come to be.

Any number of processes use it at once: WAL lets readers go on beside one writer, a writer waits up to `_WAIT` seconds
for another. synchronous=NORMAL survives a killed process wholly; a power failure may lose the last transactions, never
the database's integrity (sqlite.org/pragma.html#pragma_synchronous). Blobs and snapshots are renamed into place before
a row names them, so a lost row is only garbage. What is imported is the C half of the standard library's sqlite3: the
other brings datetime and collections along, 4 ms for nothing.
"""

from __future__ import annotations

import errno
import os
import time

from ringfence.errors import Corrupt, Denied, Failed, InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from typing import Any

FILE = "ringfence.db"
_WAIT = 10.0  # seconds
_COMPONENTS = "CREATE TABLE IF NOT EXISTS components (name TEXT PRIMARY KEY, version INTEGER NOT NULL)"


def connect(data_dir: str | os.PathLike[str]) -> sqlite3.Connection:
    """Open (and make) the database below `data_dir`, in autocommit mode; the caller closes it."""
    import _sqlite3 as sqlite3

    path = os.path.join(data_dir, FILE)
    try:
        os.makedirs(data_dir, mode=0o711, exist_ok=True)
        _make(path)
        connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
        try:
            _patiently(_prepare, connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    except PermissionError as error:
        raise Denied(f"{path}: {error.strerror}") from error
    except FileExistsError as error:  # os.makedirs: what is there is no directory
        raise InvalidInput(f"{error.filename}: is not a directory") from error
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}", errno=error.errno or 0) from error
    return connection


def _make(path: str) -> None:
    """Make the file if there is none: for its owner alone, since records may hold secrets (environments).

    An existing one must not be touched: closing any descriptor of it drops the POSIX locks of this process's other
    connections, and then the next process to close takes itself for the last one and removes the log under them
    (sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


def _patiently(step: Callable[[sqlite3.Connection], None], connection: sqlite3.Connection) -> None:
    """Repeat `step` while others make, recover or clean up the database.

    Those moments SQLite answers with SQLITE_BUSY at once, whatever timeout the connection has: it only waits where
    waiting cannot be a deadlock, and two that both read an empty file and both want it in WAL mode would be one
    (sqlite.org/wal.html, "Sometimes Queries Return SQLITE_BUSY In WAL Mode").
    """
    import _sqlite3 as sqlite3

    end = time.monotonic() + _WAIT
    while True:
        try:
            return step(connection)
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > end:
                raise
        time.sleep(0.002)


def _prepare(connection: sqlite3.Connection) -> None:
    import _sqlite3 as sqlite3

    connection.row_factory = sqlite3.Row
    # Changing the journal mode needs the whole database for itself; asking for the mode it already has does not.
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _explain(error: sqlite3.Error, path: str) -> Exception:
    """The same failure as one of our errors: what it means is told by SQLite's primary result code."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Corrupt(f"{path}: not a usable database: {error}")
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN")):
        return Denied(f"{path}: {error}", hint="the file and its directory must be writable, even to look")
    space = os.statvfs(os.path.dirname(path))  # SQLite says only "disk I/O error" of some writes to a full disk
    if not space.f_bavail or (space.f_files and not space.f_favail):
        return Failed(f"{path}: no space left on device", errno=errno.ENOSPC, hint="even to look, a little is needed")
    return Failed(f"{path}: {error}")


class transaction:
    """Statements that take effect together or, if the block is left by an exception, not at all.

    It holds the write lock from its beginning, so what is read inside is what is written upon. A transaction inside
    another is a part of the outer one. Raises Failed, Denied or Corrupt for what SQLite refuses.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._inner = False

    def __enter__(self) -> None:
        self._inner = self._connection.in_transaction
        if not self._inner:
            self._execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        import _sqlite3 as sqlite3

        if self._inner:
            return
        if error is None:
            self._execute("COMMIT")
            return
        if self._connection.in_transaction:  # SQLite itself rolls back upon some errors, such as a full disk
            self._connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise _explain(error, _file_of(self._connection)) from error

    def _execute(self, statement: str) -> None:
        import _sqlite3 as sqlite3

        try:
            self._connection.execute(statement)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise _explain(error, _file_of(self._connection)) from error


def _file_of(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA database_list").fetchone()["file"])  # kept by the connection, not read


def schema(connection: sqlite3.Connection, component: str, statements: Sequence[str]) -> None:
    """Bring the tables of `component` up to date: statement n makes version n+1 out of version n, and is run once.

    A change of the schema is a statement appended; statements that were released are never edited.
    """
    version = _version(connection, component)
    if version == len(statements):
        return
    with transaction(connection):
        connection.execute(_COMPONENTS)
        version = _version(connection, component)  # another process may have been quicker
        if version > len(statements):
            raise Failed(
                f"the database's {component} tables are of version {version}, this program knows {len(statements)}",
                hint="use a newer ringfence",
            )
        for statement in statements[version:]:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO components VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version = excluded.version",
            (component, len(statements)),
        )


def rows(connection: sqlite3.Connection, query: str, values: Sequence[object] = ()) -> list[Any]:
    """All rows that `query` finds. Raises Failed, Denied or Corrupt for what SQLite refuses."""
    import _sqlite3 as sqlite3

    try:
        return connection.execute(query, values).fetchall()
    except sqlite3.Error as error:
        raise _explain(error, _file_of(connection)) from error


def _version(connection: sqlite3.Connection, component: str) -> int:
    if not rows(connection, "SELECT 1 FROM sqlite_schema WHERE name = 'components'"):
        return 0
    found = rows(connection, "SELECT version FROM components WHERE name = ?", (component,))
    return found[0][0] if found else 0
