"""Layers applied one over the other by a real snapshotter, and the tree that a container would then see."""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path

from ringfence.layers.apply import ApplyResult, apply
from ringfence.linux.mounts import attach_nowhere
from ringfence.snapshots import open_snapshotter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.layers.archives import Archive


class Stack:
    """Layers in a fresh data directory; `driver` is a snapshotter's name, or "userxattr" for that overlay variant."""

    def __init__(self, directory: Path, driver: str) -> None:
        name = "overlay" if driver == "userxattr" else driver
        self.snapshotter = open_snapshotter(str(directory), name, userxattr=driver == "userxattr")
        self._count = 0

    @property
    def top(self) -> str:
        return f"layer{self._count}" if self._count else ""

    def apply(self, layer: Archive | bytes) -> ApplyResult:
        """Apply a layer; one that fails is removed, as unpack does."""
        stream = io.BytesIO(layer) if isinstance(layer, bytes) else layer.stream()
        self.snapshotter.prepare("new", self.top)
        upper, lowers = self.snapshotter.upper("new"), self.snapshotter.lowers("new")
        try:
            result = apply(stream, upper, self.snapshotter.whiteouts, lowers)
        except BaseException:
            self.snapshotter.remove("new")
            raise
        self._count += 1
        self.snapshotter.commit(self.top, "new")
        return result

    @contextmanager
    def tree(self) -> Iterator[Path]:
        """What a container of the layers sees, read-only."""
        self.snapshotter.view("look", self.top)
        with attach_nowhere(self.snapshotter.mounts("look")[0]) as fd:
            yield Path(fd.path)
        self.snapshotter.remove("look")

    def names(self) -> list[str]:
        """All paths that a container sees."""
        with self.tree() as root:
            return sorted(str(path.relative_to(root)) for path in root.rglob("*"))
