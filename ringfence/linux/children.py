"""Children of this process that go on by themselves: nobody waits for them, and none stays a zombie when it has ended.

Who starts one leaves it here. A process that runs long, starting many, then has no more of them than its last ones.
"""

from __future__ import annotations

import os

_left: set[int] = set()


def leave(pid: int) -> None:
    """A child that was just started is nobody's care any more. Those left before that have ended are reaped."""
    for other in list(_left):
        try:
            if os.waitpid(other, os.WNOHANG)[0] == 0:
                continue
        except ChildProcessError:
            pass  # the program that uses the library waits for all children itself
        _left.discard(other)  # another thread may have been as quick
    _left.add(pid)


def take(pid: int) -> None:
    """Wait for one that was left, after all."""
    os.waitpid(pid, 0)
    _left.discard(pid)
