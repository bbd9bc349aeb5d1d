"""Unpacking and everything else survives other processes and SIGKILL at any instant."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ringfence.errors import Corrupt
from ringfence.images.commit import commit
from ringfence.images.image import Image
from ringfence.images.prune import collect
from ringfence.images.save import save
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.snapshots import Snapshotter, open_snapshotter
from tests import needs
from tests.images.conftest import make_image, stored, tarball
from tests.layers.archives import Archive
from tests.layers.listing import listing

# Arguments: the data directory, an archive. Loads, unpacks, tags, removes and collects for ever.
BUSY = """
import os, sys
from ringfence.errors import Conflict, NotFound
from ringfence.images.load import load
from ringfence.images.prune import collect
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.snapshots import open_snapshotter

store, snapshotter = ImageStore(sys.argv[1]), open_snapshotter(sys.argv[1])
while True:
    try:
        image = store.get(load(store, sys.argv[2])[0])
        unpack(image, store.content, snapshotter)
        store.tag(image.id, f"mine:{os.getpid()}")
        store.remove(f"mine:{os.getpid()}")
        store.remove("app:1")
        collect(store, snapshotter, wait=False)
    except NotFound:
        pass  # another of us has just removed it
"""


@pytest.fixture
def layered(store: ImageStore, image: Image) -> Image:
    """Three layers; the upper ones delete and replace."""
    second = commit(store, image, stored(store, tarball({"etc/a": b"a" * 5000, "etc/.wh.hostname": b""})))
    return commit(store, second, stored(store, tarball({"etc/a": b"b", "etc/b": b"b" * 9000})), name="app:1")


def tree(snapshotter: Snapshotter, image: Image) -> list[tuple[str, int]]:
    """All files of the image's layers with their sizes."""
    return [
        (f"{index}/{path.relative_to(layer)}", path.lstat().st_size)
        for index, layer in enumerate(Path(snapshotter.layer_path(name)) for name in image.chain_ids)
        for path in sorted(layer.rglob("*"))
        if not path.is_dir()
    ]


def test_unpacking_makes_one_snapshot_for_each_layer_once(
    store: ImageStore, layered: Image, snapshotter: Snapshotter
) -> None:
    assert unpack(layered, store.content, snapshotter) == layered.top
    assert [snapshotter.kind(name) for name in layered.chain_ids] == ["committed"] * 3
    assert [snapshotter.parent(name) for name in layered.chain_ids] == ["", *layered.chain_ids[:-1]]
    before = {found.key for found in snapshotter.walk()}
    assert unpack(layered, store.content, snapshotter) == layered.top
    assert {found.key for found in snapshotter.walk()} == before == set(layered.chain_ids)


@pytest.mark.parametrize("driver", ["overlay", "copy"])
def test_both_snapshotters_hold_the_same_image(store: ImageStore, layered: Image, tmp_path: Path, driver: str) -> None:
    needs.root()
    snapshotter = open_snapshotter(str(tmp_path / "data"), driver)
    unpack(layered, store.content, snapshotter)
    top = Path(snapshotter.layer_path(layered.top))
    assert (top / "etc/b").read_bytes() == b"b" * 9000
    assert (top / "etc/a").read_bytes() == b"b"
    if driver == "copy":
        assert not (top / "etc/hostname").exists() and (top / "bin/sh").is_symlink()


def test_a_layer_damaged_on_disk_is_found_and_leaves_no_snapshot(
    store: ImageStore, layered: Image, snapshotter: Snapshotter
) -> None:
    path = Path(store.content.path(layered.layers[1].digest))
    data = bytearray(path.read_bytes())
    data[600] ^= 1  # in the content of a file
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=f"^layer {layered.layers[1].digest}: its content has diff ID"):
        unpack(layered, store.content, snapshotter)
    assert {found.key for found in snapshotter.walk()} == {layered.chain_ids[0]}


def many(store: ImageStore, image: Image, *layers: bytes) -> Image:
    """The image with these layers on top."""
    for layer in layers:
        image = commit(store, image, stored(store, layer))
    return image


def test_layers_that_are_applied_at_once_are_those_that_are_applied_in_turn(
    store: ImageStore, image: Image, tmp_path: Path
) -> None:
    """Layers that lean on those below: parents that they do not list, a hard link, all that is in the root deleted."""
    needs.root()
    link = Archive().link("etc/again", "etc/big").bytes()
    layers = [
        tarball({"deep": None, "deep/er": None, "deep/er/file": b"1", "etc/big": b"x" * 3_000_000}),
        Archive().directory("./", mode=0o700).directory("deep", mode=0o711, uid=5).bytes(),
        tarball({"deep/er/unlisted": b"2", "lib@deep": None}), link, tarball({"lib/er/through": b"3"}),
        tarball({".wh..wh..opq": b"", "only": b"4"}), tarball({"last": b"5"}),
    ]  # fmt: skip
    made = many(store, image, *layers)
    together, single = (open_snapshotter(str(tmp_path / name)) for name in ("together", "single"))
    unpack(made, store.content, together)
    image = store.get("base:1")
    unpack(image, store.content, single)
    for layer in layers:  # each alone is the only one that is missing
        image = many(store, image, layer)
        unpack(image, store.content, single)
    assert image.chain_ids == made.chain_ids
    for chain_id in made.chain_ids:
        assert entries(together.layer_path(chain_id)) == entries(single.layer_path(chain_id))
        assert together.parent(chain_id) == single.parent(chain_id)


def entries(tree: str) -> dict[str, str]:
    """All that is in a layer's tree; whiteouts, and the root where the layer does not list it, are of the present."""
    found = listing(f"{tree}/.", times=lambda path: path != ".")
    return {path: re.sub(r" mtime=\d+", "", line) if line.startswith("c") else line for path, line in found.items()}


def test_of_several_damaged_layers_the_lowest_is_told_and_what_is_below_stays(
    store: ImageStore, image: Image, snapshotter: Snapshotter
) -> None:
    made = many(store, image, *(tarball({f"file{number}": bytes([number]) * 200_000}) for number in range(6)))
    for number in (2, 3, 6):
        path = Path(store.content.path(made.layers[number].digest))
        path.write_bytes(path.read_bytes().replace(bytes([number - 1]) * 10, b"damaged   ", 1))
    with pytest.raises(Corrupt, match=f"^layer {made.layers[2].digest}: its content has diff ID"):
        unpack(made, store.content, snapshotter)
    assert {found.key for found in snapshotter.walk()} == set(made.chain_ids[:2])


def test_several_threads_and_stores_may_unpack_the_same_image(
    store: ImageStore, layered: Image, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    tops: list[str] = []

    def work() -> None:
        own = ImageStore(tmp_path / "data")
        tops.append(unpack(own.get("app:1"), own.content, open_snapshotter(str(tmp_path / "data"))))
        own.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tops == [layered.top] * 6
    assert {found.key for found in snapshotter.walk()} == set(layered.chain_ids)


def test_processes_killed_at_any_instant_leave_a_store_that_is_right_and_can_be_emptied(
    store: ImageStore, layered: Image, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    save(store, ["app:1"], str(tmp_path / "app.tar"))
    unpack(layered, store.content, snapshotter)
    expected = tree(snapshotter, layered)
    data = tmp_path / "crash"
    seed = random.randrange(1000)
    dice = random.Random(seed)
    mine, shots = ImageStore(data), open_snapshotter(str(data))
    for _ in range(25):
        processes = [
            subprocess.Popen([sys.executable, "-c", BUSY, str(data), str(tmp_path / "app.tar")]) for _ in range(2)
        ]
        time.sleep(dice.uniform(0.1, 0.4))
        for process in processes:
            assert process.poll() is None, f"seed {seed}: a process failed by itself"
            process.send_signal(signal.SIGKILL)
            process.wait()
        for image in mine.list():  # whatever is recorded is whole
            for digest in (image.digest, image.id, *(str(layer.digest) for layer in image.layers)):
                mine.content.verify(digest)
            unpack(image, mine.content, shots)
            assert tree(shots, image) == expected, f"seed {seed}"
    for image in mine.list():
        mine.remove_image(image)
    collect(mine, shots)
    mine.close()
    assert list(mine.content.digests()) == []
    assert list(shots.walk()) == []
    assert os.listdir(data / "content" / "ingest") == []


def test_an_image_without_layers_has_no_snapshot(store: ImageStore, snapshotter: Snapshotter) -> None:
    from ringfence.images.make import put_image

    with store.content.lease():
        empty = put_image(store, {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}, [], ["scratch"])
    assert (empty.top, empty.size) == ("", 0)
    assert unpack(empty, store.content, snapshotter) == ""


def test_the_same_files_give_the_same_layer(store: ImageStore) -> None:
    assert make_image(store, "a").diff_ids == make_image(store, "b").diff_ids
