"""Where the bench works: a mount namespace of its own, with an ext4 file system that nobody else writes to.

Disk use is read off that file system, and no layer is extracted onto a disk that is still busy with the last removal.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import processes
from bench.material import PAUSE

_INSIDE = "RINGFENCE_BENCH_INSIDE"


def enter_namespace() -> None:
    """Execute this program again in a private mount namespace, unless that is where it is."""
    if os.environ.get(_INSIDE) != "1":
        os.environ[_INSIDE] = "1"
        unshare = ["unshare", "--mount", "--propagation", "private", "--"]
        os.execvp("unshare", [*unshare, sys.executable, *sys.orig_argv[1:]])


@contextlib.contextmanager
def workplace(size: int) -> Iterator[tuple[Path, Path]]:
    """A data directory on an own ext4 of `size` bytes, and a state directory on an own tmpfs; both go away.

    With a journal, as mkfs makes it: without one ext4 passes over inodes that were freed in the last minutes one after
    the other (recently_deleted, fs/ext4/ialloc.c), so that each start took longer than the one before.
    """
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind("\0ringfence-bench")  # an abstract name: it goes with this process
    except OSError:
        sys.exit("bench: another one is running: neither would tell the truth")
    top = Path(tempfile.mkdtemp(prefix="ringfence-bench-", dir="/var/tmp"))
    state = Path(tempfile.mkdtemp(prefix="rfb-", dir="/run"))
    data = top / "data"
    data.mkdir()
    try:
        with open(top / "disk", "wb") as disk:
            disk.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", top / "disk"], check=True)
        subprocess.run(["mount", "-o", "loop", top / "disk", data], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "none", state], check=True)
        with _hugetlb(state):
            try:
                yield data, state
            finally:
                processes.end(PAUSE, state)
    finally:
        for mounted in (state, data):
            subprocess.run(["umount", "--recursive", "--lazy", mounted], check=False)
        shutil.rmtree(top, ignore_errors=True)
        shutil.rmtree(state, ignore_errors=True)
        lock.close()


@contextlib.contextmanager
def _hugetlb(state: Path) -> Iterator[None]:
    """Debian 12's crun refuses a hybrid machine whose hugetlb controller is not mounted as v1: so mount it."""
    hybrid = _hybrid()
    directory = state / "hugetlb"  # runc takes the last component for the controller's name
    directory.mkdir()
    mount = ["mount", "-t", "cgroup", "-o", "hugetlb", "none", str(directory)]
    mounted = hybrid and subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            deadline = time.monotonic() + 5
            while not _cleared(directory) and time.monotonic() < deadline:  # a sandbox is being undone
                time.sleep(0.1)
            time.sleep(0.5)  # a hierarchy that is unmounted with its cgroups still dying stays, and v2 lacks hugetlb
            subprocess.run(["umount", directory], check=False)


def _cleared(hierarchy: Path) -> bool:
    """Whether nothing is left of what this run alone made in the hierarchy."""
    parents = [hierarchy / name for name in ("ringfence", "ringrun", "libpod_parent")]
    for parent in parents:
        for path, _, _ in os.walk(parent, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)
    return not any(parent.exists() for parent in parents)


def crun_refuses(state: Path) -> bool:
    """Whether hugetlb could not be mounted, because somebody uses it as v2."""
    return _hybrid() and not (state / "hugetlb/cgroup.procs").exists()


def _hybrid() -> bool:
    with open("/proc/self/cgroup") as file:
        return any(line.startswith("1:") for line in file)


def used(path: Path) -> int:
    """Bytes in use on the file system of `path`, with all that is to be written written."""
    os.sync()
    status = os.statvfs(path)
    return (status.f_blocks - status.f_bfree) * status.f_frsize
