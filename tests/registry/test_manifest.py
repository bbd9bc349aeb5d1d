"""Manifest lists: made here, pushed with their images, chosen from by others."""

from __future__ import annotations

import json
import subprocess

import pytest

from ringfence import Engine
from ringfence.errors import Conflict, InvalidInput, NotFound
from tests import needs
from tests.cli.driver import Command
from tests.registry.servers import Made, Registry, digest_of, index_of
from tests.registry.test_pull import skopeo_digest


def test_a_list_is_made_pushed_and_chosen_from(command: Command, client: Engine, registry: Registry) -> None:
    """One image is here under another name, one only in another repository of the registry."""
    needs.program("skopeo")
    here, there = Made([{"a": b"here"}]), Made([{"a": b"there"}], architecture="arm64")
    here.put(registry, "lists/here", "1")
    there.put(registry, "lists/there", "1")
    sources = [f"{registry.host}/lists/here:1", f"{registry.host}/lists/there:1"]
    client.pull(sources[0])
    name = f"{registry.host}/lists/both:1"

    assert command.ok("manifest", "create", name, *sources) == f"Created manifest list {name}"
    command.ok("manifest", "annotate", "--variant", "v8", "--annotation", "k=v", name, sources[1])
    digest = command.ok("manifest", "push", "--purge", name)

    assert digest == skopeo_digest(registry, "lists/both:1")
    index = json.loads(command.ok("manifest", "inspect", name))
    assert [(entry["digest"], entry["platform"]) for entry in index["manifests"]] == [
        (digest_of(here.data), {"architecture": "amd64", "os": "linux"}),
        (digest_of(there.data), {"architecture": "arm64", "os": "linux", "variant": "v8"}),
    ]
    assert index["manifests"][1]["annotations"] == {"k": "v"}
    for architecture, image in (("amd64", here), ("arm64", there)):
        seen = subprocess.run(
            ["skopeo", "--override-arch", architecture, "inspect", "--tls-verify=false", "--config",
             f"docker://{name}"], capture_output=True, check=True,
        )  # fmt: skip
        assert json.loads(seen.stdout) == json.loads(image.config)
    (pulled,) = client.pull(name, platform="linux/arm64")
    assert client.image_store.get(pulled["Name"]).digest == digest_of(there.data)
    assert command.run("manifest", "rm", name).status == 1  # --purge has forgotten it


def test_a_list_grows_by_amending_and_adding(client: Engine, registry: Registry) -> None:
    for number in "123":
        Made([{"a": number.encode()}], docker=True).put(registry, "grown", number)
    images = [f"{registry.host}/grown:{number}" for number in "123"]

    client.manifest_create("list:1", images[:1])
    with pytest.raises(Conflict, match="refusing to amend an existing manifest list: list:1"):
        client.manifest_create("list:1", images[1:2])
    client.manifest_create("list:1", images[1:2], amend=True)
    client.manifest_add("list:1", images[2])
    client.manifest_add("list:1", images[2])

    document = client.manifest_inspect("list:1")
    assert document["mediaType"] == "application/vnd.docker.distribution.manifest.list.v2+json"
    assert len(document["manifests"]) == 3
    assert client.manifest_push("list:1", f"{registry.host}/grown:all") == skopeo_digest(registry, "grown:all")
    client.manifest_rm("list:1")
    with pytest.raises(NotFound, match="no such manifest list: list:1"):
        client.manifest_add("list:1", images[0])


def test_what_cannot_be_is_refused(client: Engine, registry: Registry) -> None:
    image = Made([{"a": b"1"}])
    image.put(registry, "refused", "1")
    registry.put_manifest("refused", "list", index_of({"linux/amd64": image}))
    with pytest.raises(InvalidInput, match="is a manifest list itself"):
        client.manifest_create("l:1", [f"{registry.host}/refused:list"])
    with pytest.raises(NotFound, match="not found"):
        client.manifest_create("l:1", [f"{registry.host}/refused:none"])
    client.manifest_create("l:1")
    with pytest.raises(InvalidInput, match="is empty"):
        client.manifest_push("l:1", f"{registry.host}/refused:new")
    with pytest.raises(NotFound, match="l:1: has no image"):
        client.manifest_annotate("l:1", "other")
