"""Logs: both forms parsed, lines counted as people count them, rotated files and cut entries survived."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import logs
from ringfence.engine.logs import LogLine
from ringfence.errors import InvalidInput, Unsupported

if TYPE_CHECKING:
    from ringfence import Engine

TIME = b"2026-11-23T10:00:00.123456789Z"


def test_an_entry_of_the_cri_form_is_read() -> None:
    entry = logs.parse_k8s(TIME + b" stderr F two words\n")
    assert (entry.time, entry.stream, entry.data) == (TIME.decode(), "stderr", b"two words\n")


def test_a_part_of_a_line_has_no_newline() -> None:
    assert logs.parse_k8s(TIME + b" stdout P half\n").data == b"half"


def test_an_entry_of_dockers_form_is_read() -> None:
    entry = logs.parse_json(b'{"log":"\xc3\xa9\\n","stream":"stdout","time":"2026-11-23T10:00:00Z"}\n')
    assert (entry.stream, entry.data) == ("stdout", "é\n".encode())


@pytest.mark.parametrize("driver", sorted(logs.PARSERS))
@given(line=st.binary(max_size=200))
def test_bytes_that_are_no_entry_are_skipped(driver: str, line: bytes) -> None:
    # Invariant: `entries` yields entries and nothing else happens, whatever a file holds; good ones are never lost.
    good = {"k8s-file": TIME + b" stdout F good\n", "json-file": b'{"log":"good\\n","stream":"stdout","time":"t"}\n'}
    file = io.BytesIO(line.replace(b"\n", b" ") + b"\n" + good[driver])
    assert list(logs.entries(file, logs.PARSERS[driver]))[-1].data == b"good\n"


def test_an_entry_that_is_still_being_written_is_read_when_it_is_whole() -> None:
    file = io.BytesIO(TIME + b" stdout F one\n" + TIME + b" stdout F tw")
    assert [entry.data for entry in logs.entries(file, logs.parse_k8s)] == [b"one\n"]
    position = file.tell()
    file.seek(0, io.SEEK_END)
    file.write(b"o\n")
    file.seek(position)
    assert [entry.data for entry in logs.entries(file, logs.parse_k8s)] == [b"two\n"]


def test_the_tail_counts_lines_and_not_entries() -> None:
    found = [LogLine("", "stdout", data) for data in (b"1\n", b"2a", b"2b\n", b"3\n")]
    assert [entry.data for entry in logs.last_lines(iter(found), 2)] == [b"2a", b"2b\n", b"3\n"]
    assert logs.last_lines(iter(found), 0) == []


@pytest.mark.parametrize(("tail", "lines"), [("all", None), ("", None), ("5", 5), (5, 5), ("-1", None), (0, 0)])
def test_the_tail_is_a_number_or_all(tail: int | str, lines: int | None) -> None:
    assert logs.lines_wanted(tail) == lines


def test_another_tail_is_refused() -> None:
    with pytest.raises(InvalidInput, match='--tail: "many" is neither a number nor all'):
        logs.lines_wanted("many")


@pytest.mark.parametrize("driver", ["k8s-file", "json-file"])
def test_what_a_container_printed_is_kept_with_its_stream(engine: Engine, driver: str) -> None:
    container = engine.create("host", ["sh", "-c", "echo out; echo err >&2; printf end"], log_driver=driver)
    container.start()
    container.wait(timeout=10)
    found = list(container.logs())
    assert b"".join(entry.data for entry in found if entry.stream == "stdout") == b"out\nend"
    assert b"".join(entry.data for entry in found if entry.stream == "stderr") == b"err\n"


def test_a_followed_log_ends_with_the_container(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"], detach=True)
    assert [entry.data for entry in container.logs(follow=True)] == [b"1\n", b"2\n", b"3\n"]


def test_nothing_of_a_rotated_log_is_printed_twice_and_its_end_is_there(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", "for i in $(seq 1 400); do echo line $i; done"], detach=True,
                           log_opt=["max-size=4k", "max-file=3"])  # fmt: skip
    container.wait(timeout=20)
    numbers = [int(entry.data.split()[1]) for entry in container.logs()]
    assert numbers == list(range(numbers[0], 401))
    assert 1 < numbers[0] < 390
    assert [entry.data for entry in container.logs(tail=2)] == [b"line 399\n", b"line 400\n"]


def test_since_and_until_cut_by_time(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", "echo early; sleep 1.2; echo late"], detach=True)
    container.wait(timeout=10)
    entries = list(container.logs())
    middle = str(time.time() - 0.6)
    assert [entry.data for entry in engine.logs(container.id, since=entries[1].time)] == [b"late\n"]
    assert [entry.data for entry in engine.logs(container.id, until=entries[0].time)] == [b"early\n"]
    assert [entry.data for entry in engine.logs(container.id, since="1h", until=middle)] == [b"early\n"]


def test_a_container_without_a_log_says_so(engine: Engine) -> None:
    container = engine.run("host", ["true"], detach=True, log_driver="none")
    with pytest.raises(Unsupported, match="keeps no log"):
        container.logs()
