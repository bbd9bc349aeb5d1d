"""Kernel parameters (sysctl(8)) as files below /proc/sys; the network's are of the caller's namespace."""

from __future__ import annotations

import os

_ROOT = "/proc/sys"


def read(*path: str) -> str | None:
    """The value of ("net", "ipv4", "ip_forward"); None if this kernel has no such parameter."""
    try:
        descriptor = os.open("/".join((_ROOT, *path)), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return os.read(descriptor, 4096).decode().strip()
    finally:
        os.close(descriptor)


def write(value: str, *path: str) -> None:
    """Set it. OSError: EACCES, EPERM or EROFS where that is forbidden, ENOENT if there is no such parameter."""
    descriptor = os.open("/".join((_ROOT, *path)), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
