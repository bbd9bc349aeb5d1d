"""Registries that die, stall and lie: each is one clear line, nothing wrong is stored, and nothing is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ringfence import Engine
from ringfence.errors import Corrupt, Denied, Failed, NotFound, RingfenceError
from ringfence.images.pull import pull
from ringfence.registry.registries import Registries
from ringfence.registry.session import Patience
from tests.registry.servers import Made, Misbehaving, Request, digest_of

IMAGE = Made([{"big": os.urandom(400_000)}, {"small": b"small"}], how="none")
BIG = digest_of(IMAGE.blobs[0])


class Puller:
    """Pulls with little patience, and keeps what it is told."""

    def __init__(self, engine: Engine, home: Path) -> None:
        self.engine = engine
        self.home = home
        self.told: list[str] = []

    def __call__(self, server: Misbehaving, *, retries: int = 2, silence: float = 5.0) -> str:
        """The digest of what was pulled."""
        patience = Patience(retries, 0.01)
        tell: Callable[[str], None] = self.told.append
        with Registries({}, str(self.home), tell=tell, patience=patience, silence=silence) as client:
            reference = client.resolve(f"{server.host}/app:1")
            return pull(self.engine.image_store, self.engine.snapshots, client, reference, tell=lambda _: None).digest

    def fails(self, server: Misbehaving, **options: Any) -> str:
        """The one line; afterwards there is no image, no snapshot, and no blob that is not what its name says."""
        with pytest.raises(RingfenceError) as caught:
            self(server, **options)
        assert self.engine.image_store.list() == []
        assert not any(snapshot.key.startswith("unpack-") for snapshot in self.engine.snapshots.walk())
        for digest in self.engine.content.digests():
            self.engine.content.verify(digest)
        line = str(caught.value)
        assert "\n" not in line
        self.error = caught.value
        return line.replace(server.host, "HOST")


@pytest.fixture
def puller(client: Engine, home: Path) -> Iterator[Puller]:
    return Puller(client, home)  # type: ignore[return-value]


def blob(request: Request, digest: str = BIG) -> bool:
    return request.path.endswith(digest)


def misbehaving(answer: Callable[[Misbehaving, Request], None], image: Made = IMAGE) -> Misbehaving:
    server = Misbehaving(image)
    server.answer = lambda request: answer(server, request)
    return server


def test_one_that_behaves_is_pulled_from(puller: Puller) -> None:
    with Misbehaving(IMAGE) as server:
        assert puller(server) == digest_of(IMAGE.data)
    assert puller.told == []


def test_bytes_that_are_not_the_blob_are_refused_and_not_kept(puller: Puller) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        data, _ = server.content(request)
        if blob(request):
            return request.send(200, b"x" * len(data))
        server.honestly(request)

    with misbehaving(answer) as server:
        line = puller.fails(server)

    assert isinstance(puller.error, Corrupt)
    assert BIG in line or "tar" in line
    assert not puller.engine.content.exists(BIG)
    assert not any(BIG[7:] in name for name in os.listdir(puller.engine.content.ingesting))


def test_a_manifest_that_is_not_what_its_header_says_is_refused(puller: Puller) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        data, kind = server.content(request)
        if "/manifests/" in request.path:
            return request.send(200, data, Content_Type=kind, Docker_Content_Digest="sha256:" + "0" * 64)
        server.honestly(request)

    with misbehaving(answer) as server:
        assert puller.fails(server) == (
            f"HOST/app:1: the registry sent a manifest with digest {digest_of(IMAGE.data)}"
        )


def test_more_bytes_than_announced_are_refused(puller: Puller) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        data, _ = server.content(request)
        if blob(request):
            return request.send(200, data + b"more")
        server.honestly(request)

    with misbehaving(answer) as server:
        assert "has more bytes than the" in puller.fails(server)


def test_a_blob_that_ends_too_early_is_gone_on_with_and_given_up_when_that_leads_nowhere(puller: Puller) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        data, _ = server.content(request)
        if blob(request):
            start = int((request.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            part = data[start : max(start, 100_000)]
            headers = {"Content_Range": f"bytes {start}-{len(data)}/{len(data)}"} if start else {}
            return request.send(206 if start else 200, part, length=len(part), **headers)
        server.honestly(request)

    with misbehaving(answer) as server:
        line = puller.fails(server)

    assert f"ended after 100000 of {len(IMAGE.blobs[0])} bytes" in line
    assert any("going on in" in told for told in puller.told)


def test_connections_that_break_are_opened_again_where_they_stopped(puller: Puller) -> None:
    """Each request gets 100,000 bytes, and the promise of more."""

    def answer(server: Misbehaving, request: Request) -> None:
        data, _ = server.content(request)
        if blob(request):
            start = int((request.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            part = data[start : start + 100_000]
            headers = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
            return request.send(206 if start else 200, part, length=len(data) - start, **headers)
        server.honestly(request)

    with misbehaving(answer) as server:
        assert puller(server) == digest_of(IMAGE.data)

    starts = [request.headers["Range"] for request in server.seen if blob(request)]
    assert starts == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-", "bytes=400000-"]


def test_a_server_that_knows_no_ranges_is_read_from_the_start_again(puller: Puller) -> None:
    first = [True]

    def answer(server: Misbehaving, request: Request) -> None:
        data, _ = server.content(request)
        if blob(request):
            if first.pop() if first else False:
                return request.send(200, data[:200_000], length=len(data))
            return request.send(200, data)
        server.honestly(request)

    with misbehaving(answer) as server:
        assert puller(server) == digest_of(IMAGE.data)


def test_a_server_that_falls_silent_is_given_up(puller: Puller) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        if blob(request):
            request.send(200, b"x", length=len(IMAGE.blobs[0]))
            request.wfile.flush()
            server.closing.wait(20)
            return
        server.honestly(request)

    with misbehaving(answer) as server:
        started = time.monotonic()
        assert puller.fails(server, retries=1, silence=0.3) == "HOST: no answer for 0.3 s"
        assert time.monotonic() - started < 15


def test_a_server_that_is_not_there_is_told_at_once(puller: Puller) -> None:
    with Misbehaving(IMAGE) as server:
        pass
    assert puller.fails(server) == "HOST: connection refused"


def test_redirects_without_end_are_cut(puller: Puller) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        if blob(request):
            return request.send(307, Location=request.path)
        server.honestly(request)

    with misbehaving(answer) as server:
        assert puller.fails(server).startswith("HOST: leads from one place to another more than 10 times")


def test_credentials_do_not_follow_a_redirect_to_another_server(puller: Puller, home: Path) -> None:
    with Misbehaving(IMAGE) as storage:

        def answer(server: Misbehaving, request: Request) -> None:
            if request.path != "/v2/" and not request.headers["Authorization"]:
                return request.send(401, WWW_Authenticate='Basic realm="x"')
            if "/blobs/" in request.path:
                return request.send(307, Location=f"http://{storage.host}{request.path}")
            server.honestly(request)

        with misbehaving(answer) as server:
            (home / ".docker").mkdir()
            (home / ".docker/config.json").write_text(f'{{"auths": {{"{server.host}": {{"auth": "YTpi"}}}}}}')
            puller(server)
    assert storage.seen and not any(request.headers["Authorization"] for request in storage.seen)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_and_told(puller: Puller, status: int) -> None:
    refusals = [1, 1]

    def answer(server: Misbehaving, request: Request) -> None:
        if "/manifests/" in request.path and refusals:
            refusals.pop()
            return request.send(status, Retry_After="0")
        server.honestly(request)

    with misbehaving(answer) as server:
        assert puller(server) == digest_of(IMAGE.data)
    assert len(puller.told) == 2
    assert all(f"{status}" in line and "trying again in 0 s" in line for line in puller.told)


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"rate limit"}]}', Failed, "429 too many requests"),
        (500, b"", Failed, "500 internal server error"),
        (403, b'{"errors":[{"code":"DENIED","message":"not yours"}]}', Denied, "HOST: not yours"),
        (404, b"<html>\x1b[31m", NotFound, "404 not found"),
        (418, b'{"errors":[{"message":"a\\nb"}]}', Failed, "a\\nb"),
    ],
)
def test_what_does_not_pass_is_one_line(
    puller: Puller, status: int, body: bytes, error: type[RingfenceError], words: str
) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        if "/manifests/" in request.path:
            return request.send(status, body)
        server.honestly(request)

    with misbehaving(answer) as server:
        line = puller.fails(server, retries=1)
    assert isinstance(puller.error, error)
    assert words in line and "\x1b" not in line


def test_one_that_wants_us_to_wait_for_an_hour_is_not_waited_for(puller: Puller) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        if "/manifests/" in request.path:
            return request.send(429, Retry_After="3600")
        server.honestly(request)

    with misbehaving(answer) as server:
        assert puller.fails(server) == "HOST: 429 too many requests (it asks to come back after 3600)"


def test_a_blob_that_is_refused_is_asked_for_no_more_often_than_anything_else(puller: Puller) -> None:
    """Its download goes on where a connection broke; it does not begin anew what was tried again and given up."""

    def answer(server: Misbehaving, request: Request) -> None:
        if blob(request):
            return request.send(500)
        server.honestly(request)

    with misbehaving(answer) as server:
        assert puller.fails(server, retries=2) == "HOST: 500 internal server error"
        assert sum(blob(request) for request in server.seen) == 3
    assert sum("500" in line for line in puller.told) == 2


def test_one_that_wants_us_to_wait_for_an_hour_for_a_blob_is_not_waited_for(puller: Puller) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        if blob(request):
            return request.send(429, Retry_After="3600")
        server.honestly(request)

    with misbehaving(answer) as server:
        assert puller.fails(server) == "HOST: 429 too many requests (it asks to come back after 3600)"
    assert puller.told == []


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schemaVersion": 1}', b"\xff" * 40, b"{}" * 3_000_000])
def test_a_manifest_that_is_none_is_one_line(puller: Puller, data: bytes) -> None:
    def answer(server: Misbehaving, request: Request) -> None:
        if "/manifests/" in request.path:
            return request.send(200, data)
        server.honestly(request)

    with misbehaving(answer) as server:
        assert puller.fails(server).startswith("HOST")


def test_a_layer_that_holds_something_else_than_its_config_says_is_refused(puller: Puller) -> None:
    image = Made([{"a": b"1"}])
    other = Made([{"a": b"2"}])
    image.manifest["layers"] = other.manifest["layers"]
    image.blobs = other.blobs
    with Misbehaving(image) as server:
        assert "the image config says" in puller.fails(server)
