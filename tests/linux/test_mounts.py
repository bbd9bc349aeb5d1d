"""Mounting by the new calls, in a private mount namespace; and mounting nowhere, seen by nobody."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ringfence.linux import mountinfo, mounts
from ringfence.linux.mounts import Mount, MountAttr, MountFlag, OpenTree
from ringfence.linux.paths import Root
from tests import needs
from tests.linux import child


def entry(target: Path) -> mountinfo.MountEntry:
    return [entry for entry in mountinfo.read() if entry.target == str(target)][-1]


def test_a_mount_is_a_value() -> None:
    mount = Mount("overlay", "overlay", ["lowerdir=/a:/b"])
    assert mount == Mount("overlay", "overlay", ["lowerdir=/a:/b"], target="")
    assert mount != Mount("overlay", "overlay", ["lowerdir=/a:/b"], target="/x")
    assert repr(mount) == "Mount('overlay', 'overlay', ['lowerdir=/a:/b'])"


def test_a_new_tmpfs_is_made_and_attached(tmp_path: Path) -> None:
    needs.root()

    def work() -> None:
        with mounts.fsopen("tmpfs") as context:
            mounts.fsconfig_string(context, "size", "64k")
            mounts.fsconfig_flag(context, "ro")
            mounts.fsconfig_create(context)
            with mounts.fsmount(context, MountAttr.NODEV | MountAttr.NOEXEC) as tree:
                assert all(entry.target != str(tmp_path) for entry in mountinfo.read())
                mounts.move_mount(tree, tmp_path)
        mounted = entry(tmp_path)
        assert mounted.type == "tmpfs"
        assert {"nodev", "noexec"} <= set(mounted.options)
        assert {"ro", "size=64k"} <= set(mounted.super_options)
        mounts.umount(tmp_path)

    child.run(work)


def test_attributes_are_set_on_a_whole_tree(tmp_path: Path) -> None:
    needs.root()

    def work() -> None:
        for name in ("a", "a/b"):
            (tmp_path / name).mkdir()
            mounts.mount("tmpfs", tmp_path / name, "tmpfs")
        (tmp_path / "copy").mkdir()
        with mounts.open_tree(tmp_path / "a", OpenTree.CLONE | OpenTree.RECURSIVE) as tree:
            mounts.mount_setattr(tree, MountAttr.RDONLY, recursive=True, propagation=MountFlag.PRIVATE)
            mounts.move_mount(tree, tmp_path / "copy")
        for name, readonly in (("a", False), ("copy", True), ("copy/b", True)):
            assert ("ro" in entry(tmp_path / name).options) is readonly

    child.run(work)


def test_umount_does_not_follow_a_link(tmp_path: Path) -> None:
    needs.root()

    def work() -> None:
        (tmp_path / "mounted").mkdir()
        (tmp_path / "link").symlink_to("mounted")
        mounts.mount("tmpfs", tmp_path / "mounted", "tmpfs")
        with pytest.raises(OSError) as caught:
            mounts.umount(tmp_path / "link")
        assert caught.value.errno == errno.EINVAL
        assert caught.value.filename == str(tmp_path / "link")

    child.run(work)


def layers(directory: Path, count: int) -> list[str]:
    """Directories with a file each, named by their number, and one that all have, with their number in it."""
    made = []
    for number in range(count):
        layer = directory / f"a-layer-with-a-rather-long-name-{number}"
        layer.mkdir()
        (layer / str(number)).touch()
        (layer / "which").write_text(str(number))
        made.append(str(layer))
    return made


def test_an_overlay_is_read_and_written_without_a_mount_point(tmp_path: Path) -> None:
    needs.root()
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    [lower] = layers(tmp_path, 1)
    before = mountinfo.read()
    options = [f"lowerdir={lower}", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"]
    with Root(mounts.attach_nowhere(Mount("overlay", "overlay", options))) as root:
        assert root.read_bytes("/which") == b"0"
        assert [entry.target for entry in mountinfo.read()] == [entry.target for entry in before]
        root.mkdirs("/new/directory").close()
    assert (tmp_path / "upper/new/directory").is_dir()
    assert not (Path(lower) / "new").exists()


@pytest.mark.parametrize("count", [2, 60, 300])
def test_an_overlay_may_have_as_many_layers_as_images_have(tmp_path: Path, count: int) -> None:
    needs.root()
    mount = Mount("overlay", "overlay", ["ro", "lowerdir=" + ":".join(layers(tmp_path, count))])
    with Root(mounts.attach_nowhere(mount)) as root:
        assert len(root.listdir()) == count + 1
        assert root.read_bytes("which") == b"0", "the first is the topmost"


def test_where_fsconfig_does_not_take_layers_one_by_one_mount_takes_them_together(tmp_path: Path) -> None:
    """The way for kernels before 6.7; an escaped colon takes it on every kernel, as fsconfig has no way to say it."""
    needs.root()
    names = layers(tmp_path, 8)
    strange = tmp_path / "a:b"
    strange.mkdir()
    (strange / "which").write_text("strange")
    before = [entry.id for entry in mountinfo.read()]
    options = ["lowerdir=" + ":".join([str(strange).replace(":", "\\:"), *names])]
    with Root(mounts.attach_nowhere(Mount("overlay", "overlay", options))) as root:
        assert root.read_bytes("which") == b"strange"
        assert len(root.listdir()) == 9
    assert [entry.id for entry in mountinfo.read()] == before


def test_a_bind_is_read_only_if_asked_and_shows_what_is_mounted_below_if_asked(tmp_path: Path) -> None:
    needs.root()

    def work() -> None:
        (tmp_path / "below").mkdir()
        mounts.mount("tmpfs", tmp_path / "below", "tmpfs")
        (tmp_path / "below/file").touch()
        with Root(mounts.attach_nowhere(Mount("bind", str(tmp_path), ["rbind", "rro"]))) as root:
            assert root.exists("below/file")
            for directory in (".", "below"):
                with pytest.raises(OSError) as caught:
                    root.open(f"{directory}/new", os.O_CREAT | os.O_WRONLY, 0o600)
                assert caught.value.errno == errno.EROFS
        with Root(mounts.attach_nowhere(Mount("bind", str(tmp_path), ["bind"]))) as root:
            assert not root.exists("below/file")
            root.open("new", os.O_CREAT | os.O_WRONLY, 0o600).close()
        assert (tmp_path / "new").exists()

    child.run(work)


@pytest.mark.parametrize(
    ("mount", "number"),
    [
        (Mount("overlay", "overlay", ["lowerdir=/no/such:/tmp"]), errno.ENOENT),
        (Mount("overlay", "overlay", ["lowerdir=/tmp:/", "nonsense=1"]), errno.EINVAL),
        (Mount("nonsense", "none", []), errno.ENODEV),
        (Mount("bind", "/no/such", ["bind"]), errno.ENOENT),
    ],
)
def test_what_cannot_be_mounted_is_an_error_and_leaves_no_descriptor(mount: Mount, number: int) -> None:
    needs.root()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError) as caught:
        mounts.attach_nowhere(mount)
    assert caught.value.errno == number
    assert os.listdir("/proc/self/fd") == before
