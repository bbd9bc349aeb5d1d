"""An owned descriptor is closed once, by its owner."""

from __future__ import annotations

import os

import pytest

from ringfence.linux.filedescriptor import FileDescriptor


def is_open(number: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{number}")


def test_with_closes_it_and_a_second_close_does_nothing() -> None:
    with FileDescriptor(os.open("/", os.O_PATH)) as descriptor:
        number = int(descriptor)
        assert is_open(number)
    assert not is_open(number)
    taken = os.open("/", os.O_PATH)
    assert taken == number, "the lowest free number is given out again"
    descriptor.close()
    assert is_open(taken), "an owner that closed already must not close somebody else's"
    os.close(taken)


def test_detach_gives_it_away() -> None:
    with FileDescriptor(os.open("/", os.O_PATH)) as descriptor:
        number = descriptor.detach()
    assert is_open(number)
    os.close(number)


def test_it_serves_wherever_a_number_is_wanted() -> None:
    with FileDescriptor(os.open("/", os.O_RDONLY | os.O_DIRECTORY)) as root:
        assert os.stat("proc", dir_fd=root).st_ino == os.stat("/proc").st_ino
        assert os.readlink(root.path) == "/"
        assert root.fileno() == root
        assert repr(root) == f"FileDescriptor({root.fileno()})"
    assert repr(root).endswith(", closed)")


def test_closing_a_number_that_is_not_open_is_an_error() -> None:
    descriptor = FileDescriptor(1 << 20)
    with pytest.raises(OSError):
        descriptor.close()
