"""A failed system call tells what was called, on what, and why."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

import pytest

from ringfence.linux import _libc, _libseccomp
from tests import needs


def test_an_error_is_the_class_python_has_for_the_errno_and_names_both_paths() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        _libc.renameat2(_libc.AT_FDCWD, "/no/such/a", _libc.AT_FDCWD, "/no/such/b", 1)
    assert (caught.value.filename, caught.value.filename2) == ("/no/such/a", "/no/such/b")
    assert caught.value.__notes__ == ['renameat2(-100, "/no/such/a", -100, "/no/such/b", 1)']


def test_structures_are_shown_by_their_fields() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        _libc.openat2(_libc.AT_FDCWD, "/no/such", os.O_PATH, 0, 0)
    assert caught.value.__notes__ == [f'openat2(-100, "/no/such", {{{os.O_PATH}, 0, 0}}, 24)']


def test_paths_may_be_str_bytes_or_pathlike_and_need_not_be_unicode() -> None:
    class Path(os.PathLike[str]):
        def __fspath__(self) -> str:
            return "/no/such"

    for path in ("/no/such", b"/no/such", Path()):
        with pytest.raises(FileNotFoundError) as caught:
            _libc.open_tree(_libc.AT_FDCWD, path, 0)
        assert caught.value.filename == "/no/such"
    with pytest.raises(FileNotFoundError) as caught:
        _libc.open_tree(_libc.AT_FDCWD, b"/no/\xff", 0)
    assert os.fsencode(caught.value.filename) == b"/no/\xff"


@pytest.mark.parametrize("path", ["/tmp\0/no/such", b"\0", "/\ud800"])
def test_a_path_that_would_not_arrive_whole_is_refused(path: str | bytes) -> None:
    with pytest.raises(OSError) as caught:
        _libc.open_tree(_libc.AT_FDCWD, path, 0)
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, path)


def test_a_file_system_context_says_why_it_refused() -> None:
    needs.root()
    context = _libc.fsopen("tmpfs", 1)
    try:
        with pytest.raises(OSError, match="nonsense") as caught:
            _libc.fsconfig(context, 1, "nonsense", "nonsense")
    finally:
        os.close(context)
    assert any("tmpfs: Unknown parameter 'nonsense'" in note for note in caught.value.__notes__)


def test_numbers_wider_than_an_int_arrive_whole() -> None:
    """RLIM-sized values were cut to 32 bits by calls without prototypes: openat2 refuses an unknown high flag."""
    with pytest.raises(OSError) as caught:
        _libc.openat2(_libc.AT_FDCWD, "/", os.O_PATH | 1 << 40, 0, 0)
    assert caught.value.errno == errno.EINVAL


def test_a_refused_bpf_program_brings_the_verifiers_words() -> None:
    needs.root()
    exit_without_result = struct.pack("=BBhi", 0x95, 0, 0, 0)
    with pytest.raises(OSError) as caught:
        _libc.bpf_prog_load(15, exit_without_result)  # BPF_PROG_TYPE_CGROUP_DEVICE
    assert any("R0 !read_ok" in note for note in caught.value.__notes__)


def test_structures_have_the_size_that_the_library_expects() -> None:
    assert ctypes.sizeof(_libseccomp.ArgumentComparison) == 24
