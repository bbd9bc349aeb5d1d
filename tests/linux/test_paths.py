"""Nothing below a Root leads out of it, whatever its links say and whoever swaps them meanwhile."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux import paths
from ringfence.linux.paths import Root
from tests import needs


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root inside, with a secret of the host outside of it; `etc/passwd` in both."""
    for place in ("outside", "root"):
        (tmp_path / place / "etc").mkdir(parents=True)
        (tmp_path / place / "etc/passwd").write_text(place)
    (tmp_path / "outside/secret").write_text("secret")
    return tmp_path / "root"


@pytest.fixture
def root(tree: Path) -> Iterator[Root]:
    with Root(tree) as root:
        yield root


ESCAPES = {
    "dots": "../outside/secret",
    "many dots": "../../../../../../../../{outside}/secret",
    "absolute": "{outside}/secret",
    "dots inside": "etc/../../outside/secret",
    "magic link to the host's root": "/proc/self/root{outside}/secret",
    "magic link to the working directory": "/proc/self/cwd/secret",
}


@pytest.mark.parametrize("kind", ESCAPES)
def test_no_path_and_no_link_reaches_a_file_outside(root: Root, tree: Path, kind: str) -> None:
    outside = str(tree.parent / "outside")
    target = ESCAPES[kind].format(outside=outside)
    (tree / "link").symlink_to(target)
    (tree / "directory").symlink_to(os.path.dirname(target))
    for path in (target, "/link", "directory/secret", "etc/../link"):
        for attempt in (root.read_bytes, root.stat, root.open, root.listdir):
            with pytest.raises((FileNotFoundError, NotADirectoryError)):
                attempt(path)
        assert not root.exists(path)


def test_magic_links_of_a_proc_inside_are_refused(tmp_path: Path) -> None:
    with Root("/") as root:
        for path in ("/proc/self/root/etc", "/proc/self/cwd", "/proc/self/exe"):
            with pytest.raises(OSError) as caught:
                root.open(path)
            assert caught.value.errno == errno.ELOOP


def test_links_resolve_as_the_container_sees_them(root: Root, tree: Path) -> None:
    (tree / "absolute").symlink_to("/etc/passwd")
    (tree / "relative").symlink_to("../../etc/passwd")
    for path in ("etc/passwd", "/etc/passwd", "absolute", "/relative", "../../../etc/passwd", b"/etc/passwd"):
        assert root.read_bytes(path) == b"root"
    assert root.readlink("absolute") == "/etc/passwd"
    assert root.stat("absolute").st_ino == (tree / "etc/passwd").stat().st_ino
    assert stat.S_ISLNK(root.stat("absolute", follow_symlinks=False).st_mode)


def test_errors_name_the_path(root: Root, tree: Path) -> None:
    (tree / "loop").symlink_to("loop")
    for path, number in (("/no/such", errno.ENOENT), ("loop", errno.ELOOP), ("etc/passwd/x", errno.ENOTDIR)):
        with pytest.raises(OSError) as caught:
            root.open(path)
        assert (caught.value.errno, caught.value.filename) == (number, path)
    with pytest.raises(OSError) as caught:
        root.readlink("etc/passwd")
    assert caught.value.errno == errno.EINVAL
    assert not root.exists("loop")


def test_only_regular_files_are_read_and_nobody_can_make_us_wait(root: Root, tree: Path) -> None:
    os.mkfifo(tree / "fifo")
    for path, number in (("fifo", errno.EINVAL), ("etc", errno.EISDIR)):
        with pytest.raises(OSError) as caught:
            root.read_bytes(path)
        assert caught.value.errno == number


def test_a_file_that_is_too_large_is_refused(root: Root, tree: Path) -> None:
    with open(tree / "large", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError) as caught:
        root.read_bytes("large", limit=1000)
    assert caught.value.errno == errno.EFBIG
    (tree / "fits").write_bytes(bytes(1000))
    assert len(root.read_bytes("fits", limit=1000)) == 1000


def test_directories_are_listed_and_made(root: Root, tree: Path) -> None:
    with root.mkdirs("a/b/../c//./d", 0o700) as made:
        assert os.fstat(made).st_ino == (tree / "a/c/d").stat().st_ino
    assert sorted(root.listdir("a")) == ["b", "c"]
    assert stat.S_IMODE((tree / "a/c").stat().st_mode) == 0o700
    root.mkdirs("/a/c/d").close()
    assert sorted(root.listdir()) == ["a", "etc"]


@pytest.mark.parametrize(
    ("link", "made"),
    [
        ("/run", "run/lock"),
        ("../../../run", "run/lock"),
        ("../usr/share/run", "usr/share/run/lock"),
        ("/etc", "etc/lock"),
        ("/var/other", "var/other/lock"),
    ],
)
def test_a_dangling_link_leads_to_a_directory_made_inside(root: Root, tree: Path, link: str, made: str) -> None:
    (tree / "var").mkdir()
    (tree / "var/run").symlink_to(link)
    with root.mkdirs("/var/run/lock") as directory:
        assert os.fstat(directory).st_ino == (tree / made).stat().st_ino
    assert not (tree.parent / "run").exists()


def test_making_directories_ends_where_it_must(root: Root, tree: Path) -> None:
    (tree / "a").symlink_to("b/x")
    (tree / "b").symlink_to("a/x")
    for path, number in (("a/y", errno.ELOOP), ("etc/passwd/y", errno.ENOTDIR), ("etc/passwd", errno.ENOTDIR)):
        with pytest.raises(OSError) as caught:
            root.mkdirs(path)
        assert caught.value.errno == number


def test_it_owns_the_descriptor_it_is_given(tree: Path) -> None:
    descriptor = os.open(tree, os.O_PATH)
    with Root(descriptor) as root:
        assert root.fileno() == descriptor
        assert root.read_bytes("etc/passwd") == b"root"
    with pytest.raises(OSError):
        os.fstat(descriptor)


names = st.sampled_from(["a", "b", "c", ".", "..", ""])
routes = st.lists(names, min_size=1, max_size=6).map("/".join)


@given(links=st.dictionaries(st.sampled_from(["a", "b", "c", "a/b", "b/c"]), routes), path=routes)
def test_whatever_links_say_only_the_root_changes(
    tmp_path_factory: pytest.TempPathFactory, links: dict[str, str], path: str
) -> None:
    # Invariant: mkdirs makes `path` as the container sees it, or raises OSError; outside, nothing appears.
    place = tmp_path_factory.mktemp("links")
    inside = place / "outer" / "root"
    inside.mkdir(parents=True)
    with Root(inside) as root:
        for name, target in links.items():
            link = inside / name
            if target and link.parent.is_dir() and not link.parent.is_symlink() and not link.is_symlink():
                link.symlink_to(target)
        try:
            with root.mkdirs(path) as made:
                assert root.stat(path).st_ino == os.fstat(made).st_ino
        except OSError as error:
            assert error.errno in (errno.ELOOP, errno.ENOENT)
    assert os.listdir(place) == ["outer"]
    assert os.listdir(place / "outer") == ["root"]


SWAPPER = """
import ctypes, os, sys
os.chdir(sys.argv[1])
renameat2 = ctypes.CDLL(None).renameat2
while True:
    renameat2(-100, b"swapped", -100, b"evil", 2)
"""


def test_a_link_swapped_in_meanwhile_does_not_lead_out(tree: Path) -> None:
    """CVE-2021-30465 and CVE-2024-45310: somebody exchanges a directory for a link to the outside, over and over."""
    outside = tree.parent / "outside"
    (tree / "swapped/inner").mkdir(parents=True)
    (tree / "evil").symlink_to(outside)
    before = sorted(os.listdir(outside))
    with subprocess.Popen([sys.executable, "-c", SWAPPER, str(tree)]) as swapper, Root(tree) as root:
        try:
            until = time.monotonic() + 1.0
            number = 0
            while time.monotonic() < until:
                number += 1
                try:
                    root.mkdirs(f"swapped/{number}").close()
                except (FileNotFoundError, NotADirectoryError):
                    continue
                assert not root.exists("swapped/secret")
        finally:
            swapper.kill()
    assert sorted(os.listdir(outside)) == before
    assert number > 10, "the race was hardly run"


def test_rename_can_refuse_and_exchange(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    directory = os.open(tmp_path, os.O_PATH)
    try:
        with pytest.raises(FileExistsError):
            paths.renameat2(directory, "a", directory, "b", paths.Rename.NOREPLACE)
        paths.renameat2(directory, "a", directory, "b", paths.Rename.EXCHANGE)
    finally:
        os.close(directory)
    assert (tmp_path / "a").read_text() == "b"


def test_devices_are_not_opened_to_see_what_they_are(tree: Path, root: Root) -> None:
    needs.root()
    os.mknod(tree / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with pytest.raises(OSError) as caught:
        root.read_bytes("null")
    assert caught.value.errno == errno.EINVAL
