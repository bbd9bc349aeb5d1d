"""Trees as archives and back: export, and `cp` in both directions, with hostile links in the container's tree."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from ringfence.errors import Conflict, Corrupt, Failed, NotFound
from ringfence.layers.extract import extract
from ringfence.layers.tree import export
from tests import needs
from tests.layers.archives import Archive
from tests.layers.listing import listing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A container's root with links that lead out for whoever follows them carelessly."""
    root = tmp_path / "root"
    (root / "dir/sub").mkdir(parents=True)
    (root / "dir/file").write_text("file")
    (root / "dir/sub/deep").write_text("deep")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "up").symlink_to("../outside")
    (root / "in").symlink_to("/dir")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    return root


def _export(root: Path, path: str = "/", name: str = "", *, follow: bool = False) -> bytes:
    out = io.BytesIO()
    export(str(root), out, path, name, follow=follow)
    return out.getvalue()


def _names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


def test_a_whole_tree_comes_back_equal(root: Path, tmp_path: Path) -> None:
    needs.root()
    os.mkfifo(root / "fifo")
    os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.link(root / "dir/file", root / "hard")
    os.setxattr(root / "dir", "user.note", b"x")
    os.chown(root / "dir/file", 7, 8)
    with (root / "holes").open("wb") as file:
        file.truncate(1 << 20)
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()

    archive = _export(root)
    extract(io.BytesIO(archive), str(tmp_path / "ours"))
    subprocess.run(["tar", "-xpf", "-", "--xattrs", "-C", tmp_path / "theirs"], input=archive, check=True)

    expected = listing(str(root))
    assert listing(str(tmp_path / "theirs")) == expected
    ours = listing(str(tmp_path / "ours"))
    assert ours.pop(".") and expected.pop(".")  # `cp` leaves the directory itself as it is
    assert ours == expected


def test_a_part_of_a_tree_gets_the_name_it_is_asked_for(root: Path) -> None:
    assert _names(_export(root, "/dir", "copy")) == ["copy", "copy/file", "copy/sub", "copy/sub/deep"]
    assert _names(_export(root, "dir/file", "file")) == ["file"]
    assert _names(_export(root, "/dir")) == [".", "file", "sub", "sub/deep"]


def test_links_are_followed_inside_the_root_only(root: Path) -> None:
    assert _names(_export(root, "/in/file", "file")) == ["file"]
    assert _names(_export(root, "/in", "in")) == ["in"]
    assert _names(_export(root, "/in", "in", follow=True)) == ["in", "in/file", "in/sub", "in/sub/deep"]
    assert _names(_export(root, "/in/", "in")) == ["in", "in/file", "in/sub", "in/sub/deep"]
    for path in ("/out/secret", "/up/secret", "../outside/secret", "/dir/nothing", "/dir/file/x", "/up/"):
        with pytest.raises(NotFound, match=f"no such path: {path}"):
            _export(root, path)


def test_what_is_copied_in_lands_inside_whatever_the_links(root: Path, tmp_path: Path) -> None:
    needs.root()
    before = listing(str(tmp_path / "outside"))

    extract(Archive().file("new", b"x").stream(), str(root), "/in/sub")
    extract(Archive().file("new", b"x").stream(), str(root), "/out")
    extract(Archive().file("up/new", b"x").file("in/.wh.name").link("in/hard", "in/.wh.name").stream(), str(root))

    assert (root / "dir/sub/new").read_text() == "x"
    assert (root / str(tmp_path / "outside")[1:] / "new").read_text() == "x"
    assert (root / "outside/new").read_text() == "x"
    assert (root / "dir/hard").samefile(root / "dir/.wh.name")
    assert listing(str(tmp_path / "outside")) == before


def test_owners_are_replaced_if_asked_for(root: Path) -> None:
    needs.root()

    extract(Archive().directory("new", uid=5).file("new/file", uid=5).stream(), str(root), "/dir", owner=(1000, 1001))

    for path in ("dir/new", "dir/new/file"):
        status = (root / path).stat()
        assert (status.st_uid, status.st_gid) == (1000, 1001)


def test_kinds_are_kept_if_asked_for(root: Path) -> None:
    with pytest.raises(Conflict, match="cannot replace the directory /dir/sub by a file"):
        extract(Archive().file("sub").stream(), str(root), "/dir", replace_kinds=False)
    with pytest.raises(Conflict, match="cannot replace the file /dir/file by a directory"):
        extract(Archive().directory("file").stream(), str(root), "/dir", replace_kinds=False)
    assert (root / "dir/sub/deep").read_text() == "deep"


def test_the_directory_itself_keeps_its_attributes(root: Path) -> None:
    needs.root()
    before = (root / "dir").stat()

    extract(Archive().directory("./", mode=0o777, mtime=5).file("./new").stream(), str(root), "/dir")

    assert (root / "dir").stat().st_mode == before.st_mode
    assert (root / "dir/new").exists()


def test_a_bad_archive_or_directory_is_one_clear_error(root: Path) -> None:
    with pytest.raises(Corrupt, match="its name leads upwards"):
        extract(Archive().file("../../x").stream(), str(root), "/dir")
    with pytest.raises(Corrupt, match=r"its parent '/dir/file' is no directory"):
        extract(Archive().file("x").stream(), str(root), "/dir/file")
    with pytest.raises(Failed, match=r"cannot extract, entry 'n+': File name too long"):
        extract(Archive().file("n" * 256).stream(), str(root))
