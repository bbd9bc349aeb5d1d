"""The native helper ringinit: where it is, and how it is opened so that no container can ever write to it.

What executes it is a file of a read-only overlay that is attached nowhere. A container that re-executes or opens
/proc/self/exe therefore never holds the host's file (CVE-2019-5736); a read-only bind would not do, since a detached
mount's attributes can be changed through a descriptor. The page cache is shared with the host's file, so that the
monitors of a thousand containers are one copy. Where the kernel has no such overlay, a sealed memory file serves.
"""

from __future__ import annotations

import fcntl
import os

from ringfence.errors import Failed
from ringfence.linux import mounts

_NAME = "ringinit"
_PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), _NAME)
_F_ADD_SEALS, _ALL_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8  # fcntl(2): seal, shrink, grow, write
_cached: dict[str, int] = {}


def sealed(second: str) -> int:
    """A descriptor to execute, kept for this process's life. `second`: any directory; an overlay needs two layers."""
    descriptor = _cached.get(_PATH)
    if descriptor is None:
        descriptor = _cached[_PATH] = _open(second)
    return descriptor


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


def _open(second: str) -> int:
    path()
    try:
        return _overlay(second)
    except OSError:
        return _memory_file()  # no privilege for a mount, or no overlay in this kernel


def _overlay(second: str) -> int:
    directory = os.path.dirname(_PATH)
    layers = mounts.Mount("overlay", "overlay", [f"lowerdir={directory}:{second}", "ro"])
    with mounts.attach_nowhere(layers) as root:
        return os.open(_NAME, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root.fileno())


def _memory_file() -> int:
    with open(_PATH, "rb") as program:
        content = program.read()
    descriptor = os.memfd_create(_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, content)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _ALL_SEALS)
    return descriptor
