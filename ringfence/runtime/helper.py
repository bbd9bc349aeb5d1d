"""The native helper ringinit: where it is, and how it is opened so that no container can ever write to it.

What executes it is a file of a read-only overlay that is attached nowhere. A container that re-executes or opens
/proc/self/exe therefore never holds the host's file (CVE-2019-5736); a read-only bind would not do, since a detached
mount's attributes can be changed through a descriptor. The page cache is shared with the host's file, so that the
monitors of a thousand containers are one copy. Where the kernel has no such overlay, a sealed memory file serves.
The helper makes it itself and executes itself anew; a process that starts more than one container keeps it open.
"""

from __future__ import annotations

import os

from ringfence.errors import Failed

_NAME = "ringinit"
_PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), _NAME)
_cached: dict[str, int] = {}


def kept() -> int:
    """A descriptor of the sealed helper to execute, -1 if there is none yet."""
    return _cached.get(_PATH, -1)


def keep(pid: int) -> None:
    """Keep open for this process's life what that child of ours, a helper that has reported, is executed from."""
    if _PATH not in _cached:
        try:
            _cached[_PATH] = os.open(f"/proc/{pid}/exe", os.O_PATH | os.O_CLOEXEC)
        except OSError:  # it has ended already, or its user namespace does not let us: the next one seals itself, too
            return


def copy(path: str) -> None:
    """A copy of the helper for one container alone, which may do with it what it likes."""
    import shutil

    shutil.copyfile(_PATH, path)
    os.chmod(path, 0o755)


def path() -> str:
    """Its file, for what stays outside of containers; Failed if it is missing."""
    if not os.access(_PATH, os.X_OK):
        raise Failed(f"the native helper {_PATH} is missing", hint="install the package again: pip compiles it")
    return _PATH
