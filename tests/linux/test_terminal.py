"""Terminals: raw while we use them, as before afterwards; sizes told and set; pairs opened without names."""

from __future__ import annotations

import errno
import os
import signal
import termios
from collections.abc import Iterator

import pytest

from ringfence.linux import terminal
from ringfence.linux.filedescriptor import FileDescriptor


@pytest.fixture
def pty() -> Iterator[tuple[FileDescriptor, FileDescriptor]]:
    master, slave = terminal.open_pty()
    with master, slave:
        yield master, slave


def test_bytes_go_through_a_raw_terminal_as_they_are(pty: tuple[FileDescriptor, FileDescriptor]) -> None:
    master, slave = pty
    before = termios.tcgetattr(slave)
    keys = b"\x03\x04\x10\x11\x13\x1a\x1c\r\n\x7f\xff"
    with terminal.RawMode(slave):
        os.write(master, keys)
        assert os.read(slave, 100) == keys
        os.write(slave, b"a\nb")
        assert os.read(master, 100) == b"a\nb", "neither echo nor carriage returns"
    assert termios.tcgetattr(slave) == before


def test_the_mode_comes_back_after_an_error(pty: tuple[FileDescriptor, FileDescriptor]) -> None:
    _, slave = pty
    before = termios.tcgetattr(slave)
    with pytest.raises(KeyboardInterrupt), terminal.RawMode(slave):
        assert termios.tcgetattr(slave) != before
        raise KeyboardInterrupt
    assert termios.tcgetattr(slave) == before


def test_the_window_size_is_set_and_told_on_both_sides(pty: tuple[FileDescriptor, FileDescriptor]) -> None:
    master, slave = pty
    terminal.set_window_size(master, rows=50, columns=132)
    assert terminal.window_size(slave) == (50, 132)
    assert os.get_terminal_size(slave) == (132, 50)


def test_a_resize_signals_the_foreground(pty: tuple[FileDescriptor, FileDescriptor]) -> None:
    master, slave = pty
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
        os.login_tty(slave.detach())
        os.write(writer, b"r")
        os._exit(0 if signal.sigtimedwait({signal.SIGWINCH}, 10) else 1)
    os.read(reader, 1)
    terminal.set_window_size(master, 10, 20)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(reader)
    os.close(writer)


def test_what_is_no_terminal_says_so() -> None:
    with FileDescriptor(os.open("/dev/null", os.O_RDWR)) as null:
        for attempt in (terminal.window_size, lambda descriptor: terminal.RawMode(descriptor).__enter__()):
            with pytest.raises(OSError) as caught:
                attempt(null)
            assert caught.value.errno == errno.ENOTTY


def test_the_pair_is_not_inherited_by_programs(pty: tuple[FileDescriptor, FileDescriptor]) -> None:
    assert [os.get_inheritable(descriptor) for descriptor in pty] == [False, False]
