"""Id mappings are parsed, applied in both directions, and allocated without overlap."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput
from ringfence.linux import fsids, idmap, mounts, namespaces
from ringfence.linux.idmap import IdMapping, IdRange
from tests import needs

numbers = st.integers(0, 2**31)
mappings = st.lists(st.builds(IdMapping, numbers, numbers, st.integers(1, 2**30)), max_size=5)
ranges = st.lists(st.builds(IdRange, st.integers(0, 500), st.integers(1, 200)), max_size=6)


def test_the_own_map_of_this_process_is_read() -> None:
    assert idmap.to_host(idmap.parse(Path("/proc/self/uid_map").read_text()), 0) is not None


@given(mappings)
def test_format_and_parse_are_inverse(maps: list[IdMapping]) -> None:
    assert idmap.parse(idmap.format(maps)) == maps


@given(st.text(max_size=40))
def test_any_text_is_mappings_or_refused(text: str) -> None:
    # Invariant: parse returns mappings or raises InvalidInput, nothing else.
    try:
        parsed = idmap.parse(text)
    except InvalidInput:
        return
    assert all(isinstance(mapping, IdMapping) for mapping in parsed)


@pytest.mark.parametrize("text", ["0 0", "0 0 0", "a b c", "0 -1 1", "4294967295 0 1", "0 4294967290 6", "0 0 1 2"])
def test_what_the_kernel_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        idmap.parse(text)


def test_ids_are_translated_both_ways() -> None:
    maps = [IdMapping(0, 1000, 1), IdMapping(1, 100000, 65535)]
    assert [idmap.to_host(maps, inside) for inside in (0, 1, 65535, 65536)] == [1000, 100000, 165534, None]
    assert [idmap.to_container(maps, outside) for outside in (1000, 100000, 0)] == [0, 1, None]


def test_a_user_namespace_has_its_maps_and_no_process() -> None:
    needs.root()
    with idmap.user_namespace([IdMapping(0, 1000, 2)], [IdMapping(5, 7, 1)]) as userns:
        assert namespaces.kind_of(userns) == "user"
        assert os.stat(userns).st_ino not in {namespaces.inode(pid, "user") for pid in ("self", os.getppid())}


def test_an_id_mapped_directory_shows_other_owners(tmp_path: Path) -> None:
    needs.root()
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        os.chown(path, 5000, 6000)
    maps = idmap.reverse([IdMapping(0, 5000, 2)]), idmap.reverse([IdMapping(0, 6000, 2)])
    with idmap.user_namespace(*maps) as userns, mounts.id_mapped(tmp_path, userns) as tree:
        status = os.stat("file", dir_fd=tree)
        assert (status.st_uid, status.st_gid) == (0, 0)


def test_files_are_made_as_somebody_else_with_our_capabilities(tmp_path: Path) -> None:
    needs.root()
    tmp_path.chmod(0o700)  # theirs not to enter, but for our capabilities

    fsids.as_owner(5000, 6000, (tmp_path / "file").touch)

    (tmp_path / "after").touch()
    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_gid) == (5000, 6000)
    assert (tmp_path / "after").stat().st_uid == 0


def test_subordinate_ids_are_listed_by_name_or_number(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_text("# who:start:count\nada:100000:65536\n\n1000:300000:10\neve:1:1\n")
    assert idmap.subordinate(str(file), "ada", 1000) == [IdRange(100000, 65536), IdRange(300000, 10)]
    assert idmap.subordinate(str(tmp_path / "none"), "ada", 1000) == []


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_text("ada:100000:65536\nada:x:1\n")
    with pytest.raises(InvalidInput, match=r'subuid:2: "ada:x:1" is not user:start:count'):
        idmap.subordinate(str(file), "ada", 1000)


def test_allocation_takes_the_first_gap_that_is_wide_enough() -> None:
    available = [IdRange(100, 50), IdRange(1000, 300)]
    assert idmap.allocate(available, 50, []) == IdRange(100, 50)
    assert idmap.allocate(available, 50, [IdRange(149, 1)]) == IdRange(1000, 50)
    assert idmap.allocate(available, 100, [IdRange(1150, 10), IdRange(1000, 20)]) == IdRange(1020, 100)


@given(ranges, st.integers(1, 120), ranges)
def test_what_is_allocated_is_available_and_not_taken(
    available: list[IdRange], size: int, taken: list[IdRange]
) -> None:
    def ids(of: list[IdRange]) -> set[int]:
        return {number for part in of for number in range(part.start, part.end)}

    try:
        found = idmap.allocate(available, size, taken)
    except OSError:
        for part in available:  # refused, so there really is no room in any one range
            free = [number not in ids(taken) for number in range(part.start, part.end)]
            assert not any(all(free[at : at + size]) for at in range(len(free) - size + 1))
        return
    assert found.size == size
    assert ids([found]) <= ids(available)
    assert not ids([found]) & ids(taken)
