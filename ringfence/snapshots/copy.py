"""The copy snapshotter: each snapshot is a whole tree, copied from its parent's. For comparison, and for filesystems
on which overlay does not work."""

from __future__ import annotations

import os

from ringfence.errors import Conflict
from ringfence.linux.mounts import Mount
from ringfence.snapshots.links import LinkedSnapshots
from ringfence.snapshots.trees import copy_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.snapshots import Whiteouts


class CopySnapshotter(LinkedSnapshots):
    driver = "copy"
    stacks = False
    whiteouts: Whiteouts = "remove"

    def _fill(self, tree: str, parent: str) -> None:
        if parent:
            copy_tree(self.layer_path(parent), tree)
        else:
            os.chmod(tree, 0o755)

    def mounts(self, key: str) -> list[Mount]:
        kind = self.kind(key)
        if kind == "committed":
            raise Conflict(f"snapshot {key} is committed: prepare or view it")
        if kind == "view":
            return [Mount("bind", self._ancestors(key)[0], ["ro", "rbind"])]
        return [Mount("bind", self.upper(key), ["rw", "rbind"])]

    def lowers(self, key: str) -> list[str]:
        self.kind(key)
        return []
