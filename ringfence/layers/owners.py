"""The owners of a container's files as this machine sees them, with a user namespace between: members translated.

Besides its uid and gid a member names users in two extended attributes: access control lists (acl(5); the layout of the
attribute is that of linux/posix_acl_xattr.h), and file capabilities, which the kernel ties to the root user of a
namespace (capabilities(7), "Namespaced file capabilities"; linux/capability.h).
"""

from __future__ import annotations

import struct

from ringfence.errors import InvalidInput
from ringfence.linux import idmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.layers.tar import Member
    from ringfence.linux.idmap import IdMapping

    Translate = Callable[[int, Sequence[IdMapping]], int | None]

NOBODY = 65534
"""What the kernel shows inside for an id that has none there (/proc/sys/kernel/overflowuid)."""

_ACLS = b"system.posix_acl_access", b"system.posix_acl_default"
_ACL_VERSION, _ACL_ENTRY = 4, struct.Struct("<HHI")
_ACL_USER, _ACL_GROUP = 0x02, 0x08
_CAPABILITY = b"security.capability"
_REVISION, _REVISION_2, _REVISION_3 = 0xFF000000, 0x02000000, 0x03000000
_REVISION_2_SIZE = 20


class Owners:
    """The id mappings of one container, as its record has them: rows of container id, host id, size."""

    def __init__(self, uids: Sequence[IdMapping], gids: Sequence[IdMapping]) -> None:
        self.uids = uids
        self.gids = gids

    def inside(self, member: Member) -> None:
        """Turn the host's ids in a member into those that the container sees; one that it has not is nobody's."""
        self._translate(member, lambda id, maps: _or(idmap.to_container(maps, id), NOBODY))
        if (value := member.xattrs.get(_CAPABILITY)) is not None:
            mapped = _capability_inside(value, self.uids)
            if mapped is None:  # it holds in another namespace
                del member.xattrs[_CAPABILITY]
            else:
                member.xattrs[_CAPABILITY] = mapped

    def outside(self, member: Member) -> None:
        """Turn the container's ids in a member into the host's. InvalidInput for an id that the container has not."""
        try:
            self._translate(member, lambda id, maps: idmap.to_host(maps, id))
            if (value := member.xattrs.get(_CAPABILITY)) is not None:
                member.xattrs[_CAPABILITY] = _capability_outside(value, self.uids)
        except LookupError as error:
            shown = member.name.decode(errors="backslashreplace")
            raise InvalidInput(f"{shown}: the container has no id {error.args[0]}") from None

    def root(self) -> tuple[int, int]:
        """The uid and gid of the container's root on this machine."""
        return _or(idmap.to_host(self.uids, 0), 0), _or(idmap.to_host(self.gids, 0), 0)

    def _translate(self, member: Member, translate: Translate) -> None:
        member.uid = _known(translate, member.uid, self.uids)
        member.gid = _known(translate, member.gid, self.gids)
        for name in _ACLS:
            if name in member.xattrs:
                member.xattrs[name] = self._acl(member.xattrs[name], translate)

    def _acl(self, value: bytes, translate: Translate) -> bytes:
        if len(value) < _ACL_VERSION or (len(value) - _ACL_VERSION) % _ACL_ENTRY.size:
            return value  # no list: the kernel will refuse it
        entries = value[:_ACL_VERSION]
        for tag, permissions, id in _ACL_ENTRY.iter_unpack(value[_ACL_VERSION:]):
            if tag in (_ACL_USER, _ACL_GROUP):
                id = _known(translate, id, self.uids if tag == _ACL_USER else self.gids)
            entries += _ACL_ENTRY.pack(tag, permissions, id)
        return entries


def _known(translate: Translate, id: int, mappings: Sequence[IdMapping]) -> int:
    """The id translated; LookupError if it has no counterpart."""
    found = translate(id, mappings)
    if found is None:
        raise LookupError(id)
    return found


def _or(found: int | None, otherwise: int) -> int:
    return otherwise if found is None else found


def _capability_inside(value: bytes, uids: Sequence[IdMapping]) -> bytes | None:
    """Revision 3 names the uid whose namespaces the capabilities hold in; inside, the own root's are revision 2."""
    revision, root = _revision(value)
    if revision != _REVISION_3:
        return value
    inside = idmap.to_container(uids, root)
    if inside is None:
        return None
    if inside == 0:
        return _with_revision(value[:_REVISION_2_SIZE], _REVISION_2)
    return value[:_REVISION_2_SIZE] + struct.pack("<I", inside)


def _capability_outside(value: bytes, uids: Sequence[IdMapping]) -> bytes:
    revision, root = _revision(value)
    if revision not in (_REVISION_2, _REVISION_3):
        return value
    outside = _known(lambda id, maps: idmap.to_host(maps, id), root, uids)
    return _with_revision(value[:_REVISION_2_SIZE], _REVISION_3) + struct.pack("<I", outside)


def _revision(value: bytes) -> tuple[int, int]:
    """(revision, root uid); revision 0 for what is no such value."""
    magic = struct.unpack_from("<I", value)[0] & _REVISION if len(value) >= _REVISION_2_SIZE else 0
    if magic == _REVISION_3 and len(value) == _REVISION_2_SIZE + 4:
        return magic, struct.unpack_from("<I", value, _REVISION_2_SIZE)[0]
    return (magic, 0) if magic == _REVISION_2 and len(value) == _REVISION_2_SIZE else (0, 0)


def _with_revision(value: bytes, revision: int) -> bytes:
    magic: int = struct.unpack_from("<I", value)[0]
    return struct.pack("<I", (magic & ~_REVISION) | revision) + value[4:]
