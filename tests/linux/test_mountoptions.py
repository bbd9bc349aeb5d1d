"""Mount options mean what mount(8) and the OCI spec say (oci-runtime.md, B13 to B60)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux.mountoptions import KNOWN, MountAttr, MountFlag, attributes, parse_options

NOTHING = 0

OPPOSITES = [
    ("sync", "async", MountFlag.SYNCHRONOUS),
    ("noatime", "atime", MountFlag.NOATIME),
    ("nodev", "dev", MountFlag.NODEV),
    ("nodiratime", "diratime", MountFlag.NODIRATIME),
    ("noexec", "exec", MountFlag.NOEXEC),
    ("silent", "loud", MountFlag.SILENT),
    ("iversion", "noiversion", MountFlag.I_VERSION),
    ("lazytime", "nolazytime", MountFlag.LAZYTIME),
    ("mand", "nomand", MountFlag.MANDLOCK),
    ("relatime", "norelatime", MountFlag.RELATIME),
    ("strictatime", "nostrictatime", MountFlag.STRICTATIME),
    ("ro", "rw", MountFlag.RDONLY),
    ("nosuid", "suid", MountFlag.NOSUID),
    ("nosymfollow", "symfollow", MountFlag.NOSYMFOLLOW),
]


@pytest.mark.parametrize(("set", "clear", "flag"), OPPOSITES)
def test_a_flag_is_set_and_cleared_and_the_later_word_wins(set: str, clear: str, flag: int) -> None:
    assert parse_options([set]).flags_set == flag
    assert parse_options([clear]).flags_cleared == flag
    last = parse_options([set, clear])
    assert (last.flags_set, last.flags_cleared) == (NOTHING, flag)
    last = parse_options([clear, set])
    assert (last.flags_set, last.flags_cleared) == (flag, NOTHING)


@pytest.mark.parametrize(
    ("option", "flag"),
    [
        ("bind", MountFlag.BIND),
        ("rbind", MountFlag.BIND | MountFlag.REC),
        ("dirsync", MountFlag.DIRSYNC),
        ("remount", MountFlag.REMOUNT),
        ("defaults", NOTHING),
    ],
)
def test_flags_without_an_opposite(option: str, flag: int) -> None:
    parsed = parse_options([option])
    assert (parsed.flags_set, parsed.flags_cleared, parsed.data) == (flag, NOTHING, [])


@pytest.mark.parametrize(
    ("option", "set", "clear"),
    [
        ("rro", MountAttr.RDONLY, 0),
        ("rrw", 0, MountAttr.RDONLY),
        ("rnosuid", MountAttr.NOSUID, 0),
        ("rsuid", 0, MountAttr.NOSUID),
        ("rnodev", MountAttr.NODEV, 0),
        ("rdev", 0, MountAttr.NODEV),
        ("rnoexec", MountAttr.NOEXEC, 0),
        ("rexec", 0, MountAttr.NOEXEC),
        ("rnodiratime", MountAttr.NODIRATIME, 0),
        ("rdiratime", 0, MountAttr.NODIRATIME),
        ("rnosymfollow", MountAttr.NOSYMFOLLOW, 0),
        ("rsymfollow", 0, MountAttr.NOSYMFOLLOW),
        ("rnoatime", MountAttr.NOATIME, MountAttr.ATIME),
        ("ratime", 0, MountAttr.ATIME),
        ("rstrictatime", MountAttr.STRICTATIME, MountAttr.ATIME),
        ("rnostrictatime", 0, MountAttr.ATIME),
        ("rrelatime", 0, MountAttr.ATIME),
        ("rnorelatime", 0, MountAttr.ATIME),
    ],
)
def test_recursive_attributes(option: str, set: int, clear: int) -> None:
    parsed = parse_options([option])
    assert (parsed.attributes_set, parsed.attributes_cleared) == (set, clear)
    assert (parsed.flags_set, parsed.data) == (NOTHING, [])


def test_the_later_of_two_recursive_words_wins() -> None:
    last = parse_options(["rro", "rnoatime", "rrw", "rstrictatime"])
    assert last.attributes_set == MountAttr.STRICTATIME
    assert last.attributes_cleared == MountAttr.RDONLY | MountAttr.ATIME


def test_propagation_keeps_its_order() -> None:
    assert parse_options(["rslave", "shared", "runbindable", "private"]).propagation == [
        MountFlag.SLAVE | MountFlag.REC,
        MountFlag.SHARED,
        MountFlag.UNBINDABLE | MountFlag.REC,
        MountFlag.PRIVATE,
    ]


def test_what_the_runtime_itself_does_is_told_apart() -> None:
    assert parse_options(["tmpcopyup", "ridmap", "idmap"]).extensions == {"tmpcopyup", "ridmap", "idmap"}


def test_unknown_words_are_data_for_the_file_system_in_their_order() -> None:
    parsed = parse_options(["nosuid", "size=64k", "", "mode=755", "lowerdir=/a:/b", "RO"])
    assert parsed.data == ["size=64k", "mode=755", "lowerdir=/a:/b", "RO"]


@given(st.lists(st.sampled_from(KNOWN) | st.text(max_size=8), max_size=12))
def test_words_never_ask_for_both_a_thing_and_its_opposite(options: list[str]) -> None:
    # Invariant: a flag is set, or cleared, or untouched; and nothing that anybody wrote is lost.
    parsed = parse_options(options)
    assert not parsed.flags_set & parsed.flags_cleared
    assert not parsed.attributes_set & parsed.attributes_cleared & ~MountAttr.ATIME
    assert [option for option in options if option and option not in KNOWN] == parsed.data


def test_flags_have_attributes_of_the_same_meaning() -> None:
    flags = MountFlag.RDONLY | MountFlag.NOSYMFOLLOW | MountFlag.RELATIME | MountFlag.SYNCHRONOUS
    assert attributes(flags) == MountAttr.RDONLY | MountAttr.NOSYMFOLLOW
