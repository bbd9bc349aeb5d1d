"""Who the process of a container is: `--user`, `--group-add` and the image's USER, looked up in the image itself.

/etc/passwd and /etc/group are the container's own (passwd(5), group(5)), read below its root, so that no link in an
image leads to the host's. The rules are docker's (moby/sys/user, GetExecUser): a number need not be listed there, a
name must.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.linux.paths import Root

ID_MAX = 2**31 - 1


class User:
    """uid, gid and supplementary gids inside the container, and the name (empty if the number is not listed)."""

    __slots__ = ("additional_gids", "gid", "name", "uid")

    def __init__(self, uid: int = 0, gid: int = 0, additional_gids: Sequence[int] = (), name: str = "") -> None:
        self.uid = uid
        self.gid = gid
        self.additional_gids = list(additional_gids)
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, User) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash((self.uid, self.gid, self.name))

    def __repr__(self) -> str:
        return f"User({self.uid}, {self.gid}, {self.additional_gids}, {self.name!r})"


def resolve(root: Root, user: str, groups: Sequence[str] = ()) -> User:
    """The user `NAME|UID[:GROUP|GID]` ("" is root) with the further `groups` (names or numbers).

    InvalidInput `no such user: X` or `no such group: X`. Without a group the user has that of passwd(5) and all groups
    that list it; with one it has only that.
    """
    wanted, _, wanted_group = user.partition(":")
    listed = _passwd(_read(root, "/etc/passwd"), wanted or "0")
    if listed is None and not _is_id(wanted or "0"):
        raise InvalidInput(f"no such user: {wanted}")
    name, uid, gid = listed or ("", int(wanted or "0"), 0)
    entries = list(_groups(_read(root, "/etc/group"))) if wanted_group or name or groups else []
    if wanted_group:
        gid = _gid(entries, wanted_group)
        own = []
    else:
        own = [number for _, number, members in entries if name and name in members]
    additional = [gid, *own, *(_gid(entries, group) for group in groups)]
    return User(uid, gid, list(dict.fromkeys(additional)), name)


def _read(root: Root, path: str) -> str:
    """The file's text; an image without it lists nobody."""
    try:
        return root.read_bytes(path, 4 << 20).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _is_id(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 11 and int(word) <= ID_MAX


def _passwd(text: str, wanted: str) -> tuple[str, int, int] | None:
    """(name, uid, gid) of the first line whose name or number is `wanted`; lines that are not passwd(5) are skipped."""
    for line in text.split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= 4 and _is_id(fields[2]) and _is_id(fields[3]) and wanted in (fields[0], fields[2]):
            return fields[0], int(fields[2]), int(fields[3])
    return None


def _groups(text: str) -> Iterator[tuple[str, int, list[str]]]:
    """(name, gid, members) of every line of group(5)."""
    for line in text.split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= 3 and _is_id(fields[2]):
            yield fields[0], int(fields[2]), fields[3].split(",") if len(fields) > 3 else []


def _gid(entries: list[tuple[str, int, list[str]]], wanted: str) -> int:
    for name, number, _ in entries:
        if name == wanted:
            return number
    if not _is_id(wanted):
        raise InvalidInput(f"no such group: {wanted}")
    return int(wanted)
