"""What a container changed: real changes in a real mount, told, and written as a layer that makes the same tree."""

from __future__ import annotations

import io
import os
import shutil
import stat
from pathlib import Path

import pytest

from ringfence.layers.diff import changes, write_diff
from ringfence.layers.tar_reader import TarReader
from ringfence.linux.mounts import attach_nowhere
from tests import needs
from tests.layers.archives import Archive
from tests.layers.listing import listing
from tests.layers.stack import Stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Box:
    """A container's snapshot of a small image, changed through its mount as a container would."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.snapshotter = stack.snapshotter
        base = Archive().directory("etc").file("etc/passwd", b"root").file("etc/group").directory("var")
        base.directory("var/lib").file("var/lib/a").file("var/lib/b").symlink("link", "etc").file("tool", mode=0o755)
        stack.apply(base)
        stack.apply(Archive().directory("opt").file("opt/x", b"x").directory("opt/sub").file("opt/sub/y"))
        self.snapshotter.prepare("box", stack.top)

    def change(self, what: Callable[[Path], object]) -> None:
        with attach_nowhere(self.snapshotter.mounts("box")[0]) as fd:
            what(Path(fd.path))

    def changes(self, mount_points: tuple[str, ...] = ()) -> list[str]:
        with self._lower() as lower:
            found = changes(self.snapshotter.upper("box"), lower, self.snapshotter.whiteouts, mount_points)
        return [f"{change.kind} {change.path}" for change in found]

    def layer(self) -> bytes:
        out = io.BytesIO()
        with self._lower() as lower:
            write_diff(self.snapshotter.upper("box"), lower, out, self.snapshotter.whiteouts)
        return out.getvalue()

    def seen(self) -> dict[str, str]:
        with attach_nowhere(self.snapshotter.mounts("box")[0]) as fd:
            return listing(f"{fd.path}/.")

    def _lower(self) -> _View:
        return _View(self.stack)


class _View:
    def __init__(self, stack: Stack) -> None:
        self._context = stack.tree()

    def __enter__(self) -> str:
        return str(self._context.__enter__())

    def __exit__(self, *exception: object) -> None:
        self._context.__exit__(None, None, None)


@pytest.fixture(params=["overlay", "userxattr", "copy"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    needs.root()
    yield Box(Stack(tmp_path / "data", request.param))


def test_an_untouched_container_has_no_changes(box: Box) -> None:
    assert box.changes() == []
    assert list(TarReader(io.BytesIO(box.layer() + bytes(512)))) == []


CASES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "a new file": (lambda root: (root / "etc/new").write_text("new"), ["C /etc", "A /etc/new"]),
    "a new tree": (lambda root: (root / "a/b").mkdir(parents=True), ["A /a", "A /a/b"]),
    "a changed file": (lambda root: (root / "etc/passwd").write_text("changed"), ["C /etc", "C /etc/passwd"]),
    "a changed mode": (lambda root: (root / "tool").chmod(0o4711), ["C /tool"]),
    "a changed owner": (lambda root: os.chown(root / "var/lib", 5, 6), ["C /var", "C /var/lib"]),
    "a deleted file": (lambda root: (root / "etc/passwd").unlink(), ["C /etc", "D /etc/passwd"]),
    "a deleted tree": (lambda root: shutil.rmtree(root / "var/lib"), ["C /var", "D /var/lib"]),
    "a deleted link": (lambda root: (root / "link").unlink(), ["D /link"]),
    "made and deleted": (lambda root: (root / "tool").write_text("") and None, ["C /tool"]),
    "a renamed file": (lambda root: (root / "tool").rename(root / "tool2"), ["D /tool", "A /tool2"]),
    "a deleted file of the upper layer": (lambda root: (root / "opt/x").unlink(), ["C /opt", "D /opt/x"]),
}


@pytest.mark.parametrize("case", CASES)
def test_changes_are_told_in_dockers_letters(box: Box, case: str) -> None:
    change, expected = CASES[case]

    box.change(change)

    assert box.changes() == expected


def test_a_directory_made_anew_hides_the_old_one(box: Box) -> None:
    def renew(root: Path) -> None:
        shutil.rmtree(root / "opt")
        (root / "opt").mkdir()
        (root / "opt/x").write_text("new")

    box.change(renew)

    assert box.changes() == ["C /opt", "D /opt/sub", "C /opt/x"]


def test_a_file_in_place_of_a_directory_and_the_reverse(box: Box) -> None:
    def swap(root: Path) -> None:
        shutil.rmtree(root / "opt")
        (root / "opt").write_text("file")
        (root / "tool").unlink()
        (root / "tool").mkdir()
        (root / "tool/new").write_text("")

    box.change(swap)

    assert box.changes() == ["C /opt", "C /tool", "A /tool/new"]


def _everything(root: Path) -> None:
    """One of each."""
    (root / "etc/passwd").unlink()
    shutil.rmtree(root / "var/lib")
    (root / "new").mkdir(mode=0o1777)
    (root / "new/file").write_bytes(b"x" * 100_000)
    os.link(root / "new/file", root / "new/hard")
    os.chown(root / "new/file", 1000, 2000)
    (root / "new/file").chmod(0o4750)
    os.setxattr(root / "new/file", "user.note", b"\0\xff")
    os.setxattr(root / "new/file", "security.capability", b"\x01\0\0\x02\0\x20" + bytes(14))
    os.utime(root / "new/file", ns=(0, 1_234_567_890_123_456_789))
    (root / "new" / ("n" * 255)).write_text("")
    (root / "new" / os.fsdecode(b"\xff\xfe")).symlink_to("x" * 300)
    os.mknod(root / "new/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(root / "new/fifo", 0o600)
    (root / "link").unlink()
    (root / "link").mkdir()
    (root / "link/.hidden").write_text("")


def test_the_layer_makes_the_same_tree_again(box: Box) -> None:
    box.change(_everything)
    seen = box.seen()

    box.stack.apply(box.layer())

    with box.stack.tree() as root:
        again = listing(f"{root}/.")
    for lines in (seen, again):
        del lines["."]  # its time: a layer has no entry for the root
    assert again == seen


MOUNT_POINTS = ("/etc/hosts", "/new", "/new/deep/dir", "/opt", "/tool")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda root: (root / "etc/hosts").touch(), []),
        (lambda root: (root / "etc/hosts").write_text("mine"), ["C /etc", "A /etc/hosts"]),
        (lambda root: (root / "new/deep/dir").mkdir(parents=True), []),
        (lambda root: (root / "new/other").mkdir(parents=True), ["A /new", "A /new/other"]),
        (lambda root: [(root / "etc/hosts").touch(), (root / "etc").chmod(0o700)], ["C /etc"]),
        (lambda root: [(root / "etc/hosts").touch(), (root / "etc/x").touch()], ["C /etc", "A /etc/x"]),
        (lambda root: (root / "tool").write_text(""), ["C /tool"]),
        (lambda root: shutil.rmtree(root / "opt"), ["D /opt"]),
    ],
)
def test_what_was_made_to_be_mounted_on_is_no_change_unless_something_is_in_it(
    box: Box, change: Callable[[Path], object], expected: list[str]
) -> None:
    box.change(change)
    assert box.changes(MOUNT_POINTS) == expected


def test_the_same_changes_are_the_same_bytes(box: Box) -> None:
    box.change(_everything)

    assert box.layer() == box.layer()


def test_sockets_and_bookkeeping_of_overlay_are_left_out(box: Box) -> None:
    import socket

    def make(root: Path) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(root / "socket"))
        shutil.rmtree(root / "opt")
        (root / "opt").mkdir()

    box.change(make)

    members = list(TarReader(io.BytesIO(box.layer())))
    assert b"socket" not in [member.name for member in members]
    assert all(not member.xattrs for member in members)
