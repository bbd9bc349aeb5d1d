"""The runtime's own record of a container on disk, and its status as the kernel tells it.

A directory `<root>/<id>` holds `state.json` (a line of ours and, on a second one, the spec as it was at create, so that
later changes to the bundle have no effect: A08), `init` (written by the helper: pid and start time of the first process
and of its monitor) and, while the program waits to be started, `start.sock`. The directory is the claim on the id;
nothing in it is believed that the kernel can contradict: a pid counts only with its start time, a waiting container
only if its socket answers.
"""

from __future__ import annotations

import os

from ringfence import json
from ringfence.errors import Conflict, Corrupt, NotFound
from ringfence.linux import files, processes, sockets
from ringfence.runtime.claim import check_id
from ringfence.runtime.facts import PID_FILE, START_SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CREATING, CREATED, RUNNING, PAUSED, STOPPED = "creating", "created", "running", "paused", "stopped"
#: operation → the statuses in which it is allowed (runtime.md, Operations)
ALLOWED = {
    "start": (CREATED,),
    "kill": (CREATED, RUNNING, PAUSED),
    "delete": (STOPPED, CREATING),
    "pause": (RUNNING,),
    "resume": (PAUSED,),
    "events": (CREATED, RUNNING, PAUSED),
    "exec": (CREATED, RUNNING),
    "update": (CREATED, RUNNING, PAUSED),
    "mount": (RUNNING, PAUSED),
}


class State:
    """One container's record. `pid`, `monitor_pid` are 0 while unknown or when that process is gone.

    `begun` is the start time of the first process: with it a reused pid is told from the one that was recorded. 0 until
    that is.
    """

    __slots__ = ("_spec", "_text", "begun", "directory", "document", "id", "monitor_pid", "pid")

    def __init__(self, id: str, directory: str, document: dict[str, Any], spec: str) -> None:
        self.id = id
        self.directory = directory
        self.document = document
        self._text = spec
        self._spec: dict[str, Any] | None = None
        self.pid, self.begun, self.monitor_pid = _live_pids(f"{directory}/{PID_FILE}")

    @property
    def spec(self) -> dict[str, Any]:
        """The spec as it was at create; Corrupt if it cannot be read. Half of the verbs do without."""
        if self._spec is None:
            try:
                self._spec = json.loads(self._text)
            except ValueError as error:
                raise Corrupt(f"{self.directory}/state.json: {error}") from None
        return self._spec

    @property
    def hooks(self) -> dict[str, Any]:
        """The spec's hooks."""
        hooks: dict[str, Any] = self.document.get("hooks") or {}
        return hooks

    @property
    def created(self) -> int:
        """When it was created, in nanoseconds since 1970."""
        return int(self.document["created"])

    @property
    def cgroup(self) -> str:
        """Its cgroup path, "" if it has none."""
        return str(self.document["cgroup"])

    @property
    def manager(self) -> str:
        """Who makes its cgroup: "systemd", or "" for ourselves."""
        return str(self.document.get("manager", ""))

    def status(self, *, frozen: bool = False) -> str:
        """creating, created, running, paused or stopped; `frozen` is what the caller's cgroup driver says."""
        if not self.begun:  # by what was read: a look at the file now would find it, and no pid, of a create at work
            return CREATING if self.document.get("creator") and processes.alive(*self.document["creator"]) else STOPPED
        if not self.pid:
            return STOPPED
        if waiting(self.directory):
            return CREATED
        return PAUSED if frozen else RUNNING

    def require(self, operation: str, *, frozen: bool = False) -> str:
        """The status, or Conflict if it does not allow the operation."""
        status = self.status(frozen=frozen)
        if status not in ALLOWED[operation]:
            raise Conflict(f"cannot {operation} container {self.id}: it is {status}")
        return status


def load(root: str, id: str) -> State:
    """The record of a container. NotFound if there is none."""
    directory = f"{root}/{check_id(id)}"
    try:
        head, _, spec = files.read(f"{directory}/state.json").partition("\n")
        document = json.loads(head)
    except FileNotFoundError:
        raise NotFound(f"container {id} does not exist") from None
    except ValueError as error:
        raise Corrupt(f"{directory}/state.json: {error}") from None
    return State(id, directory, document, spec)


def identifiers(root: str) -> list[str]:
    """The ids of all containers with a record, sorted."""
    try:
        return sorted(name for name in os.listdir(root) if os.path.exists(f"{root}/{name}/state.json"))
    except FileNotFoundError:
        return []


def connect(knock: sockets.Socket, directory: str) -> None:
    """Connect to the start socket, by its directory's descriptor: an address holds 107 bytes only (unix(7))."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        knock.connect(f"/proc/self/fd/{descriptor}/{START_SOCKET}")
    finally:
        os.close(descriptor)


def waiting(directory: str) -> bool:
    """Whether the first process still waits for `start`: its socket answers (a look leaves it waiting)."""
    if not os.path.exists(f"{directory}/{START_SOCKET}"):
        return False
    with sockets.Socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET) as knock:
        knock.setblocking(False)
        try:
            connect(knock, directory)
        except ConnectionRefusedError:
            return False  # it has started; the one who started it was killed before it removed the socket
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True  # its backlog is full of other looks
    return True


def _live_pids(path: str) -> tuple[int, int, int]:
    try:
        pid, started, monitor, monitor_started = (int(word) for word in files.read(path).split())
    except FileNotFoundError:
        return 0, 0, 0
    except ValueError as error:
        raise Corrupt(f"{path}: {error}") from None
    return (
        pid if processes.alive(pid, started) else 0,
        started,
        monitor if monitor_started and processes.alive(monitor, monitor_started) else 0,
    )
