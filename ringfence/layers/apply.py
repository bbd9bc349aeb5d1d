"""Applying a layer: the tar of an image's layer written into a directory tree, with what it deletes.

image-spec, layer.md, "Whiteouts": `.wh.NAME` deletes NAME, `.wh..wh..opq` all of its directory, both only what lower
layers have, wherever in the archive they stand. How that is written depends on the snapshotter: see `Whiteouts`.
"""

from __future__ import annotations

import hashlib
import os
import stat

from ringfence.errors import Failed, InvalidInput
from ringfence.layers.inodes import OPAQUE_XATTRS
from ringfence.layers.lower import Lower
from ringfence.layers.tar import CHARACTER_DEVICE
from ringfence.layers.tar_reader import TarReader
from ringfence.layers.target import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from ringfence.layers.directories import Directory
    from ringfence.layers.tar_reader import Source

    Whiteouts = Literal["overlay", "userxattr", "remove"]

PREFIX = b".wh."
OPAQUE = b".wh..wh..opq"
AUFS = b".wh..wh."
"""Other names with this prefix are bookkeeping of AUFS, of which the format comes."""


class ApplyResult:
    """`diff_id`: the digest of the uncompressed archive, "sha256:…"; `size`: its bytes; `skipped`: one line for each
    attribute or device that the file system or our privileges refused; `lists_root`: it has an entry for the root."""

    __slots__ = ("diff_id", "lists_root", "size", "skipped")

    def __init__(self, diff_id: str, size: int, skipped: list[str], *, lists_root: bool) -> None:
        self.diff_id = diff_id
        self.lists_root = lists_root
        self.size = size
        self.skipped = skipped


def apply(
    stream: Source, target: int | str, whiteouts: Whiteouts = "overlay",
    lowers: Sequence[str] | Callable[[], Sequence[str]] = (),
) -> ApplyResult:
    """Apply the uncompressed tar `stream` to the directory `target` (its path or an open descriptor).

    `whiteouts` says what `target` is: the upper directory of an overlay, whose lower directories are `lowers` (top
    first, or a function that tells them when they are needed), or with "remove" the whole tree. Raises Corrupt for a
    malformed or impossible archive and Failed if the system refuses, e.g. on a full disk; `target` is then good for
    nothing but removal.
    """
    if whiteouts not in OPAQUE_XATTRS:
        raise InvalidInput(f"unknown kind of whiteouts {whiteouts!r}", hint=f"there are: {', '.join(OPAQUE_XATTRS)}")
    root = target if isinstance(target, int) else os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        source = Digesting(stream)
        lower = Lower(lowers, userxattr=whiteouts == "userxattr")
        tree = Target(root, lower=lower, opaque_xattr=OPAQUE_XATTRS[whiteouts])
        try:
            _apply(TarReader(source), tree, _STYLES[whiteouts])
        finally:
            tree.close()
            lower.close()
    finally:
        if root is not target:
            os.close(root)
    return ApplyResult(f"sha256:{source.hash.hexdigest()}", source.size, tree.skipped, lists_root=tree.lists_root)


def _apply(reader: TarReader, tree: Target, style: _Style) -> None:
    name = b""
    try:
        for member in reader:
            name = member.name
            if b".wh." in name and _special(name, reader, tree, style):
                continue
            if member.type == CHARACTER_DEVICE and member.major == member.minor == 0:
                # overlay's own form, in archives made of an upper directory
                _hide(name, reader, tree, style)
                continue
            tree.add(member, reader)
        tree.finish()
    except OSError as error:
        entry = f", entry {name.decode(errors='backslashreplace')!r}" if name else ""
        raise Failed(f"cannot apply layer{entry}: {error.strerror}", errno=error.errno or 0) from error


def _special(name: bytes, reader: TarReader, tree: Target, style: _Style) -> bool:
    """Do what a name with the prefix asks for; False if it only looks like one."""
    *parents, last = name.rstrip(b"/").split(b"/")
    if last == OPAQUE:
        directory = tree.existing(b"/".join(parents), reader)
        if directory is not None:
            style.make_opaque(tree, directory)
    elif last.startswith(AUFS) or any(parent.startswith(AUFS) for parent in parents):
        pass
    elif any(parent.startswith(PREFIX) for parent in parents) or last in (PREFIX, PREFIX + b".", PREFIX + b".."):
        raise reader.corrupt("it deletes nothing: a name must follow .wh.")
    elif last.startswith(PREFIX):
        _hide(b"/".join((*parents, last.removeprefix(PREFIX))), reader, tree, style)
    else:
        return False
    return True


def _hide(path: bytes, reader: TarReader, tree: Target, style: _Style) -> None:
    parent_path, _, name = path.rpartition(b"/")
    if name in (b"", b".", b".."):
        raise reader.corrupt("its name is none that a file can have")
    parent = tree.existing(parent_path, reader)
    if parent is not None:
        style.hide(tree, parent, name)


class _Style:
    """How deletions are written into the tree of an overlay's upper directory."""

    def hide(self, tree: Target, parent: Directory, name: bytes) -> None:
        """Hide what lower layers have at `name`; what this layer has made there stays."""
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent.fd)
        except FileExistsError:
            if stat.S_ISDIR(os.stat(name, dir_fd=parent.fd, follow_symlinks=False).st_mode):
                tree.hide_below(parent, name)
                return
            if parent.path + b"/" + name in tree.made:
                return
            tree.remove(parent, name)  # a copy, which a hard link of this layer has needed
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent.fd)
        tree.whiteouts.append(parent.path + b"/" + name)

    def make_opaque(self, tree: Target, directory: Directory) -> None:
        """Hide what lower layers have in the directory."""
        if directory.path:
            tree.make_opaque(directory)
        else:  # overlay ignores the mark on its root
            for name in tree.lower_names():
                self.hide(tree, directory, name)


class _RemovingStyle(_Style):
    """The tree has the lower layers' files in it: what they have is what this layer has not made."""

    def hide(self, tree: Target, parent: Directory, name: bytes) -> None:
        path = parent.path + b"/" + name
        if path not in tree.made:
            tree.remove(parent, name)
        elif directory := tree.reach(path):
            with directory:
                self.make_opaque(tree, directory)

    def make_opaque(self, tree: Target, directory: Directory) -> None:
        pending = [directory.path]
        while pending:
            below = tree.reach(pending.pop())
            if below is None:
                continue
            with below:
                for name in os.listdir(below.fd):
                    path = below.path + b"/" + os.fsencode(name)
                    if path in tree.made:
                        pending.append(path)
                    else:
                        tree.remove(below, os.fsencode(name))


_STYLES = {"overlay": _Style(), "userxattr": _Style(), "remove": _RemovingStyle()}


class Digesting:
    """A stream that takes the digest of what passes through it."""

    def __init__(self, stream: Source) -> None:
        self._stream = stream
        self.hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self.hash.update(data)
        self.size += len(data)
        return data
