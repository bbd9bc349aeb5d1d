"""Records of containers: reserved, found, renamed, marked; of any number of processes one gets a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.content import database
from ringfence.engine.records import CREATED, CREATING, REMOVING, ContainerRecord, Records
from ringfence.errors import Conflict, InvalidInput, NotFound

A, B, C = "a" * 64, "ab" + "0" * 62, "c" * 64


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    connection = database.connect(tmp_path)
    yield Records(connection)
    connection.close()


def test_a_record_comes_back_as_it_was_written(records: Records) -> None:
    record = ContainerRecord(
        A, "web", 5, image="host", args=["sh", "-c", "a b"], options={"memory": 1}, uids=[(0, 9, 1)]
    )
    records.add(record)
    found = records.find("web")
    assert (found.id, found.name, found.created, found.phase) == (A, "web", 5, CREATING)
    assert found.row() == record.row()


def test_a_taken_name_is_a_conflict_that_names_its_owner(records: Records) -> None:
    records.add(ContainerRecord(A, "web", 1))
    with pytest.raises(Conflict, match=f"the container name 'web' is already in use by container {A[:12]}"):
        records.add(ContainerRecord(B, "web", 2))


def test_a_container_is_found_by_id_by_name_and_by_the_beginning_of_its_id(records: Records) -> None:
    for id, name in ((A, "one"), (B, "two"), (C, "aa")):
        records.add(ContainerRecord(id, name, 1))
    assert records.find(A).name == "one"
    assert records.find("/two").name == "two"
    assert records.find("ab").name == "two"
    assert records.find("aa").name == "aa", "a name goes before the beginning of an id"
    with pytest.raises(InvalidInput, match="'a' is the beginning of several"):
        records.find("a")


@pytest.mark.parametrize("name", ["", "nobody", "dead", "%", "g", "a b", "';--"])
def test_an_unknown_container_is_not_found(records: Records, name: str) -> None:
    records.add(ContainerRecord(A, "web", 1))
    with pytest.raises(NotFound, match="no such container"):
        records.find(name)


def test_a_change_is_seen_by_another_connection_and_a_removed_record_cannot_be_saved(tmp_path: Path) -> None:
    first, second = database.connect(tmp_path), database.connect(tmp_path)
    one, two = Records(first), Records(second)
    record = ContainerRecord(A, "web", 1)
    one.add(record)
    record.name = "app"
    one.save(record)
    one.mark(record, CREATED)
    assert [(found.name, found.phase) for found in two.all()] == [("app", CREATED)]
    two.mark(two.find("app"), REMOVING)
    two.delete(A)
    assert one.get(A) is None
    with pytest.raises(NotFound, match="no such container: app"):
        one.save(record)
    first.close()
    second.close()


def test_the_newest_container_is_listed_first(records: Records) -> None:
    for created, id in enumerate((A, B, C)):
        records.add(ContainerRecord(id, f"n{created}", created))
    assert [record.name for record in records.all()] == ["n2", "n1", "n0"]
