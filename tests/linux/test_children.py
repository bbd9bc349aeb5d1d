"""Children that nobody waits for do not stay zombies."""

from __future__ import annotations

import os

import pytest

from ringfence.linux import children, processes


def ended() -> int:
    """A child that has ended and was not waited for."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def test_what_has_ended_is_reaped_when_the_next_is_left() -> None:
    first, second = ended(), ended()
    children.leave(first)
    assert first in processes.children(os.getpid())
    children.leave(second)
    assert first not in processes.children(os.getpid())
    children.take(second)


def test_what_still_runs_is_left_alone_and_can_be_waited_for() -> None:
    reader, writer = os.pipe()
    running = os.posix_spawn("/bin/cat", ["cat"], {}, file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0)])
    os.close(reader)
    last = ended()
    children.leave(running)
    children.leave(last)
    assert running in processes.children(os.getpid())
    os.close(writer)
    children.take(running)
    children.take(last)
    with pytest.raises(ChildProcessError):
        os.waitpid(running, os.WNOHANG)


def test_somebody_else_may_reap_them_first() -> None:
    first, second = ended(), ended()
    children.leave(first)
    os.waitpid(first, 0)
    children.leave(second)
    children.take(second)
