"""Every field of mountinfo is read, also where names hold spaces and backslashes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput
from ringfence.linux import mountinfo, mounts
from tests import needs
from tests.linux import child

LINE = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue"


def test_the_line_of_the_manual_page() -> None:
    [entry] = mountinfo.parse(LINE + "\n")
    assert (entry.id, entry.parent, entry.device) == (36, 35, (98, 0))
    assert (entry.root, entry.target, entry.options) == ("/mnt1", "/mnt2", ["rw", "noatime"])
    assert entry.propagation == ["master:1", "shared:2"]
    assert (entry.type, entry.source, entry.super_options) == ("ext3", "/dev/root", ["rw", "errors=continue"])
    assert repr(entry) == "MountEntry('/dev/root' on '/mnt2' type 'ext3')"


def test_it_agrees_with_findmnt() -> None:
    needs.program("findmnt")
    before = {entry.target for entry in mountinfo.read()}
    command = ["findmnt", "--list", "--json", "-o", "TARGET"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["filesystems"]
    shown = {line["target"] for line in listed}
    after = {entry.target for entry in mountinfo.read()}
    assert before & after <= shown <= before | after  # others may be mounting meanwhile


@pytest.mark.parametrize(
    "name", ["with space", "tab\tbed", "back\\slash", "\\040", "new\nline", "#hash", "\udcff", "ü"]
)
def test_the_kernels_escapes_are_undone(tmp_path: Path, name: str) -> None:
    needs.root()

    def work() -> None:
        target = tmp_path / name
        target.mkdir()
        mounts.mount(name, target, "tmpfs")
        [entry] = [entry for entry in mountinfo.read() if entry.target == str(target)]
        assert entry.source == name

    child.run(work)


escaped = st.text(st.characters(exclude_characters=" \t\n\\#\0", exclude_categories=["Cs"]), min_size=1, max_size=9)


@given(st.lists(escaped, min_size=4, max_size=4), st.lists(st.sampled_from(["shared:1", "master:2"]), max_size=2))
def test_fields_come_back_as_they_were_written(fields: list[str], propagation: list[str]) -> None:
    root, target, type, source = fields
    line = " ".join(["1", "2", "0:3", root, target, "rw", *propagation, "-", type, source, "ro"])
    [entry] = mountinfo.parse(line)
    assert [entry.root, entry.target, entry.type, entry.source] == fields
    assert entry.propagation == propagation


@given(st.text("0123: -/rw\\\n", max_size=60))
def test_any_text_is_entries_or_refused(text: str) -> None:
    # Invariant: parse returns an entry a line or raises InvalidInput, nothing else.
    try:
        entries = mountinfo.parse(text)
    except InvalidInput:
        return
    assert len(entries) == len([line for line in text.split("\n") if line])
