"""Volumes on disk: made, found, filled from the image, removed; and what a crash leaves of them."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ringfence.engine.options import parse
from ringfence.engine.volumes import Volumes, describe
from ringfence.engine.volumes_tree import remove_tree
from ringfence.errors import Conflict, Corrupt, InvalidInput, NotFound
from ringfence.linux import processes
from ringfence.linux.paths import Root
from tests import needs

if TYPE_CHECKING:
    from ringfence.engine.options_mounts import MountRequest


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    return Volumes(str(tmp_path / "data"))


def unused() -> Root:
    raise AssertionError("the root filesystem was opened though nothing is to be copied")


def test_a_volume_is_made_once_and_keeps_its_labels(volumes: Volumes) -> None:
    made = volumes.create("data", {"a": "1"})
    again = volumes.create("data", {"a": "2"})
    assert (again.name, again.path, again.created, again.labels) == (made.name, made.path, made.created, {"a": "1"})
    assert os.path.isdir(made.path)
    assert not made.anonymous
    assert [volume.name for volume in volumes.all()] == ["data"]


def test_a_volume_without_a_name_gets_64_digits(volumes: Volumes) -> None:
    made = volumes.create()
    assert made.anonymous
    assert len(made.name) == 64


@pytest.mark.parametrize("name", ["a", "../x", ".new", "a/b", "x" * 256, "-a"])
def test_a_bad_name_is_refused(volumes: Volumes, name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a volume name"):
        volumes.create(name)


@pytest.mark.parametrize("name", ["data", "..", "a", ""])
def test_a_missing_volume_is_named(volumes: Volumes, name: str) -> None:
    with pytest.raises(NotFound, match=f"^no such volume: {name.replace('.', '[.]')}$"):
        volumes.get(name)
    with pytest.raises(NotFound):
        volumes.remove(name)
    volumes.remove(name, missing_ok=True)


def test_a_volume_in_use_is_not_removed(volumes: Volumes) -> None:
    volumes.create("data")
    with pytest.raises(Conflict, match=r"^volume data is in use by container aaaaaaaaaaaa$"):
        volumes.remove("data", users=["a" * 64])
    volumes.remove("data")
    assert volumes.all() == []
    assert os.listdir(volumes.directory) == []


def test_a_damaged_volume_says_so(volumes: Volumes) -> None:
    path = volumes.create("data").path
    Path(path, "../volume.json").write_text("{")
    with pytest.raises(Corrupt, match=r"^volume data: volume\.json cannot be read"):
        volumes.get("data")


def test_the_size_counts_a_file_with_two_names_once(volumes: Volumes) -> None:
    path = Path(volumes.create("data").path)
    (path / "a").write_bytes(b"x" * 100_000)
    before = volumes.size("data")
    os.link(path / "a", path / "b")
    assert volumes.size("data") == before >= 100_000


def test_ten_processes_that_make_one_volume_get_the_same(volumes: Volumes) -> None:
    created: list[int] = []
    threads = [threading.Thread(target=lambda: created.append(volumes.create("data").created)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(created) == 10
    assert len(set(created)) == 1
    assert os.listdir(volumes.directory) == ["data"]


def test_what_a_crash_left_is_swept_and_what_is_being_made_is_not(volumes: Volumes) -> None:
    volumes.create("data")
    own = f".new-{os.getpid()}-{processes.start_time(os.getpid())}-x"  # somebody is making it at this moment
    for name in (".new-1-1-x", ".new-x", own, ".removing-x"):
        os.makedirs(os.path.join(volumes.directory, name, "_data"))
    volumes.sweep()
    assert sorted(os.listdir(volumes.directory)) == [own, "data"]


# what a container's mounts become -------------------------------------------------------------------------------------


def resolve(volumes: Volumes, image: dict[str, Any] | None = None, inherited: Any = None, **raw: object) -> Any:
    return volumes.resolve(parse(raw), {"config": image or {}}, inherited or {})


def test_named_and_anonymous_volumes_are_made_and_their_directories_known(volumes: Volumes) -> None:
    named, anonymous = resolve(volumes, volume=["data:/d", "/e"])
    assert named["path"] == volumes.get("data").path
    assert volumes.get(anonymous["source"]).anonymous


def test_the_images_volumes_give_way_to_what_is_asked_for(volumes: Volumes) -> None:
    found = resolve(volumes, {"Volumes": {"/d/": {}, "/e": {}, "rel": {}}}, volume="data:/d")
    assert [(one["target"], bool(volumes.get(one["source"]).anonymous)) for one in found] == [
        ("/d", False), ("/e", True), ("/rel", True),
    ]  # fmt: skip


def test_a_volume_of_the_image_that_cannot_be_is_refused(volumes: Volumes) -> None:
    with pytest.raises(InvalidInput, match="the image's VOLUME"):
        resolve(volumes, {"Volumes": {"/": {}}})


def test_inherited_mounts_are_the_same_ones_and_may_become_read_only(volumes: Volumes, tmp_path: Path) -> None:
    first = resolve(volumes, volume=["data:/d", f"{tmp_path}:/b:ro", "/gone"], tmpfs="/t:size=1m")
    inherited = {"web": [describe(request) for request in first]}
    same = {one["target"]: one for one in resolve(volumes, inherited=inherited, volumes_from="web", volume="/x:/gone")}
    assert same["/gone"]["source"] == "/x"
    assert (same["/d"]["path"], same["/d"]["options"]) == (volumes.get("data").path, ["rbind", "rprivate"])
    assert same["/b"]["options"] == ["rbind", "ro", "rro", "rprivate"]
    assert same["/t"]["options"] == ["noexec", "nosuid", "nodev", "size=1m"]
    locked = {one["target"]: one for one in resolve(volumes, inherited=inherited, volumes_from="web:ro")}
    assert locked["/d"]["options"] == ["rbind", "ro", "rro", "rprivate"]


def test_a_mount_is_described_as_dockers_inspect_does(volumes: Volumes) -> None:
    (mount,) = resolve(volumes, volume="data:/d:ro")
    assert describe(mount) == {
        "Type": "volume", "Name": "data", "Driver": "local", "Source": volumes.get("data").path, "Destination": "/d",
        "Mode": "ro", "RW": False, "Propagation": "rprivate",
    }  # fmt: skip


def test_the_source_of_a_volume_option_is_made_and_that_of_a_mount_option_must_be_there(
    volumes: Volumes, tmp_path: Path
) -> None:
    volumes.prepare(resolve(volumes, volume=f"{tmp_path}/new/dir:/d"), unused)
    assert (tmp_path / "new/dir").is_dir()
    with pytest.raises(InvalidInput, match=f"^--mount: bind source path does not exist: {tmp_path}/nope$"):
        volumes.prepare(resolve(volumes, mount=f"type=bind,src={tmp_path}/nope,dst=/d"), unused)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=f"^--volume: cannot make {tmp_path}/file/x: Not a directory$"):
        volumes.prepare(resolve(volumes, volume=f"{tmp_path}/file/x:/d"), unused)


# filling --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A root with /d: a file with two names, set-user-ID and an xattr, a link, a FIFO, a device, a socket."""
    needs.root()
    directory = tmp_path / "image/d"
    (directory / "sub").mkdir(parents=True)
    os.chmod(directory, 0o1770)
    os.chown(directory, 5, 6)
    (directory / "file").write_bytes(b"content")
    os.chown(directory / "file", 7, 8)
    os.chmod(directory / "file", 0o4755)
    os.setxattr(directory / "file", "user.note", b"x")
    os.link(directory / "file", directory / "sub/second")
    (directory / "link").symlink_to("/etc/passwd")
    os.mkfifo(directory / "fifo", 0o666)
    os.mknod(directory / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "socket"))
    os.utime(directory / "file", ns=(1, 10**18 + 7))
    os.utime(directory, ns=(1, 10**18 + 9))
    return tmp_path / "image"


def opener(image: Path) -> Callable[[], Root]:
    return lambda: Root(image)


def test_an_empty_volume_is_filled_with_all_that_the_image_has_there(volumes: Volumes, image: Path) -> None:
    volumes.prepare(resolve(volumes, volume="data:/d"), opener(image))
    path = Path(volumes.get("data").path)
    assert sorted(entry.name for entry in path.iterdir()) == ["fifo", "file", "link", "null", "sub"]
    for name in ("", "file", "sub", "fifo", "null"):
        ours, theirs = (path / name).lstat(), (image / "d" / name).lstat()
        assert (ours.st_mode, ours.st_uid, ours.st_gid, ours.st_rdev, ours.st_mtime_ns) == (
            theirs.st_mode, theirs.st_uid, theirs.st_gid, theirs.st_rdev, theirs.st_mtime_ns,
        ), name  # fmt: skip
    assert (path / "file").stat().st_ino == (path / "sub/second").stat().st_ino
    assert os.getxattr(path / "file", "user.note") == b"x"
    assert os.readlink(path / "link") == "/etc/passwd"
    assert sorted(os.listdir(path.parent)) == ["_data", "volume.json"]


def test_a_volume_that_holds_something_is_left_alone(volumes: Volumes, image: Path) -> None:
    Path(volumes.create("data").path, "mine").touch()
    volumes.prepare(resolve(volumes, volume="data:/d"), unused)
    assert os.listdir(volumes.get("data").path) == ["mine"]


@pytest.mark.parametrize("raw", [{"volume": "data:/d:nocopy"}, {"mount": "source=data,target=/d,volume-nocopy"}])
def test_a_volume_may_be_wanted_empty(volumes: Volumes, image: Path, raw: dict[str, Any]) -> None:
    volumes.prepare(resolve(volumes, **raw), unused)


def test_a_volume_at_a_place_that_the_image_lacks_stays_empty(volumes: Volumes, image: Path) -> None:
    volumes.prepare(resolve(volumes, volume=["data:/nope", "other:/d/file"]), opener(image))
    assert os.listdir(volumes.get("data").path) == os.listdir(volumes.get("other").path) == []


def test_filling_that_was_interrupted_is_completed_by_the_next_container(volumes: Volumes, image: Path) -> None:
    requests: list[MountRequest] = resolve(volumes, volume="data:/d")
    path = Path(volumes.get("data").path)
    (path / "sub").mkdir()  # as a killed copy leaves it: a part, and the mark
    (path.parent / "filling").touch()
    volumes.prepare(requests, opener(image))
    assert (path / "sub/second").read_bytes() == b"content"
    assert not (path.parent / "filling").exists()


def test_a_link_out_of_the_image_copies_nothing_of_the_host(volumes: Volumes, image: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").touch()
    (image / "way").symlink_to(f"../../../../../../..{tmp_path}/secret")
    volumes.prepare(resolve(volumes, volume="data:/way"), opener(image))
    assert os.listdir(volumes.get("data").path) == []


def nest(path: Path, depth: int) -> None:
    """A directory in a directory, `depth` times: deeper than a path can name."""
    directory = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("a", dir_fd=directory)
        below = os.open("a", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)


def test_a_tree_deeper_than_pythons_stack_is_copied_and_removed(volumes: Volumes, tmp_path: Path) -> None:
    (tmp_path / "image/d").mkdir(parents=True)
    nest(tmp_path / "image/d", 1200)
    volumes.prepare(resolve(volumes, volume="data:/d"), opener(tmp_path / "image"))
    assert os.path.isdir(os.path.join(volumes.get("data").path, *["a"] * 1200))
    volumes.remove("data")
    remove_tree(str(tmp_path / "image"))
    assert not (tmp_path / "image").exists()


def test_a_tree_deeper_than_any_path_is_removed_and_links_are_not_followed(volumes: Volumes, tmp_path: Path) -> None:
    path = Path(volumes.create("data").path)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (path / "link").symlink_to(tmp_path / "kept")
    nest(path, 3000)
    volumes.remove("data")
    assert os.listdir(volumes.directory) == []
    assert (tmp_path / "kept/file").exists()
