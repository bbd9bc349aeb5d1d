"""system check: what is damaged is found, and mended or removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.errors import Corrupt
from ringfence.images.check import Check
from ringfence.images.commit import commit
from ringfence.images.image import Image
from ringfence.images.save import FORMATS, save
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.snapshots import Snapshotter
from tests.images.conftest import make_image, stored, tarball


def told(check: Check) -> list[tuple[str, str]]:
    return [(problem.kind, problem.name) for problem in check.problems]


def damage(store: ImageStore, digest: str) -> None:
    path = Path(store.content.path(digest))
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)


def test_a_store_that_is_right_has_no_problems(store: ImageStore, image: Image, snapshotter: Snapshotter) -> None:
    unpack(image, store.content, snapshotter)
    check = Check(store, snapshotter)
    assert check.problems == []
    assert check.checked == {"blobs": 3, "images": 1, "layers": 1}


def test_a_damaged_tree_is_unpacked_again_below_what_stands_on_it(
    store: ImageStore, image: Image, snapshotter: Snapshotter
) -> None:
    top = commit(store, image, stored(store, tarball({"added": b"1"})), name="app:1")
    unpack(top, store.content, snapshotter)
    file = Path(snapshotter.layer_path(image.top)) / "etc/hostname"
    file.write_bytes(b"xxx\n")
    assert told(Check(store, snapshotter, quick=True)) == []  # it has the same size
    check = Check(store, snapshotter)
    assert told(check) == [("layer", image.top)]
    assert check.problems[0].why == "/etc/hostname: has other content"
    check.repair((), lambda chain_id: ["busy"])
    assert check.problems[0].why.endswith("(stop first: busy)")
    check = Check(store, snapshotter)
    check.repair((), lambda chain_id: [])
    assert check.problems[0].repaired == "unpacked again"
    assert (Path(snapshotter.layer_path(image.top)) / "etc/hostname").read_bytes() == b"box\n"
    assert snapshotter.parent(top.top) == image.top
    assert Check(store, snapshotter).problems == []
    assert snapshotter.sweep() == 0


def test_a_damaged_blob_goes_with_the_images_that_need_it_and_nothing_else(
    store: ImageStore, image: Image, snapshotter: Snapshotter
) -> None:
    other = make_image(store, "other:1", n=b"1")
    damage(store, image.layers[0].digest)
    check = Check(store, snapshotter)
    assert told(check) == [("blob", image.layers[0].digest), ("image", "base:1")]
    check.repair({image.id}, lambda chain_id: [])  # a container has it: only told
    assert [problem.repaired for problem in check.problems] == ["", ""]
    check = Check(store, snapshotter)
    check.repair((), lambda chain_id: [])
    assert [problem.repaired for problem in check.problems] == ["removed", "removed: pull or load it again"]
    assert [found.id for found in store.list()] == [other.id]
    assert Check(store, snapshotter).problems == []


def test_missing_blobs_and_manifests_that_are_no_json_are_told(
    store: ImageStore, image: Image, snapshotter: Snapshotter
) -> None:
    other = make_image(store, "other:1", n=b"1")
    os.unlink(store.content.path(image.layers[0].digest))
    Path(store.content.path(other.digest)).write_bytes(b"{")
    check = Check(store, snapshotter)
    assert sorted(told(check)) == [("blob", other.digest), ("image", "base:1"), ("image", "other:1")]
    check.repair((), lambda chain_id: [])
    assert store.list() == [] and list(store.content.digests()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_image_is_not_saved(format: str, store: ImageStore, image: Image, tmp_path: Path) -> None:
    damage(store, image.layers[0].digest)

    with pytest.raises(Corrupt, match=image.layers[0].digest):
        save(store, [image.names[0]], str(tmp_path / "saved"), format)

    assert not (tmp_path / "saved").exists()
