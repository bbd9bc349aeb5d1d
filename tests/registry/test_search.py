"""What a registry lists: repositories by a word, tags, and what refers to an image."""

from __future__ import annotations

import json

import pytest

from ringfence import Engine
from ringfence.errors import Denied, InvalidInput
from tests.cli.driver import Command
from tests.registry.servers import OCI, Made, Misbehaving, Registry, Request, digest_of

IMAGE = Made([{"a": b"1"}])


def test_repositories_are_found_by_a_word_of_their_names(command: Command, registry: Registry) -> None:
    for name in ("find/red-apple", "find/green-apple", "find/pear"):
        IMAGE.put(registry, name, "1")

    out = command.ok("search", f"{registry.host}/apple")

    assert out.splitlines()[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert names == [f"{registry.host}/find/green-apple", f"{registry.host}/find/red-apple"]
    assert command.ok("search", "--limit", "1", "--format", "{{.Name}}", f"{registry.host}/apple") == names[0]


def test_tags_are_listed(command: Command, registry: Registry) -> None:
    for tag in ("1.10", "1.9", "latest"):
        IMAGE.put(registry, "listed/tagged", tag)

    out = command.ok("search", "--list-tags", f"{registry.host}/listed/tagged")

    assert [line.split() for line in out.splitlines()] == [
        ["NAME", "TAG"], *([f"{registry.host}/listed/tagged", tag] for tag in ("1.10", "1.9", "latest"))
    ]  # fmt: skip
    assert command.run("search", "--list-tags", f"{registry.host}/listed/tagged:1.9").status == 1


def test_a_registry_with_a_search_of_its_own_is_asked_for_it(client: Engine) -> None:
    results = [{"name": "library/x", "description": "An x", "star_count": 3, "is_official": True}, {"name": "me/x"}]

    def answer(request: Request) -> None:
        if request.path.startswith("/v1/search?"):
            return request.send(200, json.dumps({"results": results}).encode())
        server.honestly(request)

    with Misbehaving(IMAGE, answer) as server:
        found = client.search(f"{server.host}/x")
        asked = next(request.path for request in server.seen if request.path.startswith("/v1/"))

    assert asked == "/v1/search?q=x&n=25"
    assert found == [
        {"Name": f"{server.host}/library/x", "Description": "An x", "StarCount": 3, "IsOfficial": True},
        {"Name": f"{server.host}/me/x", "Description": "", "StarCount": 0, "IsOfficial": False},
    ]


def test_a_registry_that_lists_nothing_says_so(client: Engine) -> None:
    with Misbehaving(IMAGE) as server, pytest.raises(Denied, match="can neither be searched nor lists"):
        client.search(f"{server.host}/x")


def test_a_list_in_another_form_is_one_clear_line(client: Engine) -> None:
    def answer(request: Request) -> None:
        request.send(200, b'{"results": [{"name": 3}], "tags": [{}]}')

    with Misbehaving(IMAGE, answer) as server:
        for ask in (client.search, client.tags):
            with pytest.raises(InvalidInput, match=r"must be a string"):
                ask(f"{server.host}/x")


def test_what_refers_to_an_image_is_told(command: Command, registry: Registry) -> None:
    """By the tag schema, for docker-registry 2 has no referrers API (distribution-spec, "Referrers Tag Schema")."""
    subject = IMAGE.put(registry, "signed", "1")
    name = f"{registry.host}/signed:1"
    assert json.loads(command.ok("manifest", "referrers", name)) == []

    entry = {"mediaType": f"{OCI}.manifest.v1+json", "digest": subject, "size": len(IMAGE.data), "artifactType": "a/b"}
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [entry]}
    registry.put_manifest("signed", subject.replace(":", "-"), index)
    assert json.loads(command.ok("manifest", "referrers", name)) == [entry]

    assert subject == digest_of(IMAGE.data)
