"""sd_notify(3) for programs in containers: what they say of their readiness reaches $NOTIFY_SOCKET of our caller.

The container gets a directory of its own at that path, with a socket `notify` in it, as under crun: the caller's own
socket would let it say anything, such as another process's MAINPID. Who does not stay waits for READY=1, as runc does.
"""

from __future__ import annotations

import os
import select

from ringfence.errors import Failed
from ringfence.linux import pidfd, sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from typing import Any

    Spec = dict[str, Any]

DIRECTORY = "notify"
_PASSED_ON = (b"READY=1", b"RELOADING=1", b"STATUS=", b"STOPPING=1", b"WATCHDOG=1")
_LONGEST = 4096


class Proxy:
    """The socket of one container. `prepare` makes it for a container that comes, `listen` for one that is created."""

    def __init__(self, caller: str) -> None:
        self._caller = caller
        self._socket = sockets.Socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)
        self._turn: LockType | None = None
        self._untold = ""  # why the caller did not hear something

    def prepare(self, directory: str, spec: Spec) -> Spec:
        """The spec with the mount and the variable; `directory` is the container's state."""
        own = f"{directory}/{DIRECTORY}"
        os.mkdir(own)
        os.chmod(own, 0o755)
        self.listen(directory)
        mount = {"destination": self._caller, "type": "bind", "source": own,
                 "options": ["bind", "ro", "nosuid", "nodev", "noexec"]}  # fmt: skip
        process = spec.get("process")
        if process:
            process = {**process, "env": [*(process.get("env") or []), f"NOTIFY_SOCKET={self._caller}/notify"]}
            spec = {**spec, "process": process}
        return {**spec, "mounts": [*(spec.get("mounts") or []), mount]}

    def listen(self, directory: str) -> None:
        """Take the place of whoever listened before; a path of 107 bytes is long enough for its last two parts."""
        holder = os.open(f"{directory}/{DIRECTORY}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            path = f"/proc/self/fd/{holder}/notify"
            if os.path.exists(path):
                os.unlink(path)
            self._socket.bind(path)
            os.chmod(path, 0o777)  # the program's user is anybody
        finally:
            os.close(holder)

    def await_ready(self, pid: int) -> None:
        """Pass on until READY=1, or the end of the process. Failed if nobody takes it."""
        try:
            process = pidfd.open(pid)
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(process, select.POLLIN)
        poll.register(self._socket.fileno(), select.POLLIN)
        ready = False
        while not ready and self._socket.fileno() in [descriptor for descriptor, _ in poll.poll()]:
            ready = self._pass_on()
        if ready:
            self._say(f"MAINPID={pid}".encode())  # our own end, soon, is not the service's
        process.close()
        self._socket.close()

    def keep_on(self, _pid: int) -> None:
        """Pass on, beside what else we do, until `finish`."""
        import _thread

        self._turn = _thread.allocate_lock()
        _thread.start_new_thread(self._forever, ())

    def finish(self) -> list[str]:
        """Pass on what has come by now; warnings if the caller did not hear it: runc ends nothing for that either."""
        if self._turn is not None:
            with self._turn:
                while self._waits(0):
                    self._try_to_pass_on()
        return [self._untold] if self._untold else []

    def _forever(self) -> None:
        while self._waits(None) and self._turn is not None:
            with self._turn:
                if self._waits(0):
                    self._try_to_pass_on()

    def _try_to_pass_on(self) -> None:
        try:
            self._pass_on()
        except Failed as error:
            self._untold = self._untold or str(error)

    def _waits(self, milliseconds: int | None) -> bool:
        """Whether there is a message."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return bool(poll.poll(milliseconds))

    def _pass_on(self) -> bool:
        """One message; whether it tells of readiness."""
        lines = [line for line in self._socket.recv(_LONGEST).split(b"\n") if line.startswith(_PASSED_ON)]
        if lines:
            self._say(b"\n".join(lines))
        return b"READY=1" in lines

    def _say(self, message: bytes) -> None:
        with sockets.Socket(sockets.AF_UNIX, sockets.SOCK_DGRAM) as out:
            try:
                out.connect(self._caller)
                out.send(message)
            except OSError as error:
                raise Failed(f"$NOTIFY_SOCKET: {self._caller}: {(error.strerror or str(error)).lower()}") from error


def proxy() -> Proxy | None:
    """Where our caller waits for it, and can be reached from any network namespace."""
    caller = os.environ.get("NOTIFY_SOCKET", "")
    return Proxy(caller) if caller.startswith("/") else None
