"""The content store holds what its names promise, whoever is killed at whatever moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.content.store import ContentStore, chunks
from ringfence.errors import Conflict, Corrupt, Failed, InvalidInput, NotFound
from ringfence.oci.digest import Digest
from tests import needs

HELLO = Digest.of(b"hello")
# Stores blobs of random size for ever; its argument is the data directory.
INGESTER = """
import os, random, sys
from ringfence.content.store import ContentStore
store = ContentStore(sys.argv[1])
while True:
    store.ingest(os.urandom(65536) for _ in range(random.randrange(40)))
"""


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path)


def leftovers(store: ContentStore, tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "content" / "ingest")


def test_a_blob_is_stored_under_its_digest(store: ContentStore, tmp_path: Path) -> None:
    blob = store.ingest([b"hel", b"", b"lo"])
    assert (blob.digest, blob.size) == (HELLO, 5)
    assert store.read(HELLO) == b"hello"
    assert (tmp_path / "content/blobs/sha256" / HELLO.hex).read_bytes() == b"hello"
    assert (store.exists(HELLO), store.size(HELLO), list(store.digests()), store.verify(HELLO)) == (True, 5, [HELLO], 5)
    with store.open(HELLO) as file:
        assert b"".join(chunks(file)) == b"hello"
    assert leftovers(store, tmp_path) == []


def test_the_announced_algorithm_is_the_one_that_is_used(store: ContentStore) -> None:
    import hashlib

    digest = "sha512:" + hashlib.sha512(b"hello").hexdigest()
    assert store.ingest([b"hello"], digest).digest == digest
    assert store.read(digest) == b"hello"


@pytest.mark.parametrize(
    ("data", "size", "problem"),
    [
        (b"hello!", None, "the content has digest sha256:"),
        (b"hell", 5, "has only 4 bytes where 5 were announced"),
        (b"hello!", 5, "has more bytes than the 5 announced"),
        (b"", 5, "has only 0 bytes"),
    ],
)
def test_other_content_than_announced_is_not_stored(
    store: ContentStore, tmp_path: Path, data: bytes, size: int | None, problem: str
) -> None:
    with pytest.raises(Corrupt, match=f"^{HELLO}: {problem}"):
        store.ingest([data], HELLO, size)
    assert list(store.digests()) == []
    assert leftovers(store, tmp_path) == []


def test_a_source_that_fails_leaves_nothing(store: ContentStore, tmp_path: Path) -> None:
    def source() -> Iterator[bytes]:
        yield b"hel"
        raise KeyError("network")

    with pytest.raises(KeyError):
        store.ingest(source())
    assert list(store.digests()) == []
    assert leftovers(store, tmp_path) == []


def test_a_full_disk_is_one_clear_error_and_nothing_is_stored(tmp_path: Path) -> None:
    needs.root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path], check=True)
    try:
        store = ContentStore(tmp_path)
        with pytest.raises(Failed, match=r"^storing a blob: no space left on device$"):
            store.ingest([b"x" * 65536] * 4)
        assert list(store.digests()) == []
        assert leftovers(store, tmp_path) == []
        assert store.ingest([b"hello"]).digest == HELLO
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_damage_on_the_disk_is_found_and_mended_by_storing_again(store: ContentStore) -> None:
    store.ingest([b"hello"])
    Path(store.path(HELLO)).write_bytes(b"jello")
    with pytest.raises(Corrupt, match=f"^{HELLO}: the content has digest"):
        store.verify(HELLO)
    with pytest.raises(Corrupt):
        store.read(HELLO)
    store.ingest([b"hello"], HELLO)
    assert store.verify(HELLO) == 5


def test_what_is_not_there_is_named_and_what_is_no_digest_refused(store: ContentStore) -> None:
    for ask in (store.open, store.read, store.size, store.verify):
        with pytest.raises(NotFound, match=f"^no such blob: {HELLO}$"):
            ask(HELLO)
    with pytest.raises(InvalidInput):
        store.open("sha256:../../../etc/passwd")
    store.delete(HELLO)


def test_collecting_keeps_what_is_used(store: ContentStore, tmp_path: Path) -> None:
    store.ingest([b"hello"])
    rubbish = store.ingest([b"rubbish"])
    (tmp_path / "content/ingest/left-by-a-killed-process").write_bytes(b"x")
    with store.collecting():
        removed, space = store.collect({HELLO})
    assert [blob.digest for blob in removed] == [rubbish.digest]
    assert space == len(b"rubbish") + len(b"x")
    assert list(store.digests()) == [HELLO]
    assert leftovers(store, tmp_path) == []


def test_a_lease_keeps_the_collector_away_until_it_ends(store: ContentStore, tmp_path: Path) -> None:
    with store.lease(), store.lease():
        with pytest.raises(Conflict, match="in use by another process"), store.collecting(wait=False):
            pass
        entered = threading.Event()

        def collect() -> None:
            with ContentStore(tmp_path).collecting():
                entered.set()

        collector = threading.Thread(target=collect)
        collector.start()
        assert not entered.wait(0.2)
    collector.join(5)
    assert entered.is_set()


def test_turns_at_the_same_digest_exclude_one_another(store: ContentStore, tmp_path: Path) -> None:
    order: list[str] = []

    def other() -> None:
        with ContentStore(tmp_path).turn(HELLO):
            order.append("second")

    with store.turn(HELLO):
        thread = threading.Thread(target=other)
        thread.start()
        with ContentStore(tmp_path).turn(Digest.of(b"another")):
            time.sleep(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_processes_killed_at_any_moment_leave_only_whole_blobs(store: ContentStore, tmp_path: Path) -> None:
    for _ in range(6):
        processes = [subprocess.Popen([sys.executable, "-c", INGESTER, str(tmp_path)]) for _ in range(2)]
        time.sleep(random.uniform(0.1, 0.4))
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
    found = list(store.digests())
    assert found
    for digest in found:
        store.verify(digest)
    with store.collecting(wait=False):
        store.collect(found)
    assert leftovers(store, tmp_path) == []
    assert sorted(store.digests()) == sorted(found)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(0, 300), st.binary(max_size=300))
def test_only_content_of_the_announced_digest_and_size_is_stored(
    pieces: list[bytes], size: int, announced: bytes
) -> None:
    # Invariant: after ingest the blob is there with the announced digest and size, or nothing is.
    data = b"".join(pieces)
    with TemporaryDirectory() as directory:
        store = ContentStore(directory)
        try:
            store.ingest(pieces, Digest.of(announced), size)
        except Corrupt:
            assert (data, len(data)) != (announced, size)
            assert list(store.digests()) == []
        else:
            assert (data, len(data)) == (announced, size)
            assert store.read(Digest.of(announced)) == announced
