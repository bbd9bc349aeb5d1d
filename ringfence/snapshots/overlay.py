"""The overlay snapshotter: each snapshot keeps only its own changes; the kernel's overlay filesystem stacks them.

Overlay options are explained in the kernel's Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os

from ringfence.errors import Conflict, InvalidInput
from ringfence.linux.mounts import Mount
from ringfence.snapshots.links import LinkedSnapshots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.snapshots import Whiteouts


class OverlaySnapshotter(LinkedSnapshots):
    """With `userxattr` opaque marks are `user.overlay.*` attributes, which an unprivileged mounter may set and read.

    Raises InvalidInput for a data directory whose path the lowerdir option could not hold.
    """

    driver = "overlay"
    stacks = True

    def __init__(self, data_dir: str, *, userxattr: bool = False) -> None:
        super().__init__(data_dir)
        for character in ":,\\":
            if character in self.directory:
                # lowerdir and mount(2) each have their own escapes; a path without them is right for every caller
                raise InvalidInput(f"data directory {data_dir!r} contains {character!r}, which overlay cannot take")
        self.whiteouts: Whiteouts = "userxattr" if userxattr else "overlay"
        # A parent that was renamed or shared as metadata only would not be in `upper`, where the diff is read.
        self._options = ["userxattr"] if userxattr else ["index=off", "metacopy=off", "redirect_dir=nofollow"]

    def _fill(self, tree: str, parent: str) -> None:
        os.mkdir(f"{self.directory}/w/{os.path.basename(tree)}")
        if parent:
            self._like_root(tree, parent)
        else:
            os.chmod(tree, 0o755)

    def mounts(self, key: str) -> list[Mount]:
        kind = self.kind(key)
        if kind == "committed":
            raise Conflict(f"snapshot {key} is committed: prepare or view it")
        lowers = self._ancestors(key)
        if kind == "view":
            if len(lowers) == 1:
                return [Mount("bind", lowers[0], ["ro", "rbind"])]
            return [Mount("overlay", "overlay", [f"lowerdir={':'.join(lowers)}", *self._options])]
        tree = self._tree(key)
        upper = f"{self.directory}/l/{tree}"
        if not lowers:
            return [Mount("bind", upper, ["rw", "rbind"])]
        options = [f"lowerdir={':'.join(lowers)}", f"upperdir={upper}", f"workdir={self.directory}/w/{tree}"]
        return [Mount("overlay", "overlay", options + self._options)]

    def lowers(self, key: str) -> list[str]:
        return self._ancestors(key)
