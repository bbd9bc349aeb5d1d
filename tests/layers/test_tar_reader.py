"""Reading tar archives: every dialect, and every way in which one can be malformed."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringfence.errors import Corrupt
from ringfence.layers.tar import CHARACTER_DEVICE, DIRECTORY, FILE, LINK, SYMLINK, Member
from ringfence.layers.tar_reader import TarReader
from tests import needs
from tests.layers.archives import Archive

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def read(archive: bytes) -> list[tuple[Member, bytes]]:
    reader = TarReader(io.BytesIO(archive))
    return [(member, b"".join(reader.pieces())) for member in reader]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_the_same_members(format: int) -> None:
    archive = Archive(format)
    archive.directory("etc", mode=0o2755, uid=1, gid=2, mtime=1_600_000_000)
    archive.file("etc/issue", b"text\n", mode=0o4711)
    archive.symlink("etc/link", "/target")
    archive.link("etc/hard", "etc/issue")
    archive.device("dev", 1, 3)

    members = read(archive.bytes())

    assert members[0][0] == Member(b"etc/", DIRECTORY, mode=0o2755, uid=1, gid=2, mtime=1_600_000_000 * 10**9)
    second = 1_000_000_000 * 10**9
    assert members[1] == (Member(b"etc/issue", FILE, mode=0o4711, size=5, mtime=second), b"text\n")
    assert members[2][0] == Member(b"etc/link", SYMLINK, mtime=second, link=b"/target")
    assert members[3][0] == Member(b"etc/hard", LINK, mtime=second, link=b"etc/issue")
    assert members[4][0] == Member(b"dev", CHARACTER_DEVICE, mtime=second, major=1, minor=3)


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_large_ids_and_bytes_that_are_not_utf8_are_kept(format: int) -> None:
    name = "d" * 255 + "/" + os.fsdecode(b"\xff\xfe") * 120
    archive = Archive(format).file(name, b"x", uid=3_000_000_000, gid=4_000_000_000).symlink("link", name)

    (file, _), (link, _) = read(archive.bytes())

    assert (file.name, link.link) == (os.fsencode(name), os.fsencode(name))
    assert (file.uid, file.gid) == (3_000_000_000, 4_000_000_000)


def test_a_ustar_prefix_is_part_of_the_name() -> None:
    assert read(Archive(tarfile.USTAR_FORMAT).file("d" * 120 + "/file").bytes())[0][0].name == b"d" * 120 + b"/file"


def test_pax_records_override_the_header() -> None:
    records = {
        "mtime": "-1.25",
        "atime": "3.000000001999",
        "SCHILY.xattr.user.note": "value",
        "SCHILY.xattr.user.empty": "",
    }
    member = read(Archive().file("file", pax_headers=records).bytes())[0][0]

    assert (member.mtime, member.atime) == (-1_250_000_000, 3_000_000_001)
    assert member.xattrs == {b"user.note": b"value", b"user.empty": b""}


@pytest.mark.parametrize(
    "options", [["--format=gnu"], *(["--format=pax", f"--sparse-version={v}"] for v in ("0.0", "0.1", "1.0"))]
)
def test_sparse_files_of_gnu_tar_are_read_in_all_its_formats(tmp_path: Path, options: list[str]) -> None:
    needs.program("tar")
    with (tmp_path / "holes").open("wb") as file:
        for number in range(50):  # more pieces than a header holds
            file.seek(number * 65536)
            file.write(b"%04d" % number * 1024)
        file.truncate(60 * 65536)
    (tmp_path / "after").write_bytes(b"after")
    archive = subprocess.run(
        ["tar", "-cSf", "-", *options, "holes", "after"], cwd=tmp_path, check=True, capture_output=True
    ).stdout

    (holes, stored), (after, content) = read(archive)

    assert (holes.name, holes.size) == (b"holes", 60 * 65536)
    assert holes.sparse is not None and sum(length for _, length in holes.sparse) == len(stored) == 50 * 4096
    whole = bytearray(holes.size)
    for offset, length in holes.sparse:
        whole[offset : offset + length], stored = stored[:length], stored[length:]
    assert bytes(whole) == (tmp_path / "holes").read_bytes()
    assert (after.name, content) == (b"after", b"after")


def _changed(archive: bytes, start: int, new: bytes) -> bytes:
    """The archive with bytes of its first header replaced, and the checksum made right again."""
    header = bytearray(archive[:512])
    header[start : start + len(new)] = new
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + archive[512:]


_FILE = Archive(tarfile.USTAR_FORMAT).file("file", b"x" * 600).bytes()
_MALFORMED = {
    "nothing": (b"", "empty"),
    "half a header": (_FILE[:300], "ends in its middle"),
    "half a content": (_FILE[:700], "ends in its middle"),
    "a content without its padding": (_FILE[: 512 + 600], "ends in its middle"),
    "text": (b"hello world\n" * 100, "checksum"),
    "a wrong checksum": (b"F" + _FILE[1:], "checksum"),
    "letters for a size": (_changed(_FILE, 124, b"abc"), "not an octal number"),
    "a negative size": (_changed(_FILE, 124, b"\xff" * 12), "out of range"),
    "a size of 2^70": (_changed(_FILE, 124, b"\x80\0\x40" + bytes(9)), "out of range"),
    "a size of 2^62": (_changed(_FILE, 124, b"\x80\0\0\0\x40" + bytes(7)), "ends in its middle"),
    "an owner of 2^32-1": (_changed(_FILE, 108, b"\x80\0\0\0\xff\xff\xff\xff"), "owner"),
    "an unknown type": (_changed(_FILE, 156, b"Q"), "not known"),
    "an empty name": (_changed(_FILE, 0, bytes(100)), "empty"),
    "a name with a zero": (Archive().file("f", pax_headers={"path": "a\0b"}).bytes(), "none that a file can have"),
    "a name of 5000 bytes": (Archive().file("n" * 5000).bytes(), "none that a file can have"),
    "a link to nothing": (Archive().symlink("link", "").bytes(), "empty"),
    "an attribute without name": (Archive().file("f", pax_headers={"SCHILY.xattr.": "x"}).bytes(), "attribute"),
    "a time that is none": (Archive().file("f", pax_headers={"mtime": "noon"}).bytes(), "not a number"),
    "a time beyond all": (Archive().file("f", pax_headers={"mtime": "9" * 20}).bytes(), "time is out of range"),
    "a pax header of 1 GiB": (_changed(_changed(_FILE, 156, b"x"), 124, b"10000000000\0"), "extension header"),
    "a pax header that is none": (_changed(_FILE, 156, b"x"), "not a number"),
    "a sparse map that overlaps": (
        Archive().file("f", b"12345678", pax_headers={"GNU.sparse.size": "99", "GNU.sparse.map": "0,4,2,4"}).bytes(),
        "overlap",
    ),
    "a sparse map beyond the file": (
        Archive().file("f", b"1234", pax_headers={"GNU.sparse.size": "9", "GNU.sparse.map": "8,4"}).bytes(),
        "do not fit",
    ),
    "a sparse map with half a pair": (
        Archive().file("f", b"1234", pax_headers={"GNU.sparse.size": "9", "GNU.sparse.map": "8,4,1"}).bytes(),
        "ends in its middle",
    ),
    "a sparse map without end": (
        Archive().file("f", b"9" * 512, pax_headers={"GNU.sparse.major": "1", "GNU.sparse.realsize": "9"}).bytes(),
        "does not end",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", _MALFORMED)
def test_a_malformed_archive_is_refused_with_its_reason(case: str) -> None:
    archive, reason = _MALFORMED[case]
    with pytest.raises(Corrupt, match=reason):
        read(archive)


def test_an_error_names_the_entry() -> None:
    archive = Archive().file("first", b"x").file("etc/second", b"y" * 600).bytes()
    with pytest.raises(Corrupt, match=r"^tar archive, entry 'etc/second': the archive ends in its middle$"):
        read(archive[: 512 * 4])


def test_the_end_mark_may_be_missing_and_what_follows_it_is_read() -> None:
    archive = Archive().file("file", b"x" * 512).bytes()
    assert len(read(archive[:1024])) == 1

    source = io.BytesIO(archive + b"rubbish")
    assert len(list(TarReader(source))) == 1
    assert source.read() == b""


_FIELDS: st.SearchStrategy[dict[str, int]] = st.builds(
    dict,
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    mtime=st.integers(0, 2**40),
)
_NAMES = st.binary(min_size=1, max_size=300).filter(lambda name: not name.endswith(b"/") and b"\0" not in name)


@given(
    st.lists(st.tuples(_NAMES, st.binary(max_size=1500), _FIELDS), min_size=1, max_size=5), st.sampled_from(FORMATS[1:])
)
def test_what_another_writer_wrote_is_what_is_read(
    entries: list[tuple[bytes, bytes, dict[str, int]]], format: int
) -> None:
    # Invariant: names, contents, modes, owners and times come back exactly, in order, whatever bytes they are.
    archive = Archive(format)
    for name, content, fields in entries:
        archive.file(os.fsdecode(name), content, **fields)

    members = read(archive.bytes())

    assert [
        (m.name, content, {"mode": m.mode, "uid": m.uid, "gid": m.gid, "mtime": m.mtime // 10**9})
        for m, content in members
    ] == entries


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A real archive with a few bytes changed, its headers' checksums often made right again, or its end cut off."""
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.realsize": "9"}
    archive = bytearray(
        Archive(draw(st.sampled_from(FORMATS[1:])))
        .directory("d")
        .file("d/" + "n" * draw(st.integers(1, 200)), b"x" * draw(st.integers(0, 1200)))
        .file("s", b"1\n0\n4\n".ljust(512, b"\0") + b"data", pax_headers=sparse)
        .link("l", "d/x", pax_headers={"SCHILY.xattr.user.x": "y", "mtime": "1.5"})
        .bytes()
    )  # fmt: skip
    for place, value in draw(st.lists(st.tuples(st.integers(0, len(archive) - 1), st.integers(0, 255)), max_size=4)):
        archive[place] = value
        if draw(st.booleans()):
            block = place - place % 512
            archive[block + 148 : block + 156] = b" " * 8
            archive[block + 148 : block + 156] = b"%06o\0 " % sum(archive[block : block + 512])
    return bytes(archive[: draw(st.integers(0, len(archive)))] if draw(st.booleans()) else archive)


@given(st.one_of(st.binary(max_size=2048), _damaged()))
@example(_changed(_FILE, 156, b"S"))
def test_any_bytes_are_members_or_corrupt(archive: bytes) -> None:
    # Invariant: reading ends, either in Corrupt and nothing else, or in members that a file system could hold and
    # whose contents together are no longer than the archive.
    try:
        members = read(archive)
    except Corrupt as error:
        assert str(error).startswith("tar archive")
        return
    assert sum(len(content) for _, content in members) <= len(archive)
    for member, content in members:
        assert member.name and b"\0" not in member.name
        assert 0 <= member.uid < 2**32 - 1
        if member.sparse is None:
            assert len(content) == (member.size if member.type == FILE else 0)
        else:
            assert all(offset + length <= member.size for offset, length in member.sparse)
