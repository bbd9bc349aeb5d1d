"""Whether a tree still is what its layer's archive says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ringfence.layers.verify import differences
from tests import needs
from tests.layers.archives import Archive
from tests.layers.stack import Stack

LAYER = (
    Archive().directory("d", mode=0o750).file("d/a", b"content").symlink("l", "d").link("d/hard", "d/a")
    .file("l/through-a-link", b"1").file("d/.wh.gone").file("twice", b"first").file("twice", b"second").bytes()
)  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    needs.root()
    stack = Stack(tmp_path / "data", "overlay")
    stack.apply(Archive().symlink("lib", "usr/lib").directory("usr/lib"))
    stack.apply(LAYER)
    return Path(stack.snapshotter.layer_path(stack.top))


def found(tree: Path) -> list[str]:
    import io

    return differences(io.BytesIO(LAYER), str(tree))


def test_a_tree_that_nobody_touched_is_right(tree: Path) -> None:
    assert found(tree) == []


def test_what_goes_through_links_of_lower_layers_is_not_asked_for(tmp_path: Path) -> None:
    needs.root()
    stack = Stack(tmp_path / "data", "overlay")
    stack.apply(Archive().symlink("lib", "usr/lib").directory("usr/lib"))
    layer = Archive().file("lib/a", b"1")
    data = layer.bytes()
    stack.apply(data)
    import io

    assert differences(io.BytesIO(data), stack.snapshotter.layer_path(stack.top)) == []


def test_every_difference_is_told(tree: Path) -> None:
    path = tree / "d/a"
    path.write_bytes(b"CONTENT")
    assert found(tree) == ["/d/a: has other content"]
    path.write_bytes(b"longer than it was")
    assert found(tree) == ["/d/a: has 18 bytes, not 7"]
    path.chmod(0o600)
    assert found(tree) == ["/d/a: has mode 600, not 644"]
    os.unlink(tree / "l")
    os.symlink("/etc", tree / "l")
    (tree / "d").chmod(0o755)
    os.chown(tree / "twice", 5, 6)
    assert found(tree)[2:] == ["/l: leads elsewhere", "/twice: is owned by 5:6, not 0:0"]
    os.unlink(tree / "twice")
    os.mkdir(tree / "twice")
    assert found(tree)[-1] == "/twice: is of another kind"
    os.rmdir(tree / "twice")
    assert found(tree)[-1] == "/twice: is missing"
