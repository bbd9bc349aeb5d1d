"""Writing tar archives: our reader and others get back what was written, and equal members are equal bytes."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from ringfence.layers.tar import BLOCK_DEVICE, CHARACTER_DEVICE, DIRECTORY, FIFO, FILE, LINK, SYMLINK, Member
from ringfence.layers.tar_reader import TarReader
from ringfence.layers.tar_writer import TarWriter


def write(members: list[tuple[Member, bytes]]) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out)
    for member, content in members:
        writer.add(member, [content])
    writer.close()
    assert writer.diff_id == f"sha256:{hashlib.sha256(out.getvalue()).hexdigest()}"
    assert writer.size == len(out.getvalue())
    return out.getvalue()


_names = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name)
_members = st.builds(
    Member,
    _names,
    st.sampled_from([FILE, LINK, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO]),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    mtime=st.integers(-(2**70), 2**70),
    xattrs=st.dictionaries(
        st.binary(min_size=1, max_size=255).filter(lambda name: not set(name) & {0, ord("=")}), st.binary(max_size=300)
    ),
)


@given(st.lists(st.tuples(_members, st.binary(max_size=1500), _names), min_size=1, max_size=4))
def test_what_is_written_is_what_is_read(entries: list[tuple[Member, bytes, bytes]]) -> None:
    # Invariant: every member comes back equal in all its fields, whatever they are, with its content.
    for member, content, link in entries:
        if member.type == FILE:
            member.size = len(content)
        if member.type in (LINK, SYMLINK):
            member.link = link
        if member.type in (CHARACTER_DEVICE, BLOCK_DEVICE):
            member.major, member.minor = 4095, 1048575

    reader = TarReader(io.BytesIO(write([(member, content) for member, content, _ in entries])))

    for (member, content, _), found in zip(entries, reader, strict=True):
        assert found == member
        assert b"".join(reader.pieces()) == (content if member.type == FILE else b"")


def test_others_read_it_too() -> None:
    long = "ä" * 120
    second = 1_234_567_890_123_000_000
    members = [
        (Member(os.fsencode(long), size=5, uid=3_000_000, mtime=second, xattrs={b"user.a": b"b"}), b"hello"),
        (Member(b"link", SYMLINK, link=os.fsencode(long)), b""),
        (Member(b"old", size=0, mtime=-1_500_000_000), b""),
    ]  # fmt: skip

    with tarfile.open(fileobj=io.BytesIO(write(members))) as archive:
        file, link, old = archive.getmembers()
        assert archive.extractfile(file).read() == b"hello"  # type: ignore[union-attr]

    assert (file.name, file.uid, file.mtime) == (long, 3_000_000, 1234567890.123)
    assert file.pax_headers["SCHILY.xattr.user.a"] == "b"
    assert link.linkname == long
    assert old.mtime == -1.5


def test_a_file_that_changes_while_it_is_read_keeps_its_announced_size() -> None:
    grown, shrunk = Member(b"grown", size=3), Member(b"shrunk", size=700)

    reader = TarReader(io.BytesIO(write([(grown, b"12345"), (shrunk, b"1")])))

    assert [b"".join(reader.pieces()) for _ in reader] == [b"123", b"1".ljust(700, b"\0")]
