"""The database survives many processes at once, killed ones, and says clearly when it cannot be used."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ringfence.content import database
from ringfence.errors import Corrupt, Failed, InvalidInput

SCHEMA = ["CREATE TABLE notes (writer INTEGER, half TEXT)", "CREATE INDEX notes_by_writer ON notes (writer)"]
# Writes pairs for ever: a reader must never see one half without the other.
WRITER = f"""
import os, sys
from ringfence.content import database
connection = database.connect(sys.argv[1])
database.schema(connection, "notes", {SCHEMA!r})
for _ in range(int(sys.argv[2])):
    with database.transaction(connection):
        connection.execute("INSERT INTO notes VALUES (?, 'left')", (os.getpid(),))
        connection.execute("INSERT INTO notes VALUES (?, 'right')", (os.getpid(),))
"""


def writer(directory: Path, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(directory), str(count)])


def halves(directory: Path) -> dict[str, int]:
    connection = database.connect(directory)
    database.schema(connection, "notes", SCHEMA)
    rows = connection.execute("SELECT half, count(*) AS number FROM notes GROUP BY half").fetchall()
    connection.close()
    return {row["half"]: row["number"] for row in rows}


def test_many_processes_may_make_and_write_it_at_once(tmp_path: Path) -> None:
    writers = [writer(tmp_path, 20) for _ in range(6)]
    assert [process.wait() for process in writers] == [0] * 6
    assert halves(tmp_path) == {"left": 120, "right": 120}


def test_the_first_use_by_many_processes_in_the_same_instant_fails_in_none(tmp_path: Path) -> None:
    """Where SQLite would answer "database is locked" at once, without waiting: about one round in thirty."""
    for n in range(60):
        gate, opening = os.pipe()
        pids = [connect_in_a_child(tmp_path / str(n), gate, opening) for _ in range(8)]
        os.close(gate)
        os.close(opening)  # and they all run
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 8


def connect_in_a_child(directory: Path, gate: int, opening: int) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(opening)
            os.read(gate, 1)
            halves(directory)
            status = 0
        finally:
            os._exit(status)
    return pid


def test_a_killed_writer_leaves_whole_transactions(tmp_path: Path) -> None:
    for _ in range(8):
        process = writer(tmp_path, 1_000_000)
        time.sleep(random.uniform(0.05, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = halves(tmp_path)
        assert found.get("left", 0) == found.get("right", 0)


def test_a_transaction_takes_effect_wholly_or_not_at_all(tmp_path: Path) -> None:
    connection = database.connect(tmp_path)
    connection.execute("CREATE TABLE numbers (n INTEGER UNIQUE)")
    with pytest.raises(KeyError), database.transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (1)")
        raise KeyError
    with pytest.raises(Failed, match=r"ringfence\.db: UNIQUE constraint failed"), database.transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (2)")
        connection.execute("INSERT INTO numbers VALUES (2)")
    assert connection.execute("SELECT count(*) FROM numbers").fetchone()[0] == 0
    connection.close()


def test_an_inner_transaction_is_a_part_of_the_outer_one(tmp_path: Path) -> None:
    connection = database.connect(tmp_path)
    connection.execute("CREATE TABLE numbers (n INTEGER)")
    with pytest.raises(KeyError), database.transaction(connection):
        with database.transaction(connection):
            connection.execute("INSERT INTO numbers VALUES (1)")
        raise KeyError
    assert connection.execute("SELECT count(*) FROM numbers").fetchone()[0] == 0
    connection.close()


def test_a_schema_grows_by_the_statements_that_are_new(tmp_path: Path) -> None:
    connection = database.connect(tmp_path)
    database.schema(connection, "notes", SCHEMA[:1])
    connection.execute("INSERT INTO notes VALUES (1, 'left')")
    database.schema(connection, "notes", [*SCHEMA, "ALTER TABLE notes ADD COLUMN time INTEGER DEFAULT 7"])
    assert tuple(connection.execute("SELECT * FROM notes").fetchone()) == (1, "left", 7)
    with pytest.raises(Failed, match="the database's notes tables are of version 3, this program knows 2"):
        database.schema(connection, "notes", SCHEMA)
    connection.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / database.FILE).write_bytes(b"something else, and long enough to be looked at" * 100)
    with pytest.raises(Corrupt, match=rf"^{tmp_path}/ringfence\.db: not a usable database"):
        database.connect(tmp_path)


def test_a_place_where_it_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=rf"^{tmp_path}/file: is not a directory"):
        database.connect(tmp_path / "file")


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        connection = database.connect(tmp_path / "data")
        connection.execute("CREATE TABLE secrets (s)")
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    connection.close()
    assert modes == {0o600}
    assert sqlite3.sqlite_version_info >= (3, 33)


def test_a_second_connection_of_one_process_does_not_disarm_the_first(tmp_path: Path) -> None:
    """Were the file opened and closed beside SQLite, the process's locks would go, and others delete the log in use."""
    first = database.connect(tmp_path)
    first.execute("CREATE TABLE things (name TEXT)")
    database.connect(tmp_path).close()

    program = f"import sqlite3; c = sqlite3.connect({str(tmp_path / 'ringfence.db')!r}); "
    program += "c.execute(\"INSERT INTO things VALUES ('theirs')\"); c.commit(); c.close()"
    subprocess.run([sys.executable, "-c", program], check=True)

    assert (tmp_path / "ringfence.db-wal").exists(), "the log stays while a connection uses it"
    assert [row["name"] for row in first.execute("SELECT name FROM things")] == ["theirs"]
    first.close()
