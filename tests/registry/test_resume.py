"""A pull that is killed at any instant is taken up by the next one, which fetches nothing twice but what it must."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from ringfence import Engine
from tests.cli.driver import Command, eventually
from tests.registry.servers import PATIENCE, Made, Misbehaving, Request, digest_of

SIZE = 600_000
IMAGE = Made([{"one": os.urandom(SIZE)}, {"two": os.urandom(SIZE)}], how="none")


class Gated(Misbehaving):
    """Sends blobs up to `limit` bytes in all, and then nothing until the gate opens."""

    def __init__(self, limit: int) -> None:
        super().__init__(IMAGE)
        self.gate = threading.Event()
        self.left = limit
        self.sent = 0
        self.answer = self._slowly
        self._lock = threading.Lock()

    def _slowly(self, request: Request) -> None:
        data, _ = self.content(request)
        if "/blobs/" not in request.path or len(data) < SIZE:
            return self.honestly(request)
        start = int((request.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        request.close_connection = True
        request.send(206 if start else 200, b"", length=len(data) - start, **headers)
        for position in range(start, len(data), 10_000):
            with self._lock:
                self.left -= 10_000
            if self.left < 0 and not self.gate.is_set():
                self.gate.wait(60)
                return
            piece = data[position : position + 10_000]
            request.wfile.write(piece)
            with self._lock:
                self.sent += len(piece)


@pytest.mark.parametrize("limit", [0, 20_000, 150_000, 300_000, 450_000, 600_000, 750_000, 900_000, 1_050_000,
                                   1_190_000])  # fmt: skip
def test_a_pull_that_was_killed_goes_on_where_it_stopped(command: Command, client: Engine, limit: int) -> None:
    whole = sum(len(blob) for blob in IMAGE.blobs)
    with Gated(limit) as server:
        name = f"{server.host}/app:1"
        first = command.start("pull", name)
        arrived = Path(client.root) / "content"
        eventually(lambda: server.left < 0 and stored(arrived) >= min(limit, server.sent) - 20_000, "the gate")
        first.send_signal(signal.SIGKILL)
        first.communicate()
        kept = stored(arrived)
        server.gate.set()
        before = server.sent
        command.ok("pull", "-q", name)

    assert client.image_store.get(name).digest == digest_of(IMAGE.data)
    assert server.sent - before <= whole - kept + 20_000
    assert os.listdir(client.content.ingesting) == []
    for digest in client.content.digests():
        client.content.verify(digest)
    client.system_prune()
    assert not any(snapshot.key.startswith("unpack-") for snapshot in client.snapshots.walk())


def test_ctrl_c_leaves_a_pull_to_go_on_from(command: Command, client: Engine) -> None:
    with Gated(700_000) as server:
        name = f"{server.host}/app:1"
        first = command.start("pull", name)
        arrived = Path(client.root) / "content"
        eventually(lambda: server.left < 0 and stored(arrived) >= server.sent - 20_000, "the gate")
        first.send_signal(signal.SIGINT)
        first.communicate()
        assert first.returncode == 130
        before, kept = server.sent, stored(arrived)
        assert kept > 600_000
        server.gate.set()
        command.ok("pull", "-q", name)
    assert server.sent - before <= sum(len(blob) for blob in IMAGE.blobs) - kept + 20_000


def test_what_a_killed_pull_has_received_is_counted_when_it_is_pruned(command: Command, client: Engine) -> None:
    with Gated(700_000) as server:
        first = command.start("pull", f"{server.host}/app:1")
        eventually(lambda: server.left < 0, "the gate")
        first.send_signal(signal.SIGKILL)
        first.communicate()
        server.gate.set()
    content = Path(client.root) / "content"
    received = stored(content)
    unpacked = sum(client.snapshots.usage(one.key).size for one in client.snapshots.walk())
    assert received > 5000
    assert client.system_prune()["SpaceReclaimed"] >= received + unpacked
    assert stored(content) == 0


def test_ctrl_c_ends_what_waits_for_layers_that_do_not_come(command: Command) -> None:
    """Each layer is waited for by another thread; only one of them hears of the interruption."""
    image = Made([{f"file{number}": os.urandom(300_000)} for number in range(4)])
    waiting = threading.Barrier(4)  # three layers come at once, and the test

    class Stalled(Misbehaving):
        def stall(self, request: Request) -> None:
            if request.path.endswith(tuple(digest_of(layer) for layer in image.blobs)):
                request.send(200, b"x", length=300_000)
                request.wfile.flush()
                waiting.wait(PATIENCE)
                self.closing.wait(3 * PATIENCE)
            else:
                self.honestly(request)

    with Stalled(image) as server:
        server.answer = server.stall
        pulling = command.start("pull", f"{server.host}/app:1")
        waiting.wait(PATIENCE)
        pulling.send_signal(signal.SIGINT)
        pulling.communicate(timeout=PATIENCE)
        assert pulling.returncode == 130


def test_bytes_that_were_damaged_meanwhile_are_fetched_anew(command: Command, client: Engine) -> None:
    with Misbehaving(IMAGE) as server, client.content.lease():
        blob = digest_of(IMAGE.blobs[0])
        Path(client.content.ingesting, blob.replace(":", "-")).write_bytes(b"wrong" * 1000)
        out = command.ok("pull", f"{server.host}/app:1")
    assert "fetching it anew" in out
    assert client.image_store.get(f"{server.host}/app:1").digest == digest_of(IMAGE.data)


def stored(directory: Path) -> int:
    """Bytes of the large blobs that are there, whole or in part."""
    files = [*directory.glob("ingest/sha256-*"), *directory.glob("blobs/*/*")]
    return sum(size for path in files if (size := path.stat().st_size) > 5000 or "ingest" in str(path))
