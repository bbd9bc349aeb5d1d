"""The copy snapshotter: the common suite, and the fidelity of its copies."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ringfence.snapshots import open_snapshotter
from ringfence.snapshots.trees import copy_tree
from tests import needs
from tests.snapshots.suite import SnapshotterSuite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.snapshots import Snapshotter


@pytest.fixture
def snapshotter(tmp_path: Path) -> Snapshotter:
    needs.root()
    return open_snapshotter(str(tmp_path / "data"), "copy")


class TestCopy(SnapshotterSuite):
    """All of the suite with whole trees."""


def test_a_copy_keeps_owners_modes_times_links_holes_and_attributes(tmp_path: Path) -> None:
    needs.root()
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "directory").mkdir(parents=True)
    file = source / "directory" / "file"
    with file.open("wb") as out:
        out.seek(1 << 20)
        out.write(b"end")
        out.truncate(3 << 20)
    os.chown(file, 1, 2)
    file.chmod(0o4755)
    os.setxattr(file, "user.note", b"\0\xff")
    os.utime(file, ns=(5, 1_000_000_007))
    os.link(file, source / "link")
    os.symlink("/nowhere", source / "symlink")
    os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(source / os.fsdecode(b"fifo\xff"))
    os.utime(source / "directory", ns=(7, 2_000_000_009))
    target.mkdir()

    copy_tree(str(source), str(target))

    copied = (target / "directory/file").lstat()
    assert (copied.st_uid, copied.st_gid, stat.S_IMODE(copied.st_mode)) == (1, 2, 0o4755)
    assert (copied.st_mtime_ns, copied.st_size, copied.st_nlink) == (1_000_000_007, 3 << 20, 2)
    assert copied.st_blocks * 512 < 1 << 18
    assert (target / "link").read_bytes() == file.read_bytes()
    assert os.getxattr(target / "link", "user.note") == b"\0\xff"
    assert os.readlink(target / "symlink") == "/nowhere"
    assert (target / "null").lstat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISFIFO((target / os.fsdecode(b"fifo\xff")).lstat().st_mode)
    assert (target / "directory").lstat().st_mtime_ns == 2_000_000_009
