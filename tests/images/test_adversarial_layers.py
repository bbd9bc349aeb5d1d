"""Adversarial layers, one by one, over the same base: applied by us, by umoci and by podman, or refused.

The layers of tests/layers/test_apply_hostile.py and further ones about what is deleted, and when. Wherever somebody
sees it otherwise than we do, DIFFERENCES says who and why (docs/store.md tells it to people).
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.errors import RingfenceError
from ringfence.images.image import Image
from ringfence.images.make import put_image, store_layer
from ringfence.images.save import save
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.linux.mounts import attach_nowhere
from ringfence.snapshots import open_snapshotter
from tests import needs
from tests.images.conftest import Failed, Podman, merged, without_directory_times
from tests.layers.archives import Archive
from tests.layers.test_apply_hostile import links, names

OUT = "/tmp/rf-bait/outside"  # of the host; the image has one, too, so that links lead somewhere
CAPABILITY = {"SCHILY.xattr.security.capability": "\x01\0\0\x02\0\x20" + "\0" * 14}
SPARSE = {"major": "1", "minor": "0", "name": "s", "realsize": "8196"}  # GNU tar's manual, "Sparse Formats"
_BASE = (
    Archive().directory("tmp").directory("tmp/rf-bait").directory(OUT[1:]).directory(f"{OUT[1:]}/sub")
    .file(f"{OUT[1:]}/secret", b"image").directory("a").file("a/x", b"x").directory("d").file("d/y", b"y")
    .file("file", b"lower").directory("gone").file("gone/deep", b"deep").symlink("to-d", "d").bytes()
)  # fmt: skip
DELETIONS = {
    "opaque over a lower file": Archive().file("file/.wh..wh..opq"),
    "opaque over a lower file, with a file": Archive().file("file/.wh..wh..opq").file("file/new", b"n"),
    "opaque over a file": Archive().file("f").file("f/.wh..wh..opq"),
    "opaque after what is new": Archive().file("a/new", b"n").file("a/.wh..wh..opq"),
    "opaque and a whiteout": Archive().directory("a").file("a/.wh..wh..opq").file("a/.wh.x"),
    "a whiteout and opaque": Archive().directory("a").file("a/.wh.x").file("a/.wh..wh..opq"),
    "opaque where nothing is": Archive().file("nothing/.wh..wh..opq"),
    "opaque through a link of the image": Archive().file("to-d/.wh..wh..opq").file("to-d/new"),
    "a directory over a file, opaque": Archive().directory("file").file("file/.wh..wh..opq").file("file/n"),
    "a directory over a file, with a whiteout": Archive().directory("file").file("file/.wh.x"),
    "a file over a directory": Archive().file("a", b"now a file"),
    "a link over a directory": Archive().symlink("a", "d").file("a/new"),
    "a whiteout where nothing is": Archive().file(".wh.nothing"),
    "a whiteout in a directory that is not there": Archive().file("nothing/.wh.x"),
    "a whiteout in a new directory": Archive().directory("new").file("new/.wh.x"),
    "a whiteout below a file": Archive().file("file/.wh.x"),
    "a whiteout through a link of the image": Archive().file("to-d/.wh.y"),
    "a whiteout of a link": Archive().file(".wh.to-d"),
    "a whiteout, then the file": Archive().file(".wh.file").file("file", b"new"),
    "the file, then its whiteout": Archive().file("file", b"new").file(".wh.file"),
    "a whiteout, then the directory": Archive().file(".wh.a").file("a/new", b"n"),
    "the directory, then its whiteout": Archive().file("a/new", b"n").file(".wh.a"),
    "a whiteout of a directory": Archive().file(".wh.gone"),
    "whiteouts of all": Archive().file("gone/.wh.deep").file(".wh.a").file(".wh.d").file(".wh.file"),
    "two whiteouts of one": Archive().file(".wh.file").file(".wh.file"),
    "bookkeeping of AUFS": Archive().file(".wh..wh.aufs").directory(".wh..wh.plnk").file(".wh..wh.plnk/1.2"),
    "a directory that ends in a dot": Archive().directory("a/.", mode=0o700),
    "a hard link to a lower file": Archive().link("hard", "file"),
    "a hard link to a file that is then deleted": Archive().link("hard", "file").file(".wh.file"),
    "a hard link to a file that was deleted": Archive().file(".wh.file").link("hard", "file"),
    "a whiteout of one of two names": Archive().link("d/hard", "file").file("a/.wh.x"),
}
FOREIGN = b"\xff\xfe \n".decode("utf-8", "surrogateescape")
KINDS = {
    "a name of 255 bytes": Archive().file("n" * 255),
    "a path of 3000 bytes": Archive().file("n" * 200 + ("/" + "n" * 200) * 14),
    "a path of 200 directories": Archive().file("d/" * 200 + "x"),
    "names that are not UTF-8": Archive().directory(FOREIGN).file(f"{FOREIGN}/{FOREIGN}").symlink("s", FOREIGN),
    "names with quotes and backslashes": Archive().file("'\"\\$(x)`y`").file("-rf").file(" "),
    "an empty file": Archive().file("empty"),
    "files of one block, less and more": Archive().file("1", b"x" * 511).file("2", b"x" * 512).file("3", b"x" * 513),
    "every bit of a mode": Archive().file("f", mode=0o7777).directory("g", mode=0o7777),
    "large owners": Archive().file("f", uid=2**31, gid=2**32 - 2),
    "times before 1970": Archive().file("f", mtime=-1_000_000),
    "times with nanoseconds": Archive().file("f", pax_headers={"mtime": "1000000000.123456789"}),
    "times far ahead": Archive().file("f", mtime=2**33),
    "devices": Archive().device("null", 1, 3, mode=0o666).add("loop", tarfile.BLKTYPE, devmajor=7, devminor=9),
    "a fifo": Archive().add("fifo", tarfile.FIFOTYPE),
    "attributes of files": Archive().file("f", pax_headers={"SCHILY.xattr.user.note": "text"}),
    "attributes of directories": Archive().directory("a", pax_headers={"SCHILY.xattr.user.note": "text"}),
    "capabilities": Archive().file("ping", pax_headers=CAPABILITY),
    "a hard link to itself": Archive().file("f", b"x").link("f", "f"),
    "hard links in a row": Archive().file("1", b"x").link("2", "1").link("3", "2").link("4", "file"),
    "a hard link to a symlink": Archive().symlink("l", "nowhere").link("h", "l"),
    "a fifo over a directory": Archive().add("gone", tarfile.FIFOTYPE),
    "a device over a file": Archive().device("file", 1, 5),
    "a directory over a link": Archive().directory("to-d").file("to-d/new"),
    "a link over a link": Archive().symlink("to-d", "a").file("to-d/new"),
    "a file through two links": Archive().symlink("l", "to-d").file("l/new", b"n"),
    "a sparse file": Archive().file("GNUSparseFile.0/s", b"2\n0\n4\n8192\n4\n".ljust(512, b"\0") + b"headtail",
        pax_headers={f"GNU.sparse.{key}": value for key, value in SPARSE.items()}),
    "modes of a directory that is there": Archive().directory("a", mode=0o1770, uid=5, gid=6),
    "parents that are not listed": Archive().file("new/deep/file").file("a/new/file"),
    "names with ./ before them": Archive().directory("./").file("./a/new").file("././d/./new"),
    "the root's own attributes": Archive().directory("./", mode=0o700, uid=7).file("x"),
}

# Refused already when they are stored, or such that a peer would fill the disk.
Seen = dict[str, str] | None  # a tree, or None for a layer that is refused
APART = {"a path of 5000 bytes", "a file of all bytes", "a sparse file of all bytes", "an attribute with a zero"}
LAYERS = {**links(OUT), **{name: layer for name, layer in names(OUT).items() if name not in APART}, **DELETIONS,
          **KINDS}

# Who sees it otherwise than we do, and why: (peers, their layers).
DIFFERENCES: dict[str, tuple[set[str], set[str]]] = {
    "podman refuses a layer that has a name twice: its tar-split cannot store it": ({"podman"}, {
        "file over a link to a file", "attributes of a directory that became a link",
        "attributes below a directory that became a link", "directory over a link", "hard link to what a link leads to",
        "hard link to a link, then written", "link replaced by a link", "directory replaced by a link",
        "attributes through a link", "two whiteouts of one",
    }),
    "podman makes no directory behind a link that leads to none": ({"podman"}, {"file through a chain", "proc"}),
    "podman hides nothing below a directory that the layer calls by a link": ({"podman"}, {
        "opaque through a link", "opaque through a link of the image",
    }),
    "podman deletes what the same layer has, if the whiteout stands behind it": ({"podman"}, {
        "the file, then its whiteout", "the directory, then its whiteout",
    }),
    "podman makes the directory in which there is nothing to delete": ({"podman"}, {
        "opaque where nothing is", "a whiteout in a directory that is not there",
    }),
    "podman refuses a whiteout below a file, which deletes nothing": ({"podman"}, {"a whiteout below a file"}),
    "podman has no times before 1970": ({"podman"}, {"times before 1970"}),
    "names with .. are refused: others read them as if / were above /": ({"podman", "umoci"}, {
        "upwards", "upwards from below", "upwards over a file", "up and down again", "dots at the end", "only dots",
        "hard link upwards", "whiteout upwards", "opaque upwards",
    }),
    "names that begin with .wh. and delete nothing are refused": ({"podman", "umoci"}, {
        "directory called .wh.", "below a whiteout",
    }),
    "podman takes a whiteout of . for one of its directory": ({"podman"}, {"whiteout of dot"}),
    "umoci takes a whiteout of nothing for one of its directory": ({"umoci"}, {"whiteout of nothing below"}),
    "umoci follows 255 links, the kernel and we 40": ({"umoci"}, {"41 links"}),
    "others refuse GNU tar's oldest form of sparse files": ({"podman", "umoci"}, {"sparse file through a link"}),
    "umoci takes AUFS' bookkeeping for files, podman makes its directory": ({"podman", "umoci"}, {
        "bookkeeping of AUFS",
    }),
    "others remove the file before they link it to itself": ({"podman", "umoci"}, {"a hard link to itself"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    needs.root()
    needs.program("podman")
    directory = Path(tempfile.mkdtemp(prefix="rf-podman-", dir="/tmp"))
    yield Podman(directory)
    shutil.rmtree(directory)


@pytest.mark.parametrize("case", LAYERS)
def test_an_adversarial_layer_is_seen_as_peers_see_it(
    case: str, store: ImageStore, tmp_path: Path, podman: Podman
) -> None:
    needs.program("umoci")
    ours = _ours(store, LAYERS[case].bytes(), tmp_path)
    save(store, ["adversarial:1"], str(tmp_path / "out"), "oci-dir")
    theirs = {"umoci": _umoci(tmp_path), "podman": _podman(podman, tmp_path)}

    expected = {peer for peers, cases in DIFFERENCES.values() if case in cases for peer in peers}
    assert {peer for peer, tree in theirs.items() if tree != ours} == expected, _told(ours, theirs)


def test_there_are_more_than_a_hundred_of_them_and_every_difference_is_about_one() -> None:
    assert len(LAYERS) > 100
    assert {case for _, cases in DIFFERENCES.values() for case in cases} <= LAYERS.keys()


def _told(ours: Seen, theirs: dict[str, Seen]) -> str:
    """What differs, for the person who reads the failure."""
    here = ours or {"the layer": "is refused"}
    told = []
    for peer, tree in theirs.items():
        there = tree or {"the layer": "is refused"}
        told += [f"{path}: here {here.get(path)}, {peer} {there.get(path)}"
                 for path in sorted(here.keys() | there.keys()) if here.get(path) != there.get(path)]  # fmt: skip
    return "\n".join(told)


def _ours(store: ImageStore, layer: bytes, directory: Path) -> Seen:
    try:
        image = _image(store, layer)
        snapshotter = open_snapshotter(str(directory / "data"))
        snapshotter.view("look", unpack(image, store.content, snapshotter))
    except RingfenceError as error:
        assert "\n" not in str(error)
        return None
    with attach_nowhere(snapshotter.mounts("look")[0]) as view:
        return _seen(f"{view.path}/.")


def _image(store: ImageStore, layer: bytes) -> Image:
    with store.content.lease():
        layers = [store_layer(store, io.BytesIO(each)) for each in (_BASE, layer)]
        rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
        config = {"os": "linux", "architecture": "amd64", "rootfs": rootfs, "config": {}}
        return put_image(store, config, [layer.descriptor for layer in layers], ["docker.io/library/adversarial:1"])


def _seen(root: str) -> dict[str, str]:
    return without_directory_times(merged(root))


def _umoci(directory: Path) -> Seen:
    command = ["umoci", "raw", "unpack", "--image", f"{directory}/out:1", f"{directory}/theirs"]
    done = subprocess.run(command, capture_output=True)
    return _seen(str(directory / "theirs")) if done.returncode == 0 else None


def _podman(podman: Podman, directory: Path) -> Seen:
    try:
        return _seen(podman.tree(f"oci:{directory}/out:1", "localhost/adversarial:1"))
    except Failed:
        return None
