"""An image of adversarial layers, unpacked by us, by umoci and by podman: the trees must be equal in everything."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from ringfence.images.image import Image
from ringfence.images.make import put_image, store_layer
from ringfence.images.save import save
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.linux.mounts import attach_nowhere
from ringfence.snapshots import open_snapshotter
from tests import needs
from tests.images.conftest import Podman, run
from tests.layers.archives import Archive
from tests.layers.listing import listing

LONG = "n" * 255
FOREIGN = b"\xff\xfe name \n of bytes".decode("utf-8", "surrogateescape")
CAPABILITY = {"SCHILY.xattr.security.capability": "\x01\0\0\x02\0\x20" + "\0" * 14}


def _sparse() -> bytes:
    """A file with a hole between two pieces of data, as GNU tar stores it in a pax archive (its "Sparse Formats")."""
    content = b"2\n0\n4\n8192\n4\n".ljust(512, b"\0") + b"headtail"
    fields = {"major": "1", "minor": "0", "name": "sparse", "realsize": "8196"}
    headers = {f"GNU.sparse.{key}": value for key, value in fields.items()}
    return Archive().file("GNUSparseFile.0/sparse", content, pax_headers=headers).bytes()


LAYERS = [
    Archive().directory("d", mode=0o2750, uid=1, gid=2).file("d/a", b"a").file("d/b", b"b").directory("d/sub")
    .file("d/sub/c", b"c").directory("gone").file("gone/x", b"x").directory("opaque").file("opaque/old", b"old")
    .directory("opaque/sub").file("opaque/sub/deep", b"deep").file("file", b"file").directory("becomes-file")
    .file("becomes-file/x").file("becomes-directory", b"1").directory("usr").directory("usr/lib")
    .symlink("lib", "usr/lib").symlink("absolute", "/usr/lib").file("hard", b"linked", mode=0o4755, uid=3)
    .file("empty").directory("again").file("again/old").bytes(),
    Archive().file(".wh.gone").file("d/.wh.sub").file("d/.wh.a").file("opaque/.wh..wh..opq").file("opaque/new", b"new")
    .file("becomes-file", b"now").directory("becomes-directory").file("becomes-directory/x", b"x").bytes(),
    Archive().link("hard-across", "hard", mode=0o4755, uid=3).link("d/hard-too", "file").file("lib/through", b"1")
    .file("absolute/also", b"2").bytes(),
    Archive().device("null", 1, 3, mode=0o666).add("block", tarfile.BLKTYPE, devmajor=7, devminor=9).add("fifo", b"6")
    .directory(LONG).file(f"{LONG}/{LONG}", b"long").file(FOREIGN, b"foreign").symlink("dangling", "../../../nowhere")
    .file("ping", b"", pax_headers=CAPABILITY).bytes(),
    Archive().file(".wh.again").bytes(),
    Archive().directory("again", mode=0o700).file("again/new").file("d/.wh.nothing-there").bytes(),
    _sparse(),
]  # fmt: skip


@pytest.fixture
def adversarial(store: ImageStore) -> Image:
    with store.content.lease():
        layers = [store_layer(store, io.BytesIO(layer)) for layer in LAYERS]
        rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
        config = {"os": "linux", "architecture": "amd64", "rootfs": rootfs, "config": {}}
        return put_image(store, config, [layer.descriptor for layer in layers], ["docker.io/library/adversarial:1"])


@pytest.fixture(params=["overlay", "copy"])
def ours(request: pytest.FixtureRequest, store: ImageStore, adversarial: Image, tmp_path: Path) -> dict[str, str]:
    needs.root()
    snapshotter = open_snapshotter(str(tmp_path / "data"), request.param)
    snapshotter.view("look", unpack(adversarial, store.content, snapshotter))
    with attach_nowhere(snapshotter.mounts("look")[0]) as view:
        return tree(f"{view.path}/.")


def tree(root: str) -> dict[str, str]:
    """All but the root itself, of which no layer says anything, and the times of directories, which peers leave as
    they come to be."""
    found = listing(root)
    del found["."]
    return {path: _without_time(line) if line.startswith("d") else line for path, line in found.items()}


def _without_time(line: str) -> str:
    return " ".join(word for word in line.split() if not word.startswith("mtime="))


def differences(ours: dict[str, str], theirs: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    paths = sorted(ours.keys() | theirs.keys())
    return {path: (ours.get(path), theirs.get(path)) for path in paths if ours.get(path) != theirs.get(path)}


def test_the_tree_is_that_of_umoci(store: ImageStore, ours: dict[str, str], tmp_path: Path) -> None:
    needs.program("umoci")
    save(store, ["adversarial:1"], str(tmp_path / "out"), "oci-dir")
    run("umoci", "raw", "unpack", "--image", f"{tmp_path}/out:1", str(tmp_path / "theirs"))
    assert differences(ours, tree(str(tmp_path / "theirs"))) == {}


def test_the_tree_is_that_of_podman(store: ImageStore, ours: dict[str, str], tmp_path: Path, podman: Podman) -> None:
    save(store, ["adversarial:1"], str(tmp_path / "out"))
    podman("load", "-i", str(tmp_path / "out"))
    mounted = podman("image", "mount", "adversarial:1").strip()
    assert differences(ours, tree(mounted)) == {}
