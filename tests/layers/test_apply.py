"""Applying layers: what each kind of entry becomes, and how layers delete, replace and extend what lies below them.

Whatever the snapshotter, a container must see the same tree.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from ringfence.errors import Corrupt, Failed, InvalidInput
from ringfence.layers.apply import apply
from tests import needs
from tests.layers.archives import Archive
from tests.layers.listing import listing
from tests.layers.stack import Stack


@pytest.fixture(params=["overlay", "userxattr", "copy"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Stack:
    needs.root()
    return Stack(tmp_path / "data", request.param)


def test_the_result_has_digest_and_size_of_the_whole_stream(stack: Stack) -> None:
    archive = Archive().file("file", b"text").bytes() + bytes(5000)

    result = stack.apply(archive)

    assert (result.diff_id, result.size) == (f"sha256:{hashlib.sha256(archive).hexdigest()}", len(archive))
    assert result.skipped == []


def test_every_kind_of_file_is_made_with_its_attributes(stack: Stack) -> None:
    records = {"SCHILY.xattr.user.note": "text", "mtime": "1000000000.123456789"}
    bits = "\x01\0\0\x02\0\x20" + "\0" * 14  # cap_net_raw+ep, as setcap(8) writes it
    capability = {"SCHILY.xattr.security.capability": bits}
    layer = Archive().directory("./", mode=0o711, uid=7, gid=8, mtime=77)
    layer.directory("./dir", mode=0o2750, uid=1, gid=2, pax_headers=records)
    layer.file("./dir/file", b"text", mode=0o6711, uid=3, gid=4, pax_headers=records)
    layer.file("./dir/ping", b"", pax_headers=capability)
    layer.symlink("./dir/link", "../nowhere", uid=5, gid=6)
    layer.link("./dir/hard", "./dir/file")
    layer.device("./null", 1, 3, mode=0o666)
    layer.add("./fifo", b"6", mode=0o600)

    stack.apply(layer)

    with stack.tree() as root:
        seen = listing(f"{root}/.")
    digest = hashlib.sha256(b"text").hexdigest()
    note, second = "user.note=b'text'", "mtime=1000000000000000000"
    assert seen == {
        ".": "drwx--x--x 7:8 mtime=77000000000",
        "dir": f"drwxr-s--- 1:2 mtime=1000000000123456789 {note}",
        "dir/file": f"-rws--s--x 3:4 mtime=1000000000123456789 4 {digest} same as dir/file {note}",
        "dir/hard": f"-rws--s--x 3:4 mtime=1000000000123456789 4 {digest} same as dir/file {note}",
        "dir/ping": f"-rw-r--r-- 0:0 {second} 0 {hashlib.sha256().hexdigest()} security.capability={bits.encode()!r}",
        "dir/link": f"lrwxrwxrwx 5:6 {second} -> ../nowhere",
        "null": f"crw-rw-rw- 0:0 {second} 1,3",
        "fifo": f"prw------- 0:0 {second}",
    }


def test_names_of_255_bytes_and_not_in_utf8_are_kept(stack: Stack) -> None:
    names = ["n" * 255, os.fsdecode(b"\xff\xfe\x80"), "new\nline", " ", "-rf", "ä"]
    layer = Archive()
    for name in names:
        layer.file(name)

    stack.apply(layer)

    assert stack.names() == sorted(names)


def test_a_sparse_file_keeps_its_holes(stack: Stack) -> None:
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    content = b"2\n4096\n4\n1099511627776\n0\n".ljust(512, b"\0") + b"data"

    stack.apply(Archive().file("GNUSparseFile.0/holes", content, pax_headers=sparse | {"GNU.sparse.name": "holes"}))

    with stack.tree() as root, (root / "holes").open("rb") as file:
        status = os.fstat(file.fileno())
        assert (status.st_size, status.st_blocks * 512 < 65536) == (1 << 40, True)
        assert file.read(4100) == bytes(4096) + b"data"


def test_a_whiteout_deletes_files_and_whole_directories(stack: Stack) -> None:
    stack.apply(Archive().directory("a").file("a/b").file("a/c").directory("d").file("d/e").file("f"))

    stack.apply(Archive().directory("a").file("a/.wh.b").file(".wh.d").file(".wh.f").file(".wh.missing"))

    assert stack.names() == ["a", "a/c"]


def test_an_opaque_directory_hides_what_was_there_and_keeps_its_own(stack: Stack) -> None:
    stack.apply(Archive().directory("a").file("a/old").directory("a/sub").file("a/sub/old"))

    stack.apply(Archive().directory("a").file("a/before").file("a/.wh..wh..opq").file("a/after").directory("a/sub"))

    assert stack.names() == ["a", "a/after", "a/before", "a/sub"]


def test_an_opaque_root_hides_all_lower_layers(stack: Stack) -> None:
    stack.apply(Archive().directory("a").file("a/old").file("old"))

    stack.apply(Archive().file(".wh..wh..opq").directory("a").file("a/new").file("new"))

    assert stack.names() == ["a", "a/new", "new"]


@pytest.mark.parametrize("late", [True, False])
def test_a_whiteout_spares_what_its_own_layer_has_wherever_it_stands(stack: Stack, late: bool) -> None:
    stack.apply(Archive().directory("a").file("a/old").file("b", b"old"))
    layer = Archive()
    if not late:
        layer.file(".wh.a").file(".wh.b")
    layer.directory("a", mode=0o700).file("a/new").file("b", b"new")
    if late:
        layer.file(".wh.a").file(".wh.b")

    stack.apply(layer)

    assert stack.names() == ["a", "a/new", "b"]
    with stack.tree() as root:
        assert (root / "b").read_bytes() == b"new"
        assert stat.S_IMODE((root / "a").stat().st_mode) == 0o700


def test_whiteouts_of_what_is_not_there_are_not_seen(stack: Stack) -> None:
    # overlay lists whiteouts in a directory that it does not merge: new ones, opaque ones, those of the lowest layer
    stack.apply(Archive().file(".wh.first").directory("a").file("a/.wh.first"))
    stack.apply(Archive().directory("new").file("new/.wh.x").file("missing/.wh.x").file("missing-too/.wh..wh..opq"))
    stack.apply(Archive().directory("a").file("a/.wh..wh..opq").file("a/.wh.x").directory("new").file("new/.wh.y"))

    assert stack.names() == ["a", "new"]


def test_opaque_hides_nothing_in_what_is_no_directory(stack: Stack) -> None:
    stack.apply(Archive().file("a"))

    stack.apply(Archive().file("a/.wh..wh..opq").file("b").file("b/.wh..wh..opq").file("b/.wh.x"))

    assert stack.names() == ["a", "b"]


def test_a_file_is_deleted_although_another_name_of_it_is_new(stack: Stack) -> None:
    stack.apply(Archive().file("old", b"content"))

    stack.apply(Archive().link("new", "old").file(".wh.old"))

    assert stack.names() == ["new"]
    with stack.tree() as root:
        assert (root / "new").read_bytes() == b"content"


def test_a_directory_may_be_called_with_a_dot_at_its_end(stack: Stack) -> None:
    stack.apply(Archive().directory("a/.", mode=0o700).directory("./").file("a/./b"))

    assert stack.names() == ["a", "a/b"]
    with stack.tree() as root:
        assert stat.S_IMODE((root / "a").stat().st_mode) == 0o700


def test_a_directory_deleted_and_made_anew_by_a_child_alone_is_new(stack: Stack) -> None:
    stack.apply(Archive().directory("a").file("a/old"))

    stack.apply(Archive().file(".wh.a").file("a/new"))

    assert stack.names() == ["a", "a/new"]


def test_an_overlay_whiteout_in_an_archive_is_one(stack: Stack) -> None:
    stack.apply(Archive().file("a").file("b"))

    stack.apply(Archive().device("a", 0, 0))

    assert stack.names() == ["b"]


def test_a_file_over_a_directory_and_the_reverse(stack: Stack) -> None:
    stack.apply(Archive().directory("a").file("a/old").file("b", b"old").symlink("c", "a").directory("d"))

    stack.apply(Archive().file("a", b"file").directory("b").file("b/new").directory("c").file("c/x").symlink("d", "b"))

    assert stack.names() == ["a", "b", "b/new", "c", "c/x", "d"]
    with stack.tree() as root:
        assert (root / "a").read_bytes() == b"file"
        assert os.readlink(root / "d") == "b"


def test_the_last_of_several_entries_with_one_name_counts(stack: Stack) -> None:
    layer = Archive().directory("a").file("a/x").file("a", b"file").symlink("b", "a").file("b", b"no link")
    layer.link("c", "b").file("c", b"alone").directory("d").symlink("d", "e").file("d/x", b"through")

    stack.apply(layer)

    with stack.tree() as root:
        assert (root / "a").read_bytes() == b"file"
        assert (root / "b").read_bytes() == b"no link"
        assert (root / "c").read_bytes() == b"alone"
        assert (root / "e/x").read_bytes() == b"through"


def test_entries_go_through_links_of_lower_layers_and_keep_them(stack: Stack) -> None:
    stack.apply(Archive().directory("usr").directory("usr/lib", mode=0o711, uid=9).symlink("lib", "usr/lib"))
    stack.apply(Archive().file("lib/new").symlink("up", "usr/../lib/../lib"))
    stack.apply(Archive().file("up/newer").file("lib/.wh.new"))

    with stack.tree() as root:
        assert os.readlink(root / "lib") == "usr/lib"
        assert os.listdir(root / "usr/lib") == ["newer"]
        status = (root / "usr/lib").stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o711, 9)


def test_a_directory_in_place_of_a_lower_link_gets_what_follows(stack: Stack) -> None:
    stack.apply(Archive().directory("usr").symlink("lib", "usr"))

    stack.apply(Archive().file("lib/through").directory("lib").file("lib/inside/deep"))

    assert stack.names() == ["lib", "lib/inside", "lib/inside/deep", "usr", "usr/through"]


def test_parents_that_a_layer_does_not_list_keep_their_attributes(stack: Stack) -> None:
    note = {"SCHILY.xattr.user.note": "kept"}
    stack.apply(
        Archive().directory("a", mode=0o1777, uid=3, gid=4, mtime=5).directory("a/b", mode=0o700, pax_headers=note)
    )

    stack.apply(Archive().file("a/b/new").file("x/y/z"))

    with stack.tree() as root:
        seen = listing(f"{root}/.", times=lambda path: False)
    assert seen["a"] == "drwxrwxrwt 3:4"
    assert seen["a/b"] == "drwx------ 0:0 user.note=b'kept'"
    assert seen["x/y"] == "drwxr-xr-x 0:0"


def test_a_hard_link_reaches_files_of_lower_layers(stack: Stack) -> None:
    stack.apply(
        Archive().directory("a").file("a/file", b"text", mode=0o4755, uid=5).symlink("a/link", "file").directory("b")
    )
    stack.apply(Archive().file("other"))

    stack.apply(Archive().link("b/hard", "a/file").link("b/link", "a/link"))

    with stack.tree() as root:
        assert (root / "b/hard").read_bytes() == b"text"
        assert os.path.samestat((root / "b/hard").stat(), (root / "a/file").stat())
        assert stat.S_IMODE((root / "b/hard").stat().st_mode) == 0o4755
        assert os.readlink(root / "b/link") == "file"


def test_a_hard_link_does_not_reach_what_was_deleted(stack: Stack) -> None:
    stack.apply(Archive().directory("a").file("a/file").file("b"))

    with pytest.raises(Corrupt, match="a hard link to"):
        stack.apply(Archive().file(".wh.b").link("c", "b"))
    with pytest.raises(Corrupt, match="a hard link to"):
        stack.apply(Archive().directory("a").file("a/.wh..wh..opq").link("c", "a/file"))


def test_a_hard_link_to_itself_is_the_file(stack: Stack) -> None:
    stack.apply(Archive().file("a", b"text").link("a", "a").link("b", "a").link("a", "b"))

    with stack.tree() as root:
        assert (root / "a").read_bytes() == b"text"


def test_bookkeeping_of_aufs_is_left_out(stack: Stack) -> None:
    stack.apply(Archive().directory(".wh..wh.plnk").file(".wh..wh.plnk/12.34").file(".wh..wh.aufs").file("file"))

    assert stack.names() == ["file"]


def test_the_union_file_systems_own_attributes_are_not_taken_from_a_layer(stack: Stack) -> None:
    stack.apply(Archive().directory("a").file("a/old"))
    marks = {"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.redirect": "/etc"}

    result = stack.apply(Archive().directory("a", pax_headers=marks))

    assert stack.names() == ["a", "a/old"]
    assert len(result.skipped) == 2 and "union" in result.skipped[0]


def test_only_known_styles_of_whiteouts_are_taken(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="unknown kind of whiteouts 'aufs'"):
        apply(Archive().file("x").stream(), str(tmp_path), "aufs")  # type: ignore[arg-type]


def test_a_plain_user_can_apply_what_is_his(tmp_path: Path) -> None:
    me = {"uid": os.getuid(), "gid": os.getgid()}

    apply(Archive().directory("a", **me).file("a/file", b"text", **me).stream(), str(tmp_path), "remove")

    assert (tmp_path / "a/file").read_bytes() == b"text"


def test_a_refusal_of_the_system_names_the_entry(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"^cannot apply layer, entry 'n+': File name too long$") as failure:
        apply(Archive().file("n" * 256).stream(), str(tmp_path), "remove")
    assert failure.value.errno != 0
