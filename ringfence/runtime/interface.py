"""The `Runtime` interface: what the engine asks of an OCI runtime, ours in process or another's command line.

Every implementation passes the behaviour suite of tests/runtime/test_suite.py. Shapes follow the runtime-spec
(config.json, `process`, `linux.resources`, state) so that nothing is translated on the way.
"""

from __future__ import annotations

from ringfence.runtime.launch import Launch as Launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    from ringfence.linux import sockets
    from ringfence.runtime.plan import Plan
else:
    Protocol = object


class Log:
    """Where the monitor writes what the container prints.

    `driver` is "k8s-file", "json-file" or "none"; `max_size` is bytes (0: no rotation), `max_file` counts all files.
    """

    __slots__ = ("driver", "max_file", "max_size", "path")

    def __init__(self, driver: str = "none", path: str = "", max_size: int = 0, max_file: int = 1) -> None:
        self.driver = driver
        self.path = path
        self.max_size = max_size
        self.max_file = max_file


class Monitoring:
    """What the monitor of one container, or of one exec session, is to do; an empty path means: do not.

    `exit_command` is an argv that is executed after the exit unless the owner said it has cleaned up.
    `event` is the middle of the JSON text of the `start` and `die` events (see `monitored` in engine/events.py); the
    monitor completes and appends them to `event_file`.
    `health` is (interval in milliseconds, argv): the argv is executed at every interval while the process lives.
    `timeout` is in seconds (0: none): the process is killed after it.
    """

    __slots__ = (
        *("attach_socket", "event", "event_file", "exit_command", "exit_file", "health"),
        *("log", "stdin", "terminal", "timeout", "window"),
    )

    def __init__(
        self,
        *,
        log: Log | None = None,
        attach_socket: str = "",
        exit_file: str = "",
        exit_command: Sequence[str] = (),
        event_file: str = "",
        event: str = "",
        health: tuple[int, Sequence[str]] = (0, ()),
        timeout: int = 0,
        terminal: bool = False,
        stdin: bool = False,
        window: tuple[int, int] = (0, 0),
    ) -> None:
        self.log = log or Log()
        self.attach_socket = attach_socket
        self.exit_file = exit_file
        self.exit_command = list(exit_command)
        self.event_file = event_file
        self.event = event
        self.health = health
        self.timeout = timeout
        self.terminal = terminal
        self.stdin = stdin
        self.window = window


class Started:
    """A running process: its pid in this pid namespace, its monitor's, and the control socket (attach protocol).

    Closing `control` leaves the container running. The caller that stays until the exit is its owner: it reads up to
    the `X` message, cleans up and sends `D`. The monitor is our child only in form: the next start takes leave of it.
    """

    __slots__ = ("control", "monitor_pid", "pid")

    def __init__(self, pid: int, monitor_pid: int, control: sockets.Socket) -> None:
        self.pid = pid
        self.monitor_pid = monitor_pid
        self.control = control


class Runtime(Protocol):
    """An OCI runtime as the engine uses it. `id` is the container's; all raise NotFound for one that does not exist."""

    name: str

    def next_id(self) -> str:
        """The id that the next container had best have, told once; "" if any other does as well."""

    def prepare_next(self) -> None:
        """Nothing more is to be done for a container with `Launch.meanwhile`: make what the next one may need."""

    def close(self) -> None:
        """Have undone what is prepared for a next container."""

    def plan(self, launch: Launch) -> Plan:
        """What `start` would have the helper do, with nothing done."""

    def start(self, launch: Launch) -> Started:
        """Create the container and execute its program. CannotExecute if that fails at exec, else Failed/InvalidInput.

        On any error nothing is left: no mount, cgroup, process, state directory.
        """

    def exec(self, id: str, process: Mapping[str, Any], monitoring: Monitoring, *, privileged: bool = False) -> Started:
        """Execute another `process` (runtime-spec `process` object) in the running container."""

    def status(self, id: str) -> dict[str, Any]:
        """The OCI state: ociVersion, id, status (creating, created, running, paused, stopped), pid, bundle…"""

    def kill(self, id: str, signal: int, *, all: bool = False) -> None:
        """Send `signal` to the init process, or with `all` to every process of its cgroup. Conflict if not running."""

    def pause(self, id: str) -> None:
        """Freeze all processes; Conflict unless running."""

    def can_pause(self, id: str) -> bool:
        """Whether it has a cgroup that can be frozen: an ordinary user's may have none."""

    def resume(self, id: str) -> None:
        """Thaw; Conflict unless paused."""

    def update(self, id: str, resources: Mapping[str, Any]) -> None:
        """Apply `linux.resources` to the live container."""

    def mounted(self, id: str) -> list[str]:
        """The targets of all that is mounted in the live container, once for each mount."""

    def mount(self, id: str, wanted: Mapping[str, Any]) -> None:
        """Add a bind mount (runtime-spec, config: Mounts) to the live container; it is there, or nothing is done.

        It is attached at exactly its destination, without following links, and covers nothing that is mounted.
        """

    def unmount(self, id: str, target: str) -> None:
        """Take the mount at exactly this path away from the live container, with what is mounted below it."""

    def processes(self, id: str) -> list[int]:
        """Pids of all its processes, in this pid namespace."""

    def stats(self, id: str) -> dict[str, Any]:
        """Numbers of its cgroup: see `CgroupDriver.stats`."""

    def delete(self, id: str, *, force: bool = False) -> None:
        """Remove what is left of a stopped container; with `force` kill it first, and no error if it does not exist."""
