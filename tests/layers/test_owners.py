"""A member's owners are translated between a container's ids and this machine's, wherever a member names them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput
from ringfence.layers.owners import NOBODY, Owners
from ringfence.layers.tar import Member
from ringfence.linux.idmap import IdMapping

OWNERS = Owners([IdMapping(0, 100000, 1000)], [IdMapping(0, 200000, 1000)])
CAPABILITY = b"security.capability"
ACL = b"system.posix_acl_access"
REVISION_2 = bytes.fromhex("01000002 00040000 00000000 00000000 00000000")


def acl(user: int, group: int) -> bytes:
    return b"\x02\0\0\0" + struct.pack("<HHI", 2, 4, user) + struct.pack("<HHI", 8, 4, group) + bytes(8)


def revision_3(root: int) -> bytes:
    return bytes.fromhex("01000003") + REVISION_2[4:] + struct.pack("<I", root)


def test_outside_and_inside_are_inverse() -> None:
    member = Member(b"f", uid=1, gid=2, xattrs={ACL: acl(3, 4), CAPABILITY: REVISION_2, b"user.note": b"x"})
    OWNERS.outside(member)
    assert (member.uid, member.gid) == (100001, 200002)
    assert member.xattrs == {ACL: acl(100003, 200004), CAPABILITY: revision_3(100000), b"user.note": b"x"}
    OWNERS.inside(member)
    assert member == Member(b"f", uid=1, gid=2, xattrs={ACL: acl(3, 4), CAPABILITY: REVISION_2, b"user.note": b"x"})


def test_who_is_unknown_inside_is_nobody_there() -> None:
    member = Member(b"f", uid=5, gid=100000, xattrs={ACL: acl(5, 5), CAPABILITY: revision_3(5)})
    OWNERS.inside(member)
    assert (member.uid, member.gid, member.xattrs) == (NOBODY, NOBODY, {ACL: acl(NOBODY, NOBODY)})


@pytest.mark.parametrize(
    "member",
    [Member(b"f", uid=1000), Member(b"f", gid=1000), Member(b"f", xattrs={ACL: acl(1000, 0)}),
     Member(b"f", xattrs={CAPABILITY: revision_3(1000)})],
)  # fmt: skip
def test_who_is_unknown_outside_is_refused(member: Member) -> None:
    with pytest.raises(InvalidInput, match="f: the container has no id 1000"):
        OWNERS.outside(member)


@given(st.dictionaries(st.sampled_from([ACL, b"system.posix_acl_default", CAPABILITY]), st.binary(max_size=40)))
def test_any_attributes_are_translated_or_refused(xattrs: dict[bytes, bytes]) -> None:
    # Invariant: inside() always succeeds; outside() does, or raises InvalidInput.
    OWNERS.inside(Member(b"f", uid=1, xattrs=dict(xattrs)))
    member = Member(b"f", xattrs=dict(xattrs))
    try:
        OWNERS.outside(member)
    except InvalidInput:
        return
    assert member.xattrs.keys() == xattrs.keys()
