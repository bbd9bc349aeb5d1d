"""Pushing to a registry that breaks off: what has arrived is not sent again, and what cannot be is one clear line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringfence import Engine
from ringfence.errors import RingfenceError
from ringfence.images.push import push
from ringfence.registry.registries import Registries
from ringfence.registry.session import Patience
from tests.registry.servers import Made, Misbehaving, Request, digest_of
from tests.registry.test_push import local

PART = 50_000


class Receiving(Misbehaving):
    """Takes uploads in parts; `breaks` says of a PATCH, by its number, whether half of it is taken and no answer given,
    `refuses` gives the status of an answer instead."""

    def __init__(self, breaks: Callable[[int], bool], refuses: Callable[[Request], int] = lambda request: 0) -> None:
        super().__init__(Made([{}]), self._take)
        self.breaks = breaks
        self.refuses = refuses
        self.blobs: dict[str, bytes] = {}
        self.upload: dict[str, bytes] = {}
        self.manifests: list[bytes] = []
        self.patches = 0
        self.received = 0

    def _take(self, request: Request) -> None:
        length = int(request.headers["Content-Length"] or 0)
        id = request.path.partition("?")[0].rpartition("/")[2]
        if status := self.refuses(request):
            request.rfile.read(length)
            return request.send(status, b'{"errors":[{"code":"X","message":"not so"}]}')
        if request.command == "PATCH":
            self.patches += 1
            if self.breaks(self.patches):
                self.upload[id] += request.rfile.read(length // 2)
                self.received += length // 2
                request.close_connection = True
                return
        body = request.rfile.read(length)
        self.received += len(body) if "/uploads/" in request.path else 0
        place = {"Location": f"/v2/app/blobs/uploads/{id}", "Range": f"0-{len(self.upload.get(id, b'')) - 1}"}
        if request.path == "/v2/":
            request.send(200)
        elif request.command == "HEAD":
            request.send(200 if id in self.blobs else 404)
        elif request.command == "POST":
            id = os.urandom(4).hex()
            self.upload[id] = b""
            request.send(202, Location=f"/v2/app/blobs/uploads/{id}")
        elif request.command == "PATCH":
            self.upload[id] += body
            request.send(202, **place)  # type: ignore[arg-type]
        elif request.command == "GET":
            request.send(204, **place)  # type: ignore[arg-type]
        elif "/uploads/" in request.path:
            whole = self.upload[id] + body
            self.blobs[digest_of(whole)] = whole
            request.send(201)
        else:
            self.manifests.append(body)
            request.send(201)


def pushed(engine: Engine, home: Path, server: Receiving, told: list[str]) -> Any:
    """Push an image of one layer of some 300 kB."""
    name = f"{server.host}/app:1"
    local(engine, name, large=os.urandom(300_000))
    image = engine.image_store.get(name)
    with Registries({}, str(home), tell=told.append, patience=Patience(2, 0.01), silence=5.0) as client:
        push(engine.image_store, image, client.repository(client.resolve(name)), "1", lambda _: None, part=PART)
    return image


def test_an_upload_that_breaks_goes_on_where_the_registry_stands(client: Engine, home: Path) -> None:
    told: list[str] = []
    with Receiving(lambda number: number in (2, 5)) as server:
        image = pushed(client, home, server, told)

    layer = image.layers[0]
    assert len(server.blobs[str(layer.digest)]) == layer.size
    assert digest_of(server.manifests[0]) == image.digest
    assert server.received <= layer.size + 5000  # the config; nothing twice
    assert len(told) == 2 and all("going on in" in line for line in told)


def test_one_that_always_breaks_is_given_up_in_one_line(client: Engine, home: Path) -> None:
    with Receiving(lambda number: True) as server, pytest.raises(RingfenceError) as caught:
        pushed(client, home, server, [])
    assert str(caught.value).startswith(server.host)
    assert server.manifests == []


@pytest.mark.parametrize(("status", "words"), [(403, "not so"), (413, "not so"), (507, "not so")])
def test_a_refusal_is_one_line(client: Engine, home: Path, status: int, words: str) -> None:
    def refuses(request: Request) -> int:
        return status if request.command in ("PATCH", "PUT") else 0

    with Receiving(lambda number: False, refuses) as server, pytest.raises(RingfenceError, match=words):
        pushed(client, home, server, [])
    assert server.manifests == []
