"""Small files, read and written whole: a start deals with twenty of them, and `open` asks the kernel for much more.

Text is UTF-8; bytes that are none come back from `write` as they were (surrogateescape, PEP 383).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux._libc import StrPath

_CHUNK = 1 << 16
_REPLACE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


def read(path: StrPath) -> str:
    """The text of a file; OSError as of open(2) and read(2)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = more = os.read(descriptor, _CHUNK)
        while more:  # the kernel's own files come in parts of any size
            more = os.read(descriptor, _CHUNK)
            data += more
    finally:
        os.close(descriptor)
    return data.decode("utf-8", "surrogateescape")


def write(path: StrPath, text: str, mode: int = 0o600) -> None:
    """Make `text` all that is in a file. One that others may read (`mode`) they can, whatever the umask."""
    data = text.encode("utf-8", "surrogateescape")
    descriptor = os.open(path, _REPLACE, mode)
    try:
        if mode & 0o077:
            os.fchmod(descriptor, mode)
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
