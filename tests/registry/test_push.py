"""Pushing to a real registry, with skopeo as the judge of what is there then."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ringfence import Engine
from ringfence.engine import registries
from ringfence.errors import InvalidInput, NotFound
from ringfence.images.push import push
from tests import needs
from tests.cli.driver import Command
from tests.registry.servers import Made, Registry, digest_of, tar_of
from tests.registry.test_pull import skopeo_digest


def local(engine: Engine, name: str, **files: bytes) -> None:
    """An image of this machine with one layer."""
    engine.import_image(io.BytesIO(tar_of({"which": name.encode(), **files})), name)


def statuses(events: list[dict[str, Any]]) -> list[str]:
    return [event["status"] for event in events if event.get("id") and event["status"] not in ("Preparing", "Pushing")]


def test_what_is_pushed_has_the_digest_that_it_has_here_and_comes_back_the_same(
    client: Engine, registry: Registry, tmp_path: Path
) -> None:
    name = f"{registry.host}/pushed:1"
    local(client, name)
    image = client.image_store.get(name)
    events: list[dict[str, Any]] = []

    (pushed,) = client.push(name, tell=events.append)

    assert pushed["Digest"] == image.digest == skopeo_digest(registry, "pushed:1")
    assert statuses(events) == ["Pushed"]
    copied = subprocess.run(
        ["skopeo", "copy", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/copy"], capture_output=True
    )
    assert copied.returncode == 0, copied.stderr
    client.rmi(name)
    assert client.pull(name)[0]["Digest"] == image.digest


def test_what_is_there_is_not_sent_again_and_what_a_neighbour_has_is_mounted(
    client: Engine, registry: Registry
) -> None:
    first, second = f"{registry.host}/mine:1", f"{registry.host}/yours:1"
    local(client, first)
    client.tag(first, second)

    told: list[list[str]] = []
    for name in (first, first, second):
        events: list[dict[str, Any]] = []
        client.push(name, tell=events.append)
        told.append(statuses(events))

    assert told == [["Pushed"], ["Layer already exists"], ["Mounted from mine"]]
    assert skopeo_digest(registry, "yours:1") == client.image_store.get(second).digest


def test_a_large_layer_goes_in_parts(client: Engine, registry: Registry) -> None:
    name = f"{registry.host}/parts:1"
    local(client, name, large=os.urandom(300_000))
    image = client.image_store.get(name)
    with registries.connect(client, {}, registries.silent) as connected:
        repository = connected.repository(connected.resolve(name))
        assert push(client.image_store, image, repository, "1", registries.silent, part=65536).digest == image.digest
    assert skopeo_digest(registry, "parts:1") == image.digest


def test_all_tags_are_pushed(client: Engine, registry: Registry) -> None:
    for tag in ("a", "b"):
        local(client, f"{registry.host}/all:{tag}")
    assert [each["Tag"] for each in client.push(f"{registry.host}/all", all_tags=True)] == ["a", "b"]
    needs.program("skopeo")
    listed = subprocess.run(
        ["skopeo", "list-tags", "--tls-verify=false", f"docker://{registry.host}/all"], capture_output=True, check=True
    )
    assert sorted(json.loads(listed.stdout)["Tags"]) == ["a", "b"]


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "schema2"])
def test_a_pulled_image_is_pushed_as_it_was(client: Engine, registry: Registry, docker: bool) -> None:
    made = Made([{"a": b"1"}, {"b": b"2"}], docker=docker)
    made.put(registry, f"origin{docker}".lower(), "1")
    source, target = f"{registry.host}/origin{docker}:1".lower(), f"{registry.host}/target{docker}:1".lower()
    client.pull(source)
    client.tag(source, target)
    events: list[dict[str, Any]] = []
    client.push(target, tell=events.append)
    assert skopeo_digest(registry, f"target{docker}:1".lower()) == digest_of(made.data)
    assert {words.partition(" ")[0] for words in statuses(events)} == {"Mounted"}


def test_the_command_prints_what_docker_prints(command: Command, client: Engine, registry: Registry) -> None:
    name = f"{registry.host}/told"
    local(client, f"{name}:latest")
    image = client.image_store.get(f"{name}:latest")
    layer = str(image.layers[0].digest)[7:19]
    assert command.ok("push", name).splitlines() == [
        "Using default tag: latest",
        f"The push refers to repository [{name}]",
        f"{layer}: Preparing",
        f"{layer}: Pushed",
        f"latest: digest: {image.digest} size: {image.descriptor.size}",
    ]
    assert command.ok("image", "push", "-q", name) == f"{name}:latest"


def test_what_cannot_be_pushed_is_refused(client: Engine, registry: Registry) -> None:
    with pytest.raises(NotFound, match="no such image"):
        client.push(f"{registry.host}/nothing")
    with pytest.raises(InvalidInput, match="cannot push a digest reference"):
        client.push(f"{registry.host}/nothing@sha256:{'0' * 64}")


def test_an_image_is_pushed_somewhere_else_than_its_name_says(command: Command, client: Engine, registry: Registry,
                                                              tmp_path: Path) -> None:  # fmt: skip
    local(client, "elsewhere:1", file=b"content")
    digest = client.image_store.get("elsewhere:1").digest
    target = f"{registry.host}/team/elsewhere:2"

    told = command.ok("push", "--digestfile", str(tmp_path / "digest"), "elsewhere:1", f"docker://{target}")

    assert f"The push refers to repository [{registry.host}/team/elsewhere]" in told
    assert (tmp_path / "digest").read_text() == digest == skopeo_digest(registry, "team/elsewhere:2")
    assert "is no registry" in command.run("push", "elsewhere:1", "oci:/tmp/x").err


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_layers_are_compressed_if_asked_for_always_to_the_same_bytes(
    client: Engine, registry: Registry, compression: str
) -> None:
    name = f"{registry.host}/compressed-{compression}:1"
    local(client, name, zeros=bytes(1_000_000))
    diff_ids = client.image_store.get(name).diff_ids

    ((first,), (second,)) = [client.push(name, compression=compression) for _ in range(2)]
    client.rmi(name)
    (pulled,) = client.pull(name)

    there = skopeo_digest(registry, f"compressed-{compression}:1")
    assert {first["Digest"], second["Digest"], pulled["Digest"]} == {there}
    image = client.image_store.get(name)
    assert image.diff_ids == diff_ids and image.layers[0].media_type.endswith(f"+{compression}")
    assert image.layers[0].size < 20_000
