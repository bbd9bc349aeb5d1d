"""Two images, a real Debian and one of adversarial layers, unpacked by us, by umoci and by skopeo and podman: the trees
must be equal in everything, content, modes, owners, times, extended attributes and links.

Each layer of its own against the peers: tests/images/test_adversarial_layers.py.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from ringfence.images.make import put_image, store_layer
from ringfence.images.save import save
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.linux.mounts import attach_nowhere
from ringfence.oci.digest import Digest
from ringfence.snapshots import open_snapshotter
from tests import needs
from tests.images.conftest import Podman, merged, raw_manifest, run, without_directory_times
from tests.layers.archives import Archive
from tests.layers.listing import debian_rootfs

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



class Judged:
    """An image with its tree as our overlay makes it, and the image layout in which the peers get it."""

    def __init__(self, directory: Path, layers: list[BinaryIO]) -> None:
        self.store = ImageStore(directory / "data")
        with self.store.content.lease():
            stored = [store_layer(self.store, layer) for layer in layers]
            rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in stored]}
            config = {"os": "linux", "architecture": "amd64", "rootfs": rootfs, "config": {}}
            self.image = put_image(self.store, config, [layer.descriptor for layer in stored],
                                   ["docker.io/library/judged:1"])  # fmt: skip
        self.layout = directory / "out"
        save(self.store, ["judged:1"], str(self.layout), "oci-dir")
        self.tree = self.tree_by("overlay")

    def tree_by(self, driver: str) -> dict[str, str]:
        """The merged tree as a snapshotter of ours makes it."""
        snapshotter = open_snapshotter(str(self.layout.parent / "data"), driver)
        snapshotter.view("look", unpack(self.image, self.store.content, snapshotter))
        with attach_nowhere(snapshotter.mounts("look")[0]) as view:
            return merged(f"{view.path}/.")


@pytest.fixture(scope="module", params=["debian", "adversarial"])
def judged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    needs.root()
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "debian":
        with open(debian_rootfs(), "rb") as layer:
            made = Judged(directory, [layer])
        assert len(made.tree) > 8000
    else:
        made = Judged(directory, [io.BytesIO(layer) for layer in LAYERS])
    yield made
    made.store.close()
    shutil.rmtree(directory)


def _listed(judged: Judged, theirs: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Both trees; where there are layers that leave directories unlisted, without the times of directories."""
    if len(judged.image.layers) == 1:
        return judged.tree, theirs
    return without_directory_times(judged.tree), without_directory_times(theirs)


def differences(ours: dict[str, str], theirs: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    paths = sorted(ours.keys() | theirs.keys())
    return {path: (ours.get(path), theirs.get(path)) for path in paths if ours.get(path) != theirs.get(path)}


def test_the_copy_snapshotter_makes_the_same_tree(judged: Judged) -> None:
    assert differences(*_listed(judged, judged.tree_by("copy"))) == {}


def test_the_tree_is_that_of_umoci(judged: Judged, tmp_path: Path) -> None:
    needs.program("umoci")
    run("umoci", "raw", "unpack", "--image", f"{judged.layout}:1", str(tmp_path / "theirs"))
    assert differences(judged.tree, merged(str(tmp_path / "theirs"))) == {}


def test_the_tree_is_that_of_skopeo_and_podman(judged: Judged, podman: Podman) -> None:
    needs.program("skopeo")
    mounted = podman.tree(f"oci:{judged.layout}:1", "localhost/judged:1")
    assert differences(*_listed(judged, merged(mounted))) == {}
    assert podman.image_id("localhost/judged:1") == judged.image.id


def test_the_blobs_are_those_of_skopeo(judged: Judged, tmp_path: Path) -> None:
    needs.program("skopeo")
    run("skopeo", "copy", "--quiet", f"oci:{judged.layout}:1", f"dir:{tmp_path}/dir")
    run("skopeo", "copy", "--quiet", f"oci:{judged.layout}:1", f"docker-archive:{tmp_path}/archive:judged:1")

    described = [judged.image.id, *(str(layer.digest) for layer in judged.image.layers)]
    blobs = {path.name: Digest.of(path.read_bytes()) for path in (tmp_path / "dir").iterdir() if len(path.name) == 64}
    assert blobs == {digest.removeprefix("sha256:"): digest for digest in described}
    assert Digest.of((tmp_path / "dir/manifest.json").read_bytes()) == judged.image.digest
    raw = raw_manifest(f"docker-archive:{tmp_path}/archive:judged:1")
    assert [layer["digest"] for layer in raw["layers"]] == judged.image.diff_ids
