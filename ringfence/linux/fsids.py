"""Making files as somebody else: the file system ids of a thread (setfsuid(2)), with all its capabilities kept.

On an id-mapped mount the kernel refuses to make a file (EOVERFLOW) for a user whom the mapping does not know, and root
is such a user where a container's ids are mapped.
"""

from __future__ import annotations

from ringfence.linux import _libc, namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Result = TypeVar("Result")

_GET_SECUREBITS, _SET_SECUREBITS = 27, 28  # linux/prctl.h
_NO_SETUID_FIXUP = 1 << 2  # linux/securebits.h: leaving uid 0 takes no capability away


def as_owner(uid: int, gid: int, work: Callable[[], Result]) -> Result:
    """Do `work` on a thread of its own whose new files belong to `uid` and `gid`, and which may do what we may do."""

    def change_and_work() -> Result:
        _libc.prctl(_SET_SECUREBITS, _libc.prctl(_GET_SECUREBITS) | _NO_SETUID_FIXUP)
        _libc.setfsgid(gid)
        _libc.setfsuid(uid)
        return work()

    return namespaces.on_own_thread(change_and_work)
