"""What each layer of an image adds, shadows and wastes, read off the layers' tars alone, bottom first.

A layer *shadows* what it hides of the layers below: files it has anew, or deletes by a whiteout. The bytes of a layer
that those above hide are *wasted*: they are stored and transferred, and no container sees them. Counted are files of
every kind but directories; a file with several names is hidden with the last of them.
"""

from __future__ import annotations

from ringfence.layers.apply import AUFS, OPAQUE, PREFIX
from ringfence.layers.tar import CHARACTER_DEVICE, DIRECTORY, FILE, LINK, SYMLINK
from ringfence.layers.tar_reader import TarReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.layers.tar import Member
    from ringfence.oci.digest import Source

    Directory = dict[bytes, "Directory | _File"]

_MOST_LINKS = 40  # as path_resolution(7)


class Account:
    """What one layer does: `added` files that were not there, `changed` ones that were, names that it `removed`;
    the bytes of its files (`size`), of what it `shadows` below, and of its own that are `wasted`: hidden by those
    above, or by a second entry of the same name."""

    __slots__ = ("added", "changed", "removed", "shadows", "size", "wasted")

    def __init__(self) -> None:
        self.added = self.changed = self.removed = self.size = self.shadows = self.wasted = 0


class _File:
    """An inode: which layer's, its bytes, and by how many names it is seen."""

    __slots__ = ("names", "owner", "size", "target")

    def __init__(self, owner: Account, size: int, target: bytes = b"") -> None:
        self.owner = owner
        self.size = size
        self.names = 0
        self.target = target  # of a symlink


class Stack:
    """The merged tree of the layers so far. `accounts` has one entry for each; `wasted` the largest files that are
    hidden, as (bytes, path) by the layer that hides them."""

    def __init__(self) -> None:
        self.accounts: list[Account] = []
        self.wasted: list[tuple[int, str, int]] = []
        self._root: Directory = {}
        self._now = Account()

    @property
    def size(self) -> int:
        return sum(account.size for account in self.accounts)

    @property
    def wasted_size(self) -> int:
        return sum(account.wasted for account in self.accounts)

    def add(self, layer: Source) -> Account:
        """Put a layer's uncompressed tar on top. Corrupt if it is malformed."""
        self._now = Account()
        self.accounts.append(self._now)
        members, hidden = [], []
        for member in TarReader(layer):
            parent, _, name = member.name.strip(b"/").rpartition(b"/")
            if member.type == CHARACTER_DEVICE and member.major == member.minor == 0:
                hidden.append((parent, name))
            elif name == OPAQUE:
                hidden += [(parent, each) for each in self._find(parent) or ()]
            elif name.startswith(AUFS) or b"/" + AUFS in b"/" + parent:
                pass
            elif name.startswith(PREFIX):
                hidden.append((parent, name.removeprefix(PREFIX)))
            else:
                linked = self._linked(member.link) if member.type == LINK else None
                if linked is not None:
                    linked.names += 1  # it may be hidden by this very layer, under its other name
                members.append((member, linked))
        for parent, name in hidden:  # before anything is put, wherever they stand: they are about the layers below
            self._hide(parent, name)
        for member, linked in members:
            self._put(member, linked)
            if linked is not None:
                self._drop(linked, member.link)
        return self._now

    def _hide(self, parent: bytes, name: bytes) -> None:
        directory = self._find(parent)
        gone = directory.pop(name, None) if directory is not None else None
        if gone is not None:
            self._now.removed += self._drop(gone, parent + b"/" + name)

    def _put(self, member: Member, lower: _File | None) -> None:
        parent, _, name = member.name.strip(b"/").rpartition(b"/")
        if name in (b"", b".", b".."):
            return
        directory = self._find(parent, make=True)
        assert directory is not None
        before = directory.get(name)
        if member.type == DIRECTORY:
            if not isinstance(before, dict):
                if before is not None:
                    self._drop(before, member.name)
                directory[name] = {}
            return
        file = self._linked(member.link) or lower if member.type == LINK else None
        if file is None:
            size = member.size if member.type == FILE else 0
            file = _File(self._now, size, member.link if member.type == SYMLINK else b"")
            self._now.size += size
        file.names += 1
        if before is None:
            self._now.added += 1
        elif isinstance(before, dict) or before.owner is not self._now:
            self._now.changed += 1
        directory[name] = file
        if before is not None:
            self._drop(before, member.name)

    def _linked(self, path: bytes) -> _File | None:
        parent, _, name = path.strip(b"/").rpartition(b"/")
        found = (self._find(parent) or {}).get(name)
        return found if isinstance(found, _File) else None

    def _drop(self, gone: Directory | _File, path: bytes) -> int:
        """Take what had the name `path` out of sight; returns how many names went."""
        count = 0
        pending = [(gone, path)]
        while pending:
            each, where = pending.pop()
            if isinstance(each, dict):
                pending += [(below, where + b"/" + name) for name, below in each.items()]
                continue
            count += 1
            each.names -= 1
            if each.names == 0 and each.size:
                each.owner.wasted += each.size
                if each.owner is not self._now:  # else the archive has the file twice
                    self._now.shadows += each.size
                    shown = where.lstrip(b"/").decode(errors="backslashreplace")
                    self.wasted.append((each.size, f"/{shown}", len(self.accounts) - 1))
        return count

    def _find(self, path: bytes, *, make: bool = False) -> Directory | None:
        """The directory at `path`, with links followed inside of the tree; what is missing is made, or None."""
        chain = [self._root]
        todo = path.split(b"/")[::-1]
        links = 0
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                if len(chain) > 1:
                    chain.pop()
                continue
            found = chain[-1].get(name)
            if isinstance(found, _File) and found.target and links < _MOST_LINKS:
                links += 1
                if found.target.startswith(b"/"):
                    del chain[1:]
                todo += found.target.split(b"/")[::-1]
                continue
            if not isinstance(found, dict):
                if not make:
                    return None
                if found is not None:
                    self._drop(found, path)
                found = chain[-1][name] = {}
            chain.append(found)
        return chain[-1]
