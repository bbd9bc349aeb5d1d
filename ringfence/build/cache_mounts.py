"""Directories that outlive a build: `RUN --mount=type=cache`, by their id, below `<data>/build/caches`.

`shared`: any number of steps use one at once; `locked`: one after the other; `private`: each at its time gets one of
several that no other is using. A lock on the directory's `lock` file says who uses it.
"""

from __future__ import annotations

import fcntl
import os

from ringfence.oci.digest import Digest

_LOCKS = {"shared": fcntl.LOCK_SH, "locked": fcntl.LOCK_EX, "private": fcntl.LOCK_EX | fcntl.LOCK_NB}


class CacheMount:
    """One that is in use: `path` is the directory, until `close`."""

    def __init__(self, path: str, lock: int) -> None:
        self.path = path
        self._lock = lock

    def close(self) -> None:
        os.close(self._lock)


def directory(data: str) -> str:
    """Where they all are."""
    return f"{data}/build/caches"


def take(
    data: str, name: str, sharing: str, owner: tuple[int, int], mode: int, seed: str | None = None
) -> CacheMount:
    """The directory of that id, made with `owner` and `mode` if there is none; `seed` is a directory it begins as."""
    base = f"{directory(data)}/{Digest.of(name.encode('utf-8', 'surrogateescape')).hex[:32]}"
    number = 0
    while True:
        place = f"{base}-{number}" if number else base
        os.makedirs(place, 0o700, exist_ok=True)
        lock = os.open(f"{place}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, _LOCKS[sharing])
        except BlockingIOError:
            os.close(lock)
            number += 1
            continue
        if os.fstat(lock).st_nlink and os.path.isdir(place):
            break
        os.close(lock)  # pruned while we waited
    held = CacheMount(f"{place}/files", lock)
    if not os.path.isdir(held.path):
        _make(held.path, owner, mode, seed)
    return held


def _make(path: str, owner: tuple[int, int], mode: int, seed: str | None) -> None:
    from ringfence.linux.trees import remove_tree
    from ringfence.snapshots.trees import copy_tree

    staging = f"{path}.{os.urandom(6).hex()}"
    os.mkdir(staging, 0o700)
    try:
        if seed is not None:
            copy_tree(seed, staging)
        os.chown(staging, *owner)
        os.chmod(staging, mode)
        os.rename(staging, path)
    except OSError:
        remove_tree(staging)
        if not os.path.isdir(path):
            raise


def prune(data: str) -> int:
    """Remove those that no build uses; returns the bytes of disk space won."""
    from ringfence.linux.trees import remove_tree
    from ringfence.snapshots.trees import disk_usage

    won = 0
    try:
        names = os.listdir(directory(data))
    except FileNotFoundError:
        return 0
    for name in names:
        place = f"{directory(data)}/{name}"
        lock = os.open(f"{place}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            won += disk_usage(place).size
            remove_tree(place)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
    return won
