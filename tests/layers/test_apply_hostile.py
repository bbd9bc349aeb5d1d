"""Hostile layers: whatever they try, nothing outside of the target is made, changed, removed or even read.

Every layer here is applied in every style, next to a directory full of baits; each ends as a tree or as one error of
ours, and the baits are byte for byte what they were.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringfence.errors import Corrupt, Failed, RingfenceError
from ringfence.layers.apply import apply
from tests import needs
from tests.layers.archives import Archive
from tests.layers.listing import listing
from tests.layers.stack import Stack

DRIVERS = ["overlay", "userxattr", "copy"]


class Arena:
    """`bait` is what a layer may not touch: `outside` by its absolute path, `passwd` beside the target."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bait = directory / "outside"
        (self.bait / "sub").mkdir(parents=True)
        (self.bait / "secret").write_text("secret")
        (self.bait / "sub/file").write_text("file")
        self.data = directory / "data"
        self.before = listing(str(self.bait))

    def check(self) -> None:
        assert listing(str(self.bait)) == self.before
        assert sorted(os.listdir(self.directory)) == ["data", "outside"]


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    needs.root()
    return Arena(tmp_path)


def links(out: str) -> dict[str, Archive]:
    """Layers that lead out through links, in their own archive."""
    up = "../" * 30 + out.lstrip("/")
    return {
        "file through an absolute link": Archive().symlink("l", out).file("l/new", b"x"),
        "file through a link upwards": Archive().symlink("l", up).file("l/new", b"x"),
        "file over a link to a file": Archive().symlink("l", f"{out}/secret").file("l", b"x"),
        "file through a chain": Archive().symlink("a", "b").symlink("b", "c/d").symlink("c", up).file("a/new", b"x"),
        "directory through a link": Archive().symlink("l", out).directory("l/new", mode=0o777),
        "attributes of a directory that became a link": Archive()
        .directory("l", mode=0o777, uid=99, mtime=1)
        .symlink("l", out),
        "attributes below a directory that became a link": Archive()
        .directory("l")
        .directory("l/sub", mode=0o777, uid=99, mtime=1)
        .symlink("l", out),
        "directory over a link": Archive().symlink("l", out).directory("l", mode=0o777, uid=99),
        "symlink through a link": Archive().symlink("l", out).symlink("l/new", "x"),
        "device through a link": Archive().symlink("l", out).device("l/new", 1, 3),
        "fifo through a link": Archive().symlink("l", out).add("l/new", tarfile.FIFOTYPE),
        "hard link through a link": Archive().symlink("l", out).file("f").link("l/new", "f"),
        "hard link to what a link leads to": Archive().symlink("l", out).link("h", "l/secret").file("h", b"x"),
        "hard link to a link, then written": Archive().symlink("l", f"{out}/secret").link("h", "l").file("h", b"x"),
        "hard link to an absolute name": Archive().link("h", f"{out}/secret"),
        "hard link upwards": Archive().link("h", up + "/secret"),
        "whiteout through a link": Archive().symlink("l", out).file("l/.wh.secret"),
        "whiteout of a directory through a link": Archive().symlink("l", out).file("l/.wh.sub"),
        "opaque through a link": Archive().symlink("l", out).file("l/.wh..wh..opq"),
        "link replaced by a link": Archive().symlink("l", "d").file("l/x").symlink("l", out).file("l/new"),
        "directory replaced by a link": Archive().directory("d").file("d/x").symlink("d", out).file("d/new", b"x"),
        "parent swapped under an open directory": Archive()
        .directory("a/b")
        .file("a/b/x")
        .symlink("a", out)
        .file("a/sub/file", b"changed")
        .file("a/b/y"),
        "sparse file through a link": Archive()
        .symlink("l", out)
        .file("l/new", b"x", pax_headers={"GNU.sparse.size": "5", "GNU.sparse.map": "4,1"}),
        "attributes through a link": Archive()
        .symlink("l", f"{out}/secret", pax_headers={"SCHILY.xattr.trusted.note": "x"})
        .symlink("l", f"{out}/secret", uid=99, mtime=1),
        "proc": Archive().symlink("l", "/proc/self/cwd").file("l/new").symlink("m", "/proc/1/root").file(f"m{out}/new"),
    }  # fmt: skip


def names(out: str) -> dict[str, Archive]:
    """Layers that lead out, or mean nothing, by their names alone."""
    up = "../" * 30 + out.lstrip("/")
    return {
        "upwards": Archive().file(up + "/new", b"x"),
        "upwards from below": Archive().file("a/b/" + "../" * 40 + out + "/new", b"x"),
        "upwards over a file": Archive().file(up + "/secret", b"x"),
        "up and down again": Archive().directory("a").file("a/../b"),
        "dots at the end": Archive().directory("a/.."),
        "only dots": Archive().directory(".."),
        "a file called dot": Archive().file("."),
        "a link called slash": Archive().symlink("/", "x"),
        "whiteout upwards": Archive().file(up + "/.wh.secret"),
        "whiteout of dot-dot": Archive().file("a/.wh..."),
        "whiteout of dot": Archive().file("a/.wh.."),
        "whiteout of nothing": Archive().file(".wh."),
        "whiteout of nothing below": Archive().directory("a").file("a/.wh."),
        "directory called .wh.": Archive().file(".wh./x"),
        "opaque upwards": Archive().file(up + "/.wh..wh..opq"),
        "below a whiteout": Archive().file(".wh.a/b"),
        "below a file": Archive().file("f").file("f/x"),
        "below a device": Archive().device("d", 1, 3).file("d/x"),
        "hard link to a directory": Archive().directory("d").link("h", "d"),
        "hard link to nothing": Archive().link("h", "nothing"),
        "hard link to the root": Archive().link("h", "/"),
        "hard link to dot-dot": Archive().file("a").link("h", "a/.."),
        "hard link to a whiteout": Archive().file(".wh.a").link("h", "a"),
        "hard link over the root": Archive().file("f").link("./", "f"),
        "links in a circle": Archive().symlink("a", "b").symlink("b", "a").file("a/x"),
        "41 links": _chain(41),
        "a name of 256 bytes": Archive().file("n" * 256),
        "a path of 5000 bytes": Archive().file("n/" * 2500 + "x"),
        "a file of all bytes": Archive().file("f", b"x", pax_headers={"size": str(2**63 - 1)}),
        "a sparse file of all bytes": Archive().file("f", pax_headers={"GNU.sparse.size": str(2**63 - 1)}),
        "an attribute of 1 MB": Archive().file("f", pax_headers={"SCHILY.xattr.user.x": "x" * 1_000_000}),
        "an attribute with a zero": Archive().file("f", pax_headers={"SCHILY.xattr.user.\0": "x"}),
    }  # fmt: skip


def _chain(length: int) -> Archive:
    layer = Archive().directory("l0")
    for number in range(length):
        layer.symlink(f"l{number + 1}", f"l{number}")
    return layer.file(f"l{length}/x")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", links("/o"))
def test_a_layer_does_not_leave_its_tree_through_links(arena: Arena, driver: str, case: str) -> None:
    stack = Stack(arena.data, driver)
    try:
        stack.apply(links(str(arena.bait))[case])
    except RingfenceError as error:
        assert "\n" not in str(error)

    arena.check()
    stack.snapshotter.remove(stack.top, missing_ok=True)
    arena.check()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", links("/o"))
def test_nor_when_the_links_lie_in_a_lower_layer(arena: Arena, driver: str, case: str) -> None:
    stack = Stack(arena.data, driver)
    stack.apply(Archive().symlink("l", str(arena.bait)).symlink("d", str(arena.bait)).symlink("a", "l").directory("c"))
    try:
        stack.apply(links(str(arena.bait))[case])
    except RingfenceError as error:
        assert "\n" not in str(error)

    arena.check()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("case", names("/o"))
def test_a_name_that_no_file_can_have_is_refused(arena: Arena, driver: str, case: str) -> None:
    stack = Stack(arena.data, driver)

    with pytest.raises((Corrupt, Failed)) as error:
        stack.apply(names(str(arena.bait))[case])

    assert "\n" not in str(error.value)
    arena.check()
    assert list(stack.snapshotter.walk()) == [] and stack.snapshotter.sweep() == 0


def test_absolute_names_are_below_the_root(arena: Arena) -> None:
    stack = Stack(arena.data, "overlay")

    stack.apply(Archive().directory(str(arena.bait)).file(f"/{arena.bait}/secret", b"inside"))

    arena.check()
    with stack.tree() as root:
        assert (root / str(arena.bait)[1:] / "secret").read_bytes() == b"inside"


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_truncation_of_a_layer_is_refused_or_ends_between_two_entries(arena: Arena, driver: str) -> None:
    layer = Archive().directory("a").file("a/file", b"x" * 700).symlink("a/l", "n" * 150).file("b", b"y" * 100).bytes()
    stack = Stack(arena.data, driver)
    end = len(layer.rstrip(b"\0"))
    whole = 0

    for length in range(0, end, 128):
        stack.snapshotter.prepare("new")
        try:
            apply(io.BytesIO(layer[:length]), stack.snapshotter.upper("new"), stack.snapshotter.whiteouts)
            whole += 1
            assert length % 512 == 0
        except Corrupt as error:
            assert "tar archive" in str(error)
        stack.snapshotter.remove("new")
    assert whole == 3  # entries before the last
    arena.check()


def test_a_full_disk_is_one_clear_error_and_leaves_no_snapshot(arena: Arena) -> None:
    needs.program("mount")
    arena.data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", arena.data], check=True)
    try:
        stack = Stack(arena.data, "copy")
        stack.apply(Archive().file("small", b"x"))
        with pytest.raises(Failed, match=r"^cannot apply layer, entry 'large': No space left on device$"):
            stack.apply(Archive().file("large", b"x" * 2_000_000))
        assert stack.names() == ["small"]
    finally:
        subprocess.run(["umount", arena.data], check=True)
    arena.check()


def test_descriptors_are_few_and_all_closed(arena: Arena) -> None:
    layer = Archive().file("d/" * 1500 + "x")
    for number in range(400):
        layer.file(f"dir{number}/x")
    stack = Stack(arena.data, "overlay")
    before = os.listdir("/proc/self/fd")

    stack.apply(layer)

    assert os.listdir("/proc/self/fd") == before
    stack.snapshotter.remove(stack.top)  # too deep for those who clean up after tests
    arena.check()


_PARTS = st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh.", ".wh..wh..opq", "out"])
_PATHS = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])


@given(
    st.lists(st.lists(st.tuples(_KINDS, _PATHS, _PATHS), min_size=1, max_size=8), min_size=1, max_size=3),
    st.sampled_from(DRIVERS),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_no_sequence_of_entries_leaves_the_tree(
    tmp_path_factory: pytest.TempPathFactory, layers: list[list[tuple[bytes, str, str]]], driver: str
) -> None:
    # Invariant: each layer is applied or refused by an error of ours; the world outside of the target is as before.
    needs.root()
    arena = Arena(tmp_path_factory.mktemp("arena"))
    stack = Stack(arena.data, driver)
    for entries in layers:
        layer = Archive().symlink("out", str(arena.bait))
        for kind, name, target in entries:
            layer.add(
                name, kind, b"content" if kind == tarfile.REGTYPE else b"", linkname=target, devmajor=1, devminor=3
            )
        try:
            stack.apply(layer)
        except RingfenceError:
            break
    arena.check()
    if stack.top:
        stack.names()
