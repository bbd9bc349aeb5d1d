"""Pulling from a real registry: every form of image, by every kind of name, verified and unpacked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ringfence import Engine
from ringfence.errors import InvalidInput, NotFound
from tests import needs
from tests.cli.driver import COMMAND, Command
from tests.registry.servers import Made, Registry, digest_of, index_of

FILES = [{"etc/name": b"lower", "bin/tool": b"x" * 70000}, {"etc/name": b"upper"}]


def tree(engine: Engine, name: str) -> Path:
    return Path(engine.snapshots.layer_path(engine.image_store.get(name).top))


def skopeo_digest(registry: Registry, name: str) -> str:
    needs.program("skopeo")
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/{name}"],
        capture_output=True, check=True,
    )  # fmt: skip
    return digest_of(done.stdout)


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "schema2"])
@pytest.mark.parametrize("how", ["gzip", "zstd", "none"])
def test_layers_of_every_compression_are_pulled(client: Engine, registry: Registry, how: str, docker: bool) -> None:
    name = f"forms/{how}-{docker}".lower()
    digest = Made(FILES, how=how, docker=docker).put(registry, name, "1")

    (pulled,) = client.pull(f"{registry.host}/{name}:1")

    assert pulled["Digest"] == digest == skopeo_digest(registry, f"{name}:1")
    assert pulled["Fresh"]
    assert (tree(client, pulled["Name"]) / "etc/name").read_bytes() == b"upper"
    assert client.image_store.get(pulled["Name"]).digest == digest
    assert list((Path(client.root) / "content/ingest").iterdir()) == []


def test_a_platform_is_chosen_from_an_index(client: Engine, registry: Registry) -> None:
    images = {f"linux/{arch}": Made([{"arch": arch.encode()}], architecture=arch) for arch in ("amd64", "arm64")}
    for image in images.values():
        image.put(registry, "many")
    digest = registry.put_manifest("many", "1", index_of(images))

    (pulled,) = client.pull(f"{registry.host}/many:1", platform="linux/arm64")

    assert pulled["Digest"] == digest
    assert client.image_store.get(pulled["Name"]).digest == digest_of(images["linux/arm64"].data)
    assert (tree(client, pulled["Name"]) / "arch").read_bytes() == b"arm64"
    with pytest.raises(NotFound, match=r"has no image for linux/s390x \(there are: linux/amd64, linux/arm64\)"):
        client.pull(f"{registry.host}/many:1", platform="linux/s390x")


def test_by_digest_an_image_gets_no_tag_and_is_found_by_that_digest(client: Engine, registry: Registry) -> None:
    image = Made([{"a": b"1"}])
    image.put(registry, "pinned", "1")
    index = registry.put_manifest("pinned", "list", index_of({"linux/amd64": image}, docker=True))

    for digest in (digest_of(image.data), index):
        name = f"{registry.host}/pinned@{digest}"
        client.pull(name, platform="linux/amd64")
        assert client.image_store.get(name).digest == digest_of(image.data)
        assert client.inspect(name, type="image")["Digest"] == digest_of(image.data)  # podman's word for it

    assert client.images()[0]["RepoTags"] == []


def test_all_tags_of_a_repository(client: Engine, registry: Registry) -> None:
    for tag in ("1", "2", "three"):
        Made([{"tag": tag.encode()}]).put(registry, "tagged", tag)

    pulled = client.pull(f"{registry.host}/tagged", all_tags=True)

    assert [each["Name"].rpartition(":")[2] for each in pulled] == ["1", "2", "three"]
    with pytest.raises(InvalidInput, match="tag can't be used with --all-tags"):
        client.pull(f"{registry.host}/tagged:1", all_tags=True)


def test_the_command_prints_what_docker_prints(command: Command, registry: Registry) -> None:
    image = Made([{"a": b"printed"}])
    digest = image.put(registry, "printed", "latest")
    name, layer = f"{registry.host}/printed", digest_of(image.blobs[0])[7:19]

    assert command.ok("pull", name).splitlines() == [
        "Using default tag: latest",
        "latest: Pulling from printed",
        f"{layer}: Pulling fs layer",
        f"{layer}: Verifying Checksum",
        f"{layer}: Download complete",
        f"{layer}: Pull complete",
        f"Digest: {digest}",
        f"Status: Downloaded newer image for {name}:latest",
        f"{name}:latest",
    ]
    assert f"Status: Image is up to date for {name}:latest" in command.ok("pull", name)
    assert command.ok("image", "pull", "-q", name) == f"{name}:latest"


def test_at_a_terminal_there_are_bars(command: Command, registry: Registry) -> None:
    Made([{"a": b"barred"}]).put(registry, "barred", "1")
    with command.terminal("pull", f"{registry.host}/barred:1") as terminal:
        terminal.expect("Pulling from barred")
        terminal.expect("━")
        terminal.expect("Status: Downloaded newer image")
        assert terminal.end() == 0


def test_pulls_within_a_build_have_bars_at_a_terminal_above_which_its_lines_stand(
    command: Command, registry: Registry, tmp_path: Path
) -> None:
    for name in ("bars-one", "bars-two"):
        Made([{name: name.encode()}]).put(registry, name, "1")
    stages = "".join(f"FROM {registry.host}/{name}:1 AS {name}\n" for name in ("bars-one", "bars-two"))
    (tmp_path / "Dockerfile").write_text(f"{stages}FROM scratch\nCOPY --from=bars-one / /\nCOPY --from=bars-two / /\n")
    with command.terminal("build", "-t", "barred", str(tmp_path)) as terminal:
        terminal.expect("Pulling from bars-")
        terminal.expect("━")
        terminal.expect("tagged barred:latest")
        assert terminal.end() == 0


def test_a_tag_that_moved_is_pulled_again_and_the_old_image_stays_without_a_name(
    client: Engine, registry: Registry
) -> None:
    name = f"{registry.host}/moving:1"
    Made([{"v": b"old"}]).put(registry, "moving", "1")
    client.pull(name)
    old = client.image_store.get(name)
    Made([{"v": b"new"}]).put(registry, "moving", "1")

    assert client.create(name, ["x"], network="none", pull="missing").id
    assert client.image_store.get(name).id == old.id
    (pulled,) = client.pull(name)

    assert pulled["Fresh"] and pulled["Id"] != old.id
    assert client.image_store.get(old.id).names == []
    for container in client.ps(all=True):
        client.rm(container["Id"])


def test_a_missing_image_is_pulled_for_a_container_as_pull_says(command: Command, registry: Registry) -> None:
    name = f"{registry.host}/wanted:1"
    Made([{"a": b"wanted"}]).put(registry, "wanted", "1")

    refused = command.run("create", "--network", "none", "--pull", "never", name, "x")
    created = command.run("create", "--network", "none", name, "x")
    quiet = command.run("create", "--network", "none", "--pull", "always", "-q", name, "x")

    assert (refused.status, refused.err) == (1, f"ringfence: no such image: {name}\n")
    assert created.status == 0 and f"Status: Downloaded newer image for {name}" in created.err
    assert len(created.out.strip()) == 64
    assert (quiet.status, quiet.err) == (0, "")
    assert command.run("create", "--network", "none", "--pull", "newer", f"{registry.host}/no:1", "x").status == 1
    command.ok("rm", *command.ok("ps", "-aq").split())


def test_what_is_not_there_is_one_clear_line(command: Command, registry: Registry) -> None:
    done = command.run("pull", f"{registry.host}/nothing:1")
    assert done.status == 1
    assert done.err == (
        f"ringfence: {registry.host}/nothing:1: not found in the registry: {registry.host}: manifest unknown "
        f"(or it is private: log in with: ringfence login {registry.host})\n"
    )


@pytest.mark.parametrize("how", ["gzip", "none"])
def test_a_pull_takes_little_memory_whatever_a_layer_weighs(command: Command, registry: Registry, how: str) -> None:
    Made([{"heavy": bytes(200 << 20)}], how=how).put(registry, f"heavy-{how}", "1")
    # By a small process between: Linux counts what a process was before it became another program (getrusage(2)).
    between = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    pulling = [*COMMAND, "pull", "-q", f"{registry.host}/heavy-{how}:1"]
    done = subprocess.run(
        [sys.executable, "-c", between, *pulling], env=command.environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[-1]) < 150 << 10  # KiB


def test_an_image_for_another_platform_than_was_asked_for_is_told(command: Command, registry: Registry) -> None:
    Made([{"f": b"for amd64"}]).put(registry, "mismatched", "1")
    told = command.ok("pull", "--arch", "riscv64", f"{registry.host}/mismatched:1")
    assert "WARNING: image platform (linux/amd64) does not match the expected platform (linux/riscv64)" in told


@pytest.mark.parametrize(
    ("here", "suiting", "others"),
    [
        ("arm/v6", ("arm/v6", "arm/v7", "arm"), ("arm/v5", "arm64")),
        ("arm", ("arm", "arm/v7", "armhf"), ("arm/v6", "armel")),
        ("arm64", ("arm64", "arm64/v8", "aarch64"), ("arm", "arm/v7")),
        ("arm64/v8", ("arm64", "arm64/v8"), ("arm/v8",)),
    ],
)
def test_an_image_that_is_here_is_taken_for_its_own_variant_and_greater_ones_alone(
    client: Engine, registry: Registry, here: str, suiting: tuple[str, ...], others: tuple[str, ...]
) -> None:
    """As containerd's `platforms.Only`; an image that does not say its variant is of the usual one."""
    architecture, _, variant = here.partition("/")
    name = f"{registry.host}/variants:1"
    Made([{"f": b""}], architecture=architecture, variant=variant).put(registry, "variants", "1")
    client.pull(name)
    for platform in suiting:
        client.create(name, pull="never", platform=f"linux/{platform}").remove()
    for platform in others:
        with pytest.raises(NotFound, match=f"no such image: {name} for linux/{platform} "):
            client.create(name, pull="never", platform=f"linux/{platform}")
