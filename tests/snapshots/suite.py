"""What every snapshotter does: tests that a driver's test file inherits with its own `snapshotter` fixture."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from ringfence.errors import Conflict, InvalidInput, NotFound
from ringfence.linux.mounts import Mount, attach_nowhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Barrier

    from ringfence.snapshots import Snapshotter


LEAVING = """
import sys
from ringfence.snapshots import open_snapshotter
snapshotter = open_snapshotter(*sys.argv[1:])
snapshotter.prepare("box")
snapshotter.remove("box", later=True)
"""


@contextmanager
def mounted(mounts: list[Mount]) -> Iterator[Path]:
    """The mounts of a snapshot as a directory, without a mount point."""
    assert len(mounts) == 1
    with attach_nowhere(mounts[0]) as fd:
        yield Path(f"/proc/self/fd/{fd.fileno()}")


def commit(snapshotter: Snapshotter, name: str, parent: str, files: dict[str, str]) -> None:
    """Make a committed snapshot of `parent` with these files added."""
    with mounted(snapshotter.prepare(f"making {name}", parent)) as root:
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    snapshotter.commit(name, f"making {name}")


def _race_to_commit(snapshotter: Snapshotter, number: int, barrier: Barrier) -> None:
    """What `unpack` does in several processes at once; exits with 0 if this one was first, else 1."""
    snapshotter.prepare(f"racer {number}")
    barrier.wait()
    try:
        snapshotter.commit("winner", f"racer {number}")
    except Conflict:
        snapshotter.remove(f"racer {number}")
        sys.exit(1)


def _work_until_killed(snapshotter: Snapshotter) -> None:
    for number in itertools.count():
        parent = f"layer {os.getpid()} {number - 1}" if number % 5 else ""
        snapshotter.prepare("working", parent)
        Path(snapshotter.upper("working"), f"file {number}").write_text("text")
        if number % 3:
            snapshotter.commit(f"layer {os.getpid()} {number}", "working")
        else:
            snapshotter.remove("working")
            snapshotter.prepare("working", parent)
            snapshotter.commit(f"layer {os.getpid()} {number}", "working")


class SnapshotterSuite:
    def test_a_snapshot_of_nothing_is_an_empty_writable_tree(self, snapshotter: Snapshotter) -> None:
        with mounted(snapshotter.prepare("box")) as root:
            assert os.listdir(root) == []
            (root / "file").write_text("text")

        assert Path(snapshotter.upper("box"), "file").read_text() == "text"
        assert stat.S_IMODE(os.stat(snapshotter.upper("box")).st_mode) == 0o755
        assert (snapshotter.kind("box"), snapshotter.parent("box")) == ("active", "")

    def test_a_child_sees_its_parents_and_does_not_change_them(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {"etc/issue": "base", "etc/passwd": "root"})
        commit(snapshotter, "app", "base", {"app": "app", "etc/issue": "app"})

        with mounted(snapshotter.prepare("box", "app")) as root:
            (root / "etc/issue").write_text("box")
            (root / "etc/passwd").unlink()
            assert sorted(os.listdir(root)) == ["app", "etc"]
            assert os.listdir(root / "etc") == ["issue"]
        with mounted(snapshotter.view("look", "app")) as root:
            assert (root / "etc/issue").read_text() == "app"
            assert (root / "etc/passwd").read_text() == "root"
        with mounted(snapshotter.mounts("box")) as root:
            assert (root / "etc/issue").read_text() == "box"
            assert not (root / "etc/passwd").exists()

    def test_a_view_is_read_only_whatever_its_depth(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {"file": "base"})
        commit(snapshotter, "app", "base", {})

        for parent in ("base", "app"):
            with (
                mounted(snapshotter.view(f"look at {parent}", parent)) as root,
                pytest.raises(OSError, match="ead-only"),
            ):
                (root / "file").write_text("changed")
        assert snapshotter.kind("look at app") == "view"
        assert snapshotter.parent("look at app") == "app"

    def test_the_root_directory_keeps_its_parents_mode_and_owner(self, snapshotter: Snapshotter) -> None:
        snapshotter.prepare("making")
        os.chown(snapshotter.upper("making"), 12, 34)
        os.chmod(snapshotter.upper("making"), 0o2711)
        snapshotter.commit("base", "making")

        with mounted(snapshotter.prepare("box", "base")) as root:
            status = os.stat(root)

        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12, 34, 0o2711)

    def test_a_commit_keeps_the_tree_and_frees_the_key(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {"file": "text"})

        assert snapshotter.kind("base") == "committed"
        assert not snapshotter.exists("making base")
        assert Path(snapshotter.layer_path("base"), "file").read_text() == "text"
        with pytest.raises(Conflict, match="base is committed"):
            snapshotter.mounts("base")
        with pytest.raises(Conflict, match="not active"):
            snapshotter.commit("again", "base")

    def test_a_stack_of_130_layers_mounts(self, snapshotter: Snapshotter) -> None:
        parent = ""
        for number in range(130):
            snapshotter.prepare("making", parent)
            Path(snapshotter.upper("making"), f"file{number}").write_text(str(number))
            snapshotter.commit(f"layer{number}", "making")
            parent = f"layer{number}"

        with mounted(snapshotter.prepare("box", parent)) as root:
            assert len(os.listdir(root)) == 130

    def test_names_that_are_taken_or_missing_are_refused(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {})
        snapshotter.prepare("box", "base")

        for taken in ("base", "box"):
            with pytest.raises(Conflict, match=f"snapshot {taken} exists already"):
                snapshotter.prepare(taken, "base")
            with pytest.raises(Conflict, match=f"snapshot {taken} exists already"):
                snapshotter.view(taken, "base")
        with pytest.raises(Conflict, match="snapshot base exists already"):
            snapshotter.commit("base", "box")
        with pytest.raises(NotFound, match="no such parent snapshot: nobody"):
            snapshotter.prepare("new", "nobody")
        with pytest.raises(Conflict, match="box is not committed"):
            snapshotter.prepare("new", "box")
        for call in (snapshotter.mounts, snapshotter.kind, snapshotter.parent, snapshotter.upper, snapshotter.lowers,
                     snapshotter.usage, snapshotter.remove, snapshotter.layer_path):  # fmt: skip
            for missing in ("nobody", "", "../active/box"):
                with pytest.raises(NotFound, match="no such"):
                    call(missing)
        snapshotter.remove("nobody", missing_ok=True)
        assert [snapshot.key for snapshot in snapshotter.walk()] == ["box", "base"]

    @pytest.mark.parametrize("key", ["", ".", "..", "a/b", "../../etc", "nul\0", "x" * 256])
    def test_a_key_that_is_no_file_name_is_refused(self, snapshotter: Snapshotter, key: str) -> None:
        with pytest.raises(InvalidInput, match="must be a file name"):
            snapshotter.prepare(key)

    def test_a_parent_is_removed_only_after_its_children(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {"file": ""})
        snapshotter.prepare("box", "base")
        snapshotter.view("look", "base")

        with pytest.raises(Conflict, match="snapshot base is the parent of"):
            snapshotter.remove("base")
        snapshotter.remove("look")
        with pytest.raises(Conflict, match="snapshot base is the parent of box"):
            snapshotter.remove("base")
        snapshotter.remove("box")
        path = snapshotter.layer_path("base")
        snapshotter.remove("base")

        assert not os.path.exists(path)
        assert list(snapshotter.walk()) == []
        assert snapshotter.sweep() == 0

    def test_a_tree_deeper_than_a_path_may_be_long_is_removed(self, snapshotter: Snapshotter) -> None:
        snapshotter.prepare("box")
        fd = os.open(snapshotter.upper("box"), os.O_RDONLY)
        for _ in range(300):  # 300 × 200 bytes
            os.mkdir("d" * 200, dir_fd=fd)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
        os.close(fd)

        path = snapshotter.upper("box")
        snapshotter.remove("box")

        assert not os.path.exists(path)

    def test_removal_follows_no_symlink(self, snapshotter: Snapshotter, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "file").write_text("stays")
        snapshotter.prepare("box")
        os.symlink(outside, Path(snapshotter.upper("box"), "link"))

        snapshotter.remove("box")

        assert (outside / "file").read_text() == "stays"

    def test_what_is_removed_later_is_as_good_as_gone_until_it_is_cleared(self, snapshotter: Snapshotter) -> None:
        with mounted(snapshotter.prepare("box")) as root:
            (root / "etc").mkdir()
            (root / "etc/hosts").touch()
        tree = snapshotter.upper("box")
        snapshotter.remove("box", later=True)
        assert not snapshotter.exists("box")
        assert os.path.exists(tree)
        snapshotter.prepare("box")
        snapshotter.clear()
        assert not os.path.exists(tree)
        assert os.path.exists(snapshotter.upper("box"))
        assert snapshotter.sweep() == 0

    def test_what_is_removed_later_goes_with_the_process_at_the_latest(self, snapshotter: Snapshotter) -> None:
        snapshotter.prepare("made before")  # and with it the directories
        data = Path(snapshotter.upper("made before")).parents[3]
        subprocess.run([sys.executable, "-c", LEAVING, data, snapshotter.driver], check=True)
        assert len(os.listdir(data / "snapshots" / snapshotter.driver / "l")) == 1
        assert snapshotter.sweep() == 0

    def test_what_holds_anything_is_removed_at_once(self, snapshotter: Snapshotter) -> None:
        with mounted(snapshotter.prepare("box")) as root:
            (root / "file").write_text("text")
        tree = snapshotter.upper("box")
        snapshotter.remove("box", later=True)
        assert not os.path.exists(tree)

    def test_what_was_made_ready_is_the_next_snapshots_alone(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {"file": "base"})
        commit(snapshotter, "other", "", {"file": "other"})
        for parent in ("base", "other", "base"):  # the second wants another than is ready
            snapshotter.get_ready("base")
            snapshotter.get_ready("base")
            with mounted(snapshotter.prepare(f"of {parent}", parent)) as root:
                assert (root / "file").read_text() == parent
                (root / "file").write_text("changed")
            snapshotter.remove(f"of {parent}")
        snapshotter.clear()
        assert snapshotter.sweep() == 0

    def test_what_was_made_ready_may_be_swept(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {"file": "base"})
        snapshotter.get_ready("base")
        assert snapshotter.sweep() == (1 if snapshotter.stacks else 0)
        with mounted(snapshotter.prepare("box", "base")) as root:
            assert (root / "file").read_text() == "base"

    def test_what_was_made_ready_is_not_a_childs(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {"file": "base"})
        snapshotter.get_ready("base")
        child = os.fork()
        if not child:
            snapshotter.prepare("child's", "base")
            snapshotter.clear()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        snapshotter.prepare("ours", "base")
        assert snapshotter.upper("ours") != snapshotter.upper("child's")
        assert snapshotter.sweep() == 0

    def test_usage_counts_own_blocks_once_per_inode(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {"big": "x" * 100_000})
        snapshotter.prepare("making", "base")
        upper = Path(snapshotter.upper("making"))
        before = snapshotter.usage("making")
        (upper / "file").write_text("y" * 50_000)
        os.link(upper / "file", upper / "link")

        after = snapshotter.usage("making")

        assert after.inodes - before.inodes == 1
        assert 50_000 <= after.size - before.size < 60_000
        assert 100_000 <= snapshotter.usage("base").size < 120_000
        snapshotter.view("look", "base")
        assert snapshotter.usage("look").size == 0

    def test_of_several_processes_that_commit_one_name_one_wins(self, snapshotter: Snapshotter) -> None:
        context = multiprocessing.get_context("fork")
        barrier = context.Barrier(4)
        racers = [context.Process(target=_race_to_commit, args=(snapshotter, number, barrier)) for number in range(4)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()

        assert sorted(racer.exitcode or 0 for racer in racers) == [0, 1, 1, 1]
        assert [snapshot.key for snapshot in snapshotter.walk()] == ["winner"]
        assert snapshotter.sweep() == 0

    def test_kill_9_at_any_instant_leaves_whole_snapshots_and_what_a_sweep_removes(
        self, snapshotter: Snapshotter
    ) -> None:
        context = multiprocessing.get_context("fork")
        for number in range(20):
            worker = context.Process(target=_work_until_killed, args=(snapshotter,))
            worker.start()
            time.sleep(0.005 + number * 0.001)
            worker.kill()
            worker.join()
            snapshotter.remove("working", missing_ok=True)

        snapshotter.sweep()

        trees = {os.path.basename(snapshotter.layer_path(snapshot.key)) for snapshot in snapshotter.walk()}
        directory = Path(snapshotter.layer_path(next(snapshotter.walk()).key)).parents[1]
        assert set(os.listdir(directory / "l")) == trees
        assert os.listdir(directory / "w") == []
        assert set(os.listdir(directory / "parents")) <= trees
        for snapshot in list(snapshotter.walk()):
            assert snapshot.parent == "" or snapshotter.kind(snapshot.parent) == "committed"
            with mounted(snapshotter.view("look", snapshot.key)) as root:
                assert all((root / name).read_text() == "text" for name in os.listdir(root))
            snapshotter.remove("look")

    def test_a_sweep_removes_what_a_crash_left_and_nothing_else(self, snapshotter: Snapshotter) -> None:
        commit(snapshotter, "base", "", {"file": "text"})
        snapshotter.prepare("box", "base")
        snapshotter.prepare("dying", "base")
        orphan = snapshotter.upper("dying")
        for path in Path(orphan).parents[1].glob("*/dying"):  # a crash between unlinking the key and removing the tree
            path.unlink()

        assert snapshotter.sweep() == 1

        assert not os.path.exists(orphan)
        with mounted(snapshotter.mounts("box")) as root:
            assert (root / "file").read_text() == "text"
        snapshotter.remove("box")
        snapshotter.remove("base")
