"""Snapshots: named directory trees, each made from a parent, handed out as mount values and never mounted here.

A snapshot is *active* (writable, made by `prepare`), *committed* (immutable, may be a parent; the layers of images are
committed snapshots named by their chain ID) or a *view* (read-only, of one committed parent). Keys of active snapshots
and views and names of committed ones share one namespace.

The life of an image's layer and of a container's root filesystem:

    mounts = snapshotter.prepare("unpack-1", parent="")      # an empty tree
    ... apply the layer's tar to snapshotter.upper("unpack-1") ...
    snapshotter.commit("sha256:<chain ID>", "unpack-1")
    mounts = snapshotter.prepare(container_id, parent="sha256:<chain ID>")
    ... the runtime mounts them; the container runs and ends ...
    snapshotter.remove(container_id)

Every state change is one rename or one symlink, so that after kill -9 or a crash a snapshot is there or is not;
directories that nothing names are removed by `sweep`. Any number of processes may use one snapshotter directory.

Two drivers pass tests/snapshots/suite.py: `overlay` (a layer is its own tree; the kernel stacks them) and `copy` (each
snapshot is a whole tree: slow and large, but needs no kernel support).
"""

from __future__ import annotations

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal, Protocol

    from ringfence.linux.mounts import Mount

    Kind = Literal["active", "view", "committed"]
    Whiteouts = Literal["overlay", "userxattr", "remove"]
else:
    Protocol = object


class Usage:
    """What a snapshot's own tree takes: `size` in bytes on disk (hard links once), `inodes` as a count."""

    __slots__ = ("inodes", "size")

    def __init__(self, size: int, inodes: int) -> None:
        self.size = size
        self.inodes = inodes


class Snapshot:
    """One line of `Snapshotter.walk`; `parent` is "" for a snapshot made from nothing."""

    __slots__ = ("key", "kind", "parent")

    def __init__(self, key: str, kind: Kind, parent: str) -> None:
        self.key = key
        self.kind = kind
        self.parent = parent

    def __repr__(self) -> str:
        return f"Snapshot({self.key!r}, {self.kind!r}, parent={self.parent!r})"


class Snapshotter(Protocol):
    """The interface of every driver. A key that does not exist raises NotFound, one that is taken Conflict."""

    driver: str
    whiteouts: Whiteouts
    """How a deletion is written in `upper`: the `whiteouts` argument of layers.apply and layers.diff."""

    stacks: bool
    """Whether a snapshot's tree holds only what it changes, so that it can be filled before its parent is there."""

    def prepare(self, key: str, parent: str = "") -> list[Mount]:
        """Make an active snapshot of the committed `parent` ("": of nothing) and return its mounts."""

    def view(self, key: str, parent: str) -> list[Mount]:
        """Make a read-only view of the committed `parent`, which it keeps from being removed."""

    def mounts(self, key: str) -> list[Mount]:
        """The mounts of an active snapshot or a view: one overlay or one bind, on the container's root."""

    def adopt(self, key: str, parent: str, *, root: bool) -> None:
        """Give the active `key`, made from nothing, the committed `parent`; with `root` also the attributes of the
        parent's root directory. Only for a driver that `stacks`."""

    def commit(self, name: str, key: str) -> None:
        """Make the active `key` the committed `name`. Conflict if `name` exists: another process was first."""

    def replace(self, name: str, key: str) -> None:
        """As `commit`, in place of the committed `name` that is there, whose children keep it as their parent; no
        container may run on it."""

    def remove(self, key: str, *, missing_ok: bool = False, later: bool = False) -> None:
        """Remove a snapshot with its tree. Conflict for a committed one that is the parent of others.

        `later`: if hardly anything was written, its directories may stay until `clear`: a file system with a journal
        takes as long to remove these few as half the rest of a short container's end.
        """

    def clear(self) -> None:
        """Remove what `remove` has left for later, as does the end of this process; if it is killed, `sweep` does."""

    def get_ready(self, parent: str) -> None:
        """Make now what the next `prepare` of this parent in this process needs, where that is little; `clear` and the
        end of the process remove it, if nobody has asked."""

    def exists(self, key: str) -> bool: ...

    def kind(self, key: str) -> Kind: ...

    def parent(self, key: str) -> str:
        """The committed parent's name, or ""."""

    def usage(self, key: str) -> Usage: ...

    def walk(self) -> Iterator[Snapshot]: ...

    def upper(self, key: str) -> str:
        """The directory where the active snapshot's writes go: all of its tree for `copy`, else what it changed."""

    def lowers(self, key: str) -> list[str]:
        """The directories below `upper`, top first; empty for `copy`, whose `upper` is complete."""

    def layer_path(self, name: str) -> str:
        """The directory of the committed snapshot's own tree."""

    def sweep(self) -> int:
        """Remove trees that no snapshot names, left by a crash; returns how many."""


def open_snapshotter(data_dir: str, driver: str = "overlay", *, userxattr: bool = False) -> Snapshotter:
    """The snapshotter of that name below `data_dir`; `userxattr` is for an overlay in a user namespace (rootless)."""
    if driver == "overlay":
        from ringfence.snapshots.overlay import OverlaySnapshotter

        return OverlaySnapshotter(data_dir, userxattr=userxattr)
    if driver == "copy":
        from ringfence.snapshots.copy import CopySnapshotter

        return CopySnapshotter(data_dir)
    raise InvalidInput(f"unknown snapshotter {driver!r}", hint="there are: overlay, copy")
