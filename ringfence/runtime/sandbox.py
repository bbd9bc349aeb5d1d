"""Prepared sandboxes: the first part of the next container's plan, executed before anybody asks for that container.

After a start another helper is started. Once the caller has nothing more to do for that container (`begin`), so that
the two do not wait for the same processors and locks, it executes the same first part again, for a new id: namespaces,
cgroups, /proc, /dev and /sys. Then it waits for the rest. The next container takes that id, and if its own plan begins
with the very same bytes, the helper gets the rest of it, or all if it has not begun; else the sandbox is undone and
everything is made anew. So nothing is decided by what was prepared, and there is no second way to make a container. A
helper whose caller has gone, or whose `PATIENCE` is over, undoes what it has made.
"""

from __future__ import annotations

import os
import time

from ringfence.linux import files, sockets
from ringfence.runtime import execute
from ringfence.runtime.plan import await_rest, begins_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.runtime.plan import Plan

PATIENCE = 5.0
"""Seconds that a sandbox waits. What is mounted on the host stays in use so long, when it is unmounted there."""
_MILLISECONDS = int(PATIENCE * 1000)
_MARGIN = 0.1  # of these, so that none is taken that is about to go
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
_KNOWN = [f"/proc/self/ns/{name}" for name in _NAMESPACES if os.path.exists(f"/proc/self/ns/{name}")]  # time is of 5.6
_STATUS = ("Umask", "Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp", "Cpus_allowed_list", "Mems_allowed_list")


class Sandbox:
    """One for the container `id`; `first` is what its helper executes beforehand (plan.py, `first_of`): `count`
    operations."""

    __slots__ = ("begun", "control", "count", "first", "helper", "id", "inherited", "until")

    def __init__(self, id: str, first: bytes, count: int, helper: int, control: sockets.Socket) -> None:
        self.id = id
        self.first = first
        self.count = count
        self.helper = helper
        self.control = control
        self.inherited = inherited()
        self.begun = False
        self.until = time.monotonic() + PATIENCE - _MARGIN

    def begin(self) -> None:
        """Have the first part executed, unless it is."""
        if not self.begun:
            self.begun = self._hand_over(await_rest(self.first, self.count, _MILLISECONDS))

    def give(self, encoded: bytes) -> bool:
        """Let it go on with a whole plan; False if it cannot, and then it undoes what it has made."""
        if time.monotonic() > self.until or not begins_with(encoded, self.first) or inherited() != self.inherited:
            return False
        return self._hand_over(encoded)

    def _hand_over(self, encoded: bytes) -> bool:
        memory = execute.memory_file(encoded)
        try:
            sockets.send_descriptors(self.control, b"G", [memory])
        except OSError:  # it was killed
            return False
        finally:
            os.close(memory)
        return True

    def end(self) -> None:
        """Have it undone, and wait until it is; also where it has just been given a plan. Repeatable."""
        if self.control.fileno() >= 0:
            self.control.shutdown(sockets.SHUT_WR)
            execute.end(self.control)


class Sandboxes:
    """At most one that waits, and those that are taken by a container that is about to start."""

    __slots__ = ("_process", "_taken", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Sandbox] = []  # a list, as its `pop` is one step also where several threads take
        self._taken: dict[str, Sandbox] = {}
        self._process = os.getpid()

    def take(self) -> str:
        """The id of the container that one is for, "" if there is none. It is the caller's alone from then on."""
        now = time.monotonic()
        self._leave_to_parent()
        for id, taken in list(self._taken.items()):
            if now > taken.until and self._taken.pop(id, taken) is taken:
                taken.control.close()
        try:
            sandbox = self._waiting.pop()
        except IndexError:
            return ""
        if now > sandbox.until:
            sandbox.control.close()
            return ""
        self._taken[sandbox.id] = sandbox
        return sandbox.id

    def of(self, id: str) -> Sandbox | None:
        """The one that was taken with that id."""
        return self._taken.pop(id, None)

    def forget(self, id: str) -> None:
        """Have the one undone that was taken with that id, if no container has come of it."""
        sandbox = self.of(id)
        if sandbox is not None:
            sandbox.end()

    def prepare(self, plan: Plan, encoded: bytes, id: str, scratch: str) -> None:
        """Start the helper of one like the container `id`, which was started by that plan; it waits for `begin`."""
        if self._waiting or not plan.first:
            return
        new = os.urandom(len(id) // 2).hex()
        first = plan.first_of(encoded).replace(id.encode(), new.encode())
        if len(new) != len(id):
            return
        begun = execute.Executed()
        try:
            execute.begin(begun, await_rest(first, 0, _MILLISECONDS), scratch, ())
        except OSError:  # no descriptor, no process to be had: then a next container tells of it, if it is still so
            return
        self._waiting.append(Sandbox(new, first, plan.first, begun.helper, begun.control))

    def begin(self) -> None:
        """Have the one that waits made now; that is not waited for."""
        self._leave_to_parent()
        try:
            sandbox = self._waiting.pop()  # so that nobody takes it meanwhile
        except IndexError:
            return
        sandbox.begin()
        self._waiting.append(sandbox)

    def close(self) -> None:
        """Have all of them undone."""
        self._leave_to_parent()
        while self._waiting:
            self._waiting.pop().end()

    def _leave_to_parent(self) -> None:
        """After a fork what was prepared before is the parent's."""
        if self._process != os.getpid():
            self._waiting, self._taken, self._process = [], {}, os.getpid()


def inherited() -> object:
    """What a helper gets from us and hands on: one that was prepared must have got what another would get now."""
    status = [line for line in files.read("/proc/self/status").split("\n") if line.startswith(_STATUS)]
    texts = [files.read("/proc/self/oom_score_adj"), files.read("/proc/self/limits")]
    namespaces = [os.readlink(path) for path in _KNOWN]
    return status, texts, namespaces, os.getpriority(os.PRIO_PROCESS, 0)
