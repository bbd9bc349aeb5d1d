"""What we save, skopeo, umoci and podman read with the same digests; what they save, we do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ringfence.images.commit import commit
from ringfence.images.image import Image
from ringfence.images.load import load
from ringfence.images.save import save
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.oci.digest import Digest
from ringfence.snapshots import Snapshotter
from tests import needs
from tests.images.conftest import Podman, make_image, raw_manifest, run, stored, tarball, unpacked_archive


@pytest.fixture
def layered(store: ImageStore, image: Image) -> Image:
    """An image of two layers, named app:1."""

    diff = tarball({"etc/added": b"new\n", "etc/.wh.hostname": b""})
    made = stored(store, diff)
    return commit(store, image, made, name="app:1", message="test", author="somebody", changes=["ENV B=2"])


def digests(manifest: dict[str, object]) -> tuple[str, list[str]]:
    config, layers = manifest["config"], manifest["layers"]
    assert isinstance(config, dict) and isinstance(layers, list)
    return config["digest"], [layer["digest"] for layer in layers]


@pytest.mark.parametrize("format", ["docker-archive", "oci-archive", "oci-dir"])
def test_skopeo_reads_what_we_save(store: ImageStore, layered: Image, tmp_path: Path, format: str) -> None:
    needs.program("skopeo")
    if format == "oci-archive":
        needs.root()  # skopeo gives what it takes out of such an archive to its owner there
    out = str(tmp_path / "out")
    save(store, ["app:1"], out, format)
    reference = {
        "docker-archive": f"docker-archive:{out}:app:1",
        "oci-archive": f"oci-archive:{out}:1",
        "oci-dir": f"oci:{out}:1",
    }
    seen = raw_manifest(reference[format])
    assert digests(seen) == (layered.id, [layer.digest for layer in layered.layers])
    if format != "docker-archive":  # which has no manifest of its own
        raw = run("skopeo", "inspect", "--raw", reference[format])
        assert Digest.of(raw.encode()) == layered.digest


def test_a_docker_archive_of_ours_is_an_oci_archive_too(store: ImageStore, layered: Image, tmp_path: Path) -> None:
    needs.program("skopeo")
    needs.root()
    save(store, ["app:1"], str(tmp_path / "out"))
    raw = run("skopeo", "inspect", "--raw", f"oci-archive:{tmp_path}/out:1")
    assert Digest.of(raw.encode()) == layered.digest


def test_umoci_reads_and_unpacks_what_we_save(store: ImageStore, layered: Image, tmp_path: Path) -> None:
    needs.root()
    needs.program("umoci")
    save(store, ["app:1"], str(tmp_path / "out"), "oci-dir")
    stat = json.loads(run("umoci", "stat", "--json", "--image", f"{tmp_path}/out:1"))
    assert [step["layer"]["digest"] for step in stat["history"]] == [layer.digest for layer in layered.layers]
    run("umoci", "raw", "unpack", "--image", f"{tmp_path}/out:1", str(tmp_path / "root"))
    assert (tmp_path / "root/etc/added").read_text() == "new\n"
    assert not (tmp_path / "root/etc/hostname").exists()


@pytest.mark.parametrize("format", ["docker-archive", "oci-archive"])
def test_podman_loads_what_we_save(
    store: ImageStore, layered: Image, tmp_path: Path, podman: Podman, format: str
) -> None:
    save(store, ["app:1"], str(tmp_path / "out"), format)
    assert "docker.io/library/app:1" in podman("load", "-i", str(tmp_path / "out"))
    assert podman.image_id("app:1") == layered.id


@pytest.mark.parametrize("format", ["docker-archive", "oci-archive", "oci-dir"])
def test_we_load_what_podman_saves(
    store: ImageStore, layered: Image, tmp_path: Path, podman: Podman, snapshotter: Snapshotter, format: str
) -> None:
    save(store, ["app:1"], str(tmp_path / "ours"))
    podman("load", "-i", str(tmp_path / "ours"))
    podman("tag", "app:1", "x.io/theirs:2")
    podman("save", "--format", format, "-o", str(tmp_path / "theirs"), "x.io/theirs:2")
    fresh = ImageStore(tmp_path / "fresh")
    names = load(fresh, str(tmp_path / "theirs"))
    assert names == ["x.io/theirs:2"]
    loaded = fresh.get("x.io/theirs:2")
    assert loaded.diff_ids == layered.diff_ids
    assert loaded.config["config"] == layered.config["config"]
    if format == "docker-archive":
        assert loaded.id == layered.id
    else:
        kind = "oci-archive" if format == "oci-archive" else "oci"
        raw = run("skopeo", "inspect", "--raw", f"{kind}:{tmp_path}/theirs:x.io/theirs:2")
        assert loaded.digest == Digest.of(raw.encode())
    assert unpack(loaded, fresh.content, snapshotter) == layered.top
    fresh.close()


@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive", "oci"])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_we_load_what_skopeo_writes(
    store: ImageStore, layered: Image, tmp_path: Path, transport: str, compression: str
) -> None:
    needs.program("skopeo")
    save(store, ["app:1"], str(tmp_path / "ours"), "oci-dir")
    target = f"{transport}:{tmp_path}/theirs:x.io/app:3"
    run("skopeo", "copy", "--dest-compress-format", compression, f"oci:{tmp_path}/ours:1", target)
    fresh = ImageStore(tmp_path / "fresh")
    assert load(fresh, str(tmp_path / "theirs")) == ["x.io/app:3"]
    loaded = fresh.get("x.io/app:3")
    assert loaded.diff_ids == layered.diff_ids
    if transport != "docker-archive":
        assert loaded.digest == Digest.of(run("skopeo", "inspect", "--raw", target).encode())
    fresh.close()


def test_we_load_what_umoci_makes(store: ImageStore, tmp_path: Path, snapshotter: Snapshotter) -> None:
    needs.root()
    needs.program("umoci")
    image = f"{tmp_path}/layout:x.io/made:1"
    run("umoci", "init", "--layout", str(tmp_path / "layout"))
    run("umoci", "new", "--image", image)
    run("umoci", "unpack", "--image", image, str(tmp_path / "bundle"))
    (tmp_path / "bundle/rootfs/file").write_text("hello\n")
    run("umoci", "repack", "--image", image, str(tmp_path / "bundle"))
    run("umoci", "config", "--image", image, "--config.cmd", "cat", "--config.env", "A=1")
    assert load(store, str(tmp_path / "layout")) == ["x.io/made:1"]
    made = store.get("x.io/made:1")
    assert made.config["config"] == {"Env": ["A=1"], "Cmd": ["cat"]}
    top = unpack(made, store.content, snapshotter)
    assert (Path(snapshotter.layer_path(top)) / "file").read_text() == "hello\n"


def test_what_went_through_a_peer_comes_back_the_same(store: ImageStore, layered: Image, tmp_path: Path) -> None:
    needs.program("skopeo")
    needs.root()
    save(store, ["app:1"], str(tmp_path / "a"), "oci-archive")
    run("skopeo", "copy", f"oci-archive:{tmp_path}/a:1", f"oci:{tmp_path}/b:x.io/app:1")
    run("skopeo", "copy", f"oci:{tmp_path}/b:x.io/app:1", f"oci-archive:{tmp_path}/c:x.io/app:1")
    fresh = ImageStore(tmp_path / "fresh")
    load(fresh, str(tmp_path / "c"))
    assert {found.digest for found in fresh.list()} == {raw_digest(f"oci:{tmp_path}/b:x.io/app:1")}
    fresh.close()


def raw_digest(reference: str) -> str:
    return Digest.of(run("skopeo", "inspect", "--raw", reference).encode())


def test_several_images_share_one_archive(store: ImageStore, layered: Image, tmp_path: Path, podman: Podman) -> None:
    other = make_image(store, "x.io/other:1", n=b"1")
    store.tag("app:1", "app:again")
    save(store, ["app:1", "app:again", "base:1", "x.io/other:1", other.id], str(tmp_path / "out"))
    files = unpacked_archive(tmp_path / "out")
    assert sum(name.startswith("blobs/") for name in files) == 3 * 2 + 3  # manifests and configs, and three layers
    podman("load", "-i", str(tmp_path / "out"))
    assert [podman.image_id(name) for name in ("app:1", "app:again", "x.io/other:1")] == [
        layered.id,
        layered.id,
        other.id,
    ]
    fresh = ImageStore(tmp_path / "fresh")
    loaded = load(fresh, str(tmp_path / "out"))
    assert sorted(loaded) == sorted(name for image in store.list() for name in image.names)
    assert {image.digest for image in fresh.list()} == {image.digest for image in store.list()}
    fresh.close()
