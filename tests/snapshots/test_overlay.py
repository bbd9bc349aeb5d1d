"""The overlay snapshotter: the common suite, and what only stacked layers have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.errors import Conflict, InvalidInput
from ringfence.snapshots import open_snapshotter
from ringfence.snapshots.overlay import OverlaySnapshotter
from tests import needs
from tests.snapshots.suite import SnapshotterSuite, commit, mounted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.snapshots import Snapshotter


@pytest.fixture
def snapshotter(tmp_path: Path) -> Snapshotter:
    needs.root()
    return open_snapshotter(str(tmp_path / "data"))


class TestOverlay(SnapshotterSuite):
    """All of the suite with overlay mounts."""


def test_a_snapshot_may_get_its_parent_when_it_is_filled(snapshotter: Snapshotter) -> None:
    snapshotter.prepare("early")
    Path(snapshotter.upper("early"), "mine").write_text("1")
    commit(snapshotter, "base", "", {"theirs": "2"})
    os.chmod(snapshotter.layer_path("base"), 0o711)

    snapshotter.adopt("early", "base", root=True)
    snapshotter.commit("late", "early")

    assert snapshotter.parent("late") == "base"
    with mounted(snapshotter.view("look", "late")) as root:
        assert sorted(os.listdir(root)) == ["mine", "theirs"]
        assert root.stat().st_mode & 0o777 == 0o711
    with pytest.raises(Conflict, match="is the parent of late"):
        snapshotter.remove("base")


def test_a_container_costs_no_copy_of_its_image(snapshotter: Snapshotter) -> None:
    commit(snapshotter, "base", "", {"big": "x" * 1_000_000})

    snapshotter.prepare("box", "base")

    assert snapshotter.usage("box").size <= 4096


def test_mounts_name_the_layers_top_first_by_short_paths(snapshotter: Snapshotter) -> None:
    commit(snapshotter, "base", "", {})
    commit(snapshotter, "app", "base", {})

    mount = snapshotter.prepare("box", "app")[0]

    layers = [snapshotter.layer_path("app"), snapshotter.layer_path("base")]
    assert snapshotter.lowers("box") == layers
    assert (mount.type, mount.source) == ("overlay", "overlay")
    assert mount.options[:2] == [f"lowerdir={':'.join(layers)}", f"upperdir={snapshotter.upper('box')}"]
    assert all(len(os.path.basename(layer)) == 6 for layer in layers)


def test_one_layer_needs_no_overlay(snapshotter: Snapshotter) -> None:
    commit(snapshotter, "base", "", {})

    mount = snapshotter.view("look", "base")[0]

    assert (mount.type, mount.source, mount.options) == ("bind", snapshotter.layer_path("base"), ["ro", "rbind"])


def test_the_userxattr_variant_mounts_and_says_so(tmp_path: Path) -> None:
    needs.root()
    snapshotter = open_snapshotter(str(tmp_path), userxattr=True)
    commit(snapshotter, "base", "", {"file": "text"})

    mounts = snapshotter.prepare("box", "base")

    assert snapshotter.whiteouts == "userxattr"
    assert "userxattr" in mounts[0].options
    with mounted(mounts) as root:
        assert (root / "file").read_text() == "text"


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b"])
def test_a_data_directory_that_lowerdir_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="which overlay cannot take"):
        OverlaySnapshotter(str(tmp_path / name))
