"""Extracting an archive below a directory of a container, perhaps a running one: `cp` into it.

Unlike a layer such an archive deletes nothing, and names like `.wh.x` are names.
"""

from __future__ import annotations

import os
import stat

from ringfence.errors import Conflict, Failed
from ringfence.layers.directories import Directory, open_root
from ringfence.layers.tar import DIRECTORY, LINK, Member
from ringfence.layers.tar_reader import TarReader
from ringfence.layers.target import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.layers.owners import Owners
    from ringfence.layers.tar_reader import Source


def extract(
    stream: Source,
    root: int | str,
    path: str = "/",
    *,
    owner: tuple[int, int] | None = None,
    replace_kinds: bool = True,
    owners: Owners | None = None,
) -> list[str]:
    """Extract the uncompressed tar `stream` into the directory `path` below `root` (a path or a descriptor).

    Links in `path` and among the parents of entries are followed as a container with this root would; missing
    directories are made. `owner` (uid, gid) replaces the archive's owners. Unless `replace_kinds`, a directory in place
    of a file, or the reverse, is a Conflict. With `owners` the archive's ids are those of a container, and become the
    host's that stand for them in `root`. Returns lines about what the system refused, as `ApplyResult.skipped`.
    Raises Corrupt for a malformed archive and Failed if the system refuses; what was extracted then stays.
    """
    base = os.fsencode(path).strip(b"/")
    name = b""
    with open_root(root) as top:
        tree = Target(top.fd, owner=owners.root() if owners else (0, 0))
        reader = TarReader(stream)
        try:
            for member in reader:
                name = member.name
                if name.strip(b"./") == b"" and b".." not in name:
                    continue  # the directory itself, which keeps its attributes
                _place(member, base, owner, owners)
                if not replace_kinds:
                    _check_kind(member, tree, reader)
                tree.add(member, reader)
            tree.finish()
        except OSError as error:
            entry = f", entry {name.decode(errors='backslashreplace')!r}" if name else ""
            raise Failed(f"cannot extract{entry}: {error.strerror}", errno=error.errno or 0) from error
        finally:
            tree.close()
    return tree.skipped


def _place(member: Member, base: bytes, owner: tuple[int, int] | None, owners: Owners | None) -> None:
    member.name = base + b"/" + member.name
    if member.type == LINK:
        member.link = base + b"/" + member.link
    if owner is not None:
        member.uid, member.gid = owner
    if owners is not None:
        owners.outside(member)


def _check_kind(member: Member, tree: Target, reader: TarReader) -> None:
    parent_path, _, name = member.name.rstrip(b"/").rpartition(b"/")
    parent: Directory = tree.parent(parent_path, reader)
    try:
        status = os.stat(name, dir_fd=parent.fd, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode) != (member.type == DIRECTORY):
        there, new = ("directory", "file") if stat.S_ISDIR(status.st_mode) else ("file", "directory")
        shown = (parent.path + b"/" + name).decode(errors="backslashreplace")
        raise Conflict(f"cannot replace the {there} {shown} by a {new}")
