"""Committing, and what history tells of an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import Corrupt, InvalidInput
from ringfence.images.commit import commit
from ringfence.images.history import history
from ringfence.images.image import Image
from ringfence.images.load import load
from ringfence.images.save import save
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.oci.image_spec import DOCKER_LAYER, DOCKER_MANIFEST, Descriptor, encode
from ringfence.snapshots import Snapshotter
from tests.images.conftest import stored, tarball

DIFF = tarball({"etc/new": b"new", "etc/.wh.hostname": b""})


def test_a_commit_is_the_parent_and_one_layer(store: ImageStore, image: Image, snapshotter: Snapshotter) -> None:
    made = commit(
        store, image, stored(store, DIFF), config={"Cmd": ["x"], "Hostname": "h"}, changes=["ENV B=2"], name="app:1",
        author="somebody", message="why", created_by="sh",
    )  # fmt: skip
    assert made.names == ["docker.io/library/app:1"]
    assert [layer.digest for layer in made.layers][:1] == [layer.digest for layer in image.layers]
    assert made.chain_ids[0] == image.top
    assert made.config["config"] == {"Cmd": ["x"], "Env": ["A=1", "B=2"], "Hostname": "h"}
    assert made.config["author"] == "somebody"
    assert made.config["architecture"] == image.config["architecture"]
    top = unpack(made, store.content, snapshotter)
    assert (Path(snapshotter.layer_path(top)) / "etc/new").read_text() == "new"
    assert image.config["config"] == {"Cmd": ["sh"], "Env": ["A=1"]}


def test_history_tells_each_layer_newest_first(store: ImageStore, image: Image) -> None:
    made = commit(store, image, stored(store, DIFF), name="app:1", message="why", created_by="sh")
    rows = history(store, made)
    assert [(row["Id"], row["Size"], row["Comment"], row["CreatedBy"]) for row in rows] == [
        (made.id, len(DIFF), "why", "sh"),
        ("<missing>", image.size, "Imported from -", ""),
    ]
    assert rows[0]["Tags"] == ["docker.io/library/app:1"]
    assert rows[0]["Created"] == made.created > image.created


def without_history(store: ImageStore, image: Image) -> Image:
    config = {key: value for key, value in image.config.items() if key != "history"}
    blob = store.content.ingest([encode(config)])
    document = {**image.manifest, "config": {**image.manifest["config"], "digest": blob.digest, "size": blob.size}}
    manifest = store.content.ingest([encode(document)])
    return store.put(Descriptor(image.media_type, manifest.digest, manifest.size), ["silent:1"])


def test_an_image_that_tells_no_history_gets_a_row_for_each_layer(store: ImageStore, image: Image) -> None:
    silent = without_history(store, image)
    assert [(row["Id"], row["Size"]) for row in history(store, silent)] == [(silent.id, image.size)]
    made = commit(store, silent, stored(store, DIFF))
    assert [step.get("comment") for step in made.config["history"]] == ["not recorded", None]
    assert [row["Size"] for row in history(store, made)] == [len(DIFF), image.size]


def test_a_docker_manifest_becomes_an_oci_one_with_the_same_blobs(store: ImageStore, image: Image) -> None:
    layers = [{**layer, "mediaType": DOCKER_LAYER} for layer in image.manifest["layers"]]
    blob = store.content.ingest([encode({**image.manifest, "mediaType": DOCKER_MANIFEST, "layers": layers})])
    docker = store.put(Descriptor(DOCKER_MANIFEST, blob.digest, blob.size), ["docker:1"])
    made = commit(store, docker, stored(store, DIFF))
    assert {layer.media_type for layer in made.layers} == {"application/vnd.oci.image.layer.v1.tar"}
    assert made.layers[0].digest == image.layers[0].digest


@pytest.mark.parametrize("keywords", [{"name": "UPPER"}, {"changes": ["RUN x"]}])
def test_a_bad_commit_stores_nothing(store: ImageStore, image: Image, keywords: dict[str, str]) -> None:
    before = set(store.content.digests())
    with pytest.raises(InvalidInput):
        commit(store, image, stored(store, DIFF), **keywords)  # type: ignore[arg-type]
    with pytest.raises(Corrupt):
        commit(store, image, stored(store, DIFF[:700]), name="x")
    assert set(store.content.digests()) == before
    assert [found.id for found in store.list()] == [image.id]


def test_saving_says_what_it_cannot_do_before_it_writes(store: ImageStore, image: Image, tmp_path: Path) -> None:
    from ringfence.errors import Conflict, Denied, Failed, NotFound

    out = tmp_path / "out"
    for names, where, format, kind, problem in (
        (["none"], out, "docker-archive", NotFound, "no such image: none"),
        (["base:1"], out, "zip", InvalidInput, 'unknown format "zip"'),
        ([], out, "oci-archive", InvalidInput, "no image to save"),
        (["base:1"], tmp_path / "no/out", "oci-archive", Failed, "no such file or directory"),
        (["base:1"], tmp_path, "oci-dir", Conflict, "is not empty"),
        (["base:1"], Path("/proc/out"), "oci-archive", (Failed, Denied), "/proc/out: "),
    ):
        with pytest.raises(kind, match=problem):
            save(store, names, str(where), format)
    assert not out.exists()


def test_a_saved_archive_depends_on_the_images_alone(store: ImageStore, image: Image, tmp_path: Path) -> None:
    for number in (1, 2):
        save(store, ["base:1"], str(tmp_path / f"{number}.tar"))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    fresh = ImageStore(tmp_path / "fresh")
    load(fresh, str(tmp_path / "1.tar"))
    save(fresh, ["base:1"], str(tmp_path / "3.tar"))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "3.tar").read_bytes()
    fresh.close()


def test_an_image_saved_by_id_has_no_name_in_the_archive(store: ImageStore, image: Image, tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as file:
        save(store, [image.id[7:19]], file)
    fresh = ImageStore(tmp_path / "fresh")
    assert load(fresh, str(tmp_path / "out")) == [image.id]
    fresh.close()
