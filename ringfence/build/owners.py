"""Whose the files are that COPY, ADD and WORKDIR make: `--chown` and USER, read as docker reads them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.paths import Root


def by_number(text: str) -> tuple[int, int] | None:
    """The uid and gid of `UID[:GID]`, of which a uid alone is the gid, too; None if there is a name in it."""
    user, colon, group = text.partition(":")
    if not colon:
        group = user
    if all(part.isascii() and part.isdecimal() for part in (user, group)):
        return int(user[:10]), int(group[:10])
    return None


def by_name(root: Root, text: str) -> tuple[int, int]:
    """The uid and gid of `USER|UID[:GROUP|GID]` in the image; InvalidInput if it does not know them."""
    from ringfence.engine.users import resolve

    found = resolve(root, text)
    return found.uid, found.gid
