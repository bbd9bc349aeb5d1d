"""Small files come back as they were written, whatever their bytes, and have the mode that was asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux import files


@given(st.binary(max_size=300))
def test_bytes_that_are_no_text_survive(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    # Invariant: what was read is written back to the byte.
    path = tmp_path_factory.getbasetemp() / "file"
    path.write_bytes(data)
    files.write(path, files.read(path))
    assert path.read_bytes() == data


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a longer text")
    path.chmod(0o640)
    files.write(path, "short")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("short", 0o640)
    files.write(path, "for all", 0o644)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("for all", 0o644)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_new_file_has_the_mode_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        files.write(tmp_path / "file", "text", mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_files_of_the_kernel_are_read_to_their_end() -> None:
    """These tell no size, and come a page at a time."""
    assert files.read("/proc/self/mountinfo").endswith("\n")
    assert "Seccomp:" in files.read("/proc/self/status")


def test_one_longer_than_a_read(tmp_path: Path) -> None:
    text = "0123456789" * 20_000
    files.write(tmp_path / "file", text)
    assert files.read(tmp_path / "file") == text


def test_what_is_not_there_is_the_caller_s_matter(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "none")
