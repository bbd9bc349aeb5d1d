"""Lending: on a hybrid machine a v2 controller that was off is on for as long as a cgroup of ours needs it.

Others notice: nobody can mount it as v1 meanwhile, and crun refuses to run. So each cgroup in which we switch one on is
marked first, with an extended attribute, and whoever removes a container's cgroup later switches off what is marked and
no longer used. A kill in between leaves the mark, and so the next one does it.

Switching off would drop the limits of a container that is being made: makers share a lock on the root, removers need
it alone. One that does not get it leaves the work to the maker, whose cgroup comes to its end as well.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from ringfence.linux.cgroups.setting import LENT, UNLIMITED, Group, gone, unmarked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_PATIENCE = 0.2  # seconds; other removers are soon done, a maker may wait for its hooks


class Loan:
    """The time in which a cgroup is made or changed: until `end` nobody switches off what it needs.

    `levels` are the cgroups from the root down to it. Controllers that are off in those above it are marked as lent.
    """

    def __init__(self, levels: Sequence[Group], controllers: Collection[str]) -> None:
        self._levels = levels[:-1]
        self._lock = _open(levels[0].root)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            for level in self._levels:
                os.makedirs(level.path, exist_ok=True)
                for controller in set(controllers).difference(level.read("cgroup.subtree_control").split()):
                    _mark(level.path, controller)
        except BaseException:
            os.close(self._lock)
            raise

    def end(self) -> None:
        os.close(self._lock)

    def cancel(self) -> None:
        """What was to be made is not, or is gone again."""
        self.end()
        give_back(self._levels)


def give_back(levels: Sequence[Group]) -> None:
    """Switch off what is marked and no longer used, in the first of these cgroups that has marks and below it."""
    lock = _open(levels[0].root)
    try:
        if _alone(lock):
            _give_back(next((level.path for level in levels if level.lent()), levels[-1].path))
    finally:
        os.close(lock)


def _give_back(directory: str) -> None:
    controllers = Group(directory, directory).lent()
    if not controllers:
        return
    try:
        with os.scandir(directory) as entries:
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        for path in below:
            _give_back(path)
        for controller in controllers:
            if not any(_limited(path, controller) for path in below) and _switched_off(directory, controller):
                os.removexattr(directory, f"{LENT}{controller}")
    except OSError as error:
        if not gone(error):  # with the cgroup goes what it had handed on
            raise


def _switched_off(directory: str, controller: str) -> bool:
    """Whether it is off now: the kernel refuses while one of the cgroups below hands it on."""
    try:
        with open(f"{directory}/cgroup.subtree_control", "w") as file:
            file.write(f"-{controller}")
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _limited(directory: str, controller: str) -> bool:
    """Whether a cgroup has limits: what can be set and shows a number that is one, not "max" (setting.UNLIMITED)."""
    try:
        names = [name for name in os.listdir(directory) if name.startswith(f"{controller}.")]
        for name in names:
            if stat.S_IMODE(os.stat(f"{directory}/{name}").st_mode) & 0o600 == 0o600:
                with open(f"{directory}/{name}") as file:
                    words = file.read().replace("=", " ").split()
                if any(word.isdecimal() and int(word) < UNLIMITED for word in words):
                    return True
    except OSError as error:
        if not gone(error):
            raise
    return False


def _mark(directory: str, controller: str) -> None:
    try:
        os.setxattr(directory, f"{LENT}{controller}", b"")
    except OSError as error:
        if not unmarked(error):
            raise


def _open(root: str) -> int:
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _alone(lock: int) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
