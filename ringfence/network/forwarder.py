"""The forwarder: a small process of the helper's that keeps a container's published ports, and serves those that
nftables does not translate: 127.0.0.1 and ::1, link-local addresses, and one family's addresses for a container that
has only the other's.

It is there from before the container's first connection to the container's end, which it hears of by itself. A file
that it holds locked says that it runs, and which process it is; so nothing that a kill leaves behind can mislead. If
it is killed, what nftables translates goes on, and `start` may be called again.
"""

from __future__ import annotations

import errno
import fcntl
import os

from ringfence.errors import Conflict, Failed
from ringfence.linux import pidfd, processes, sockets
from ringfence.linux.filedescriptor import Room
from ringfence.linux.signals import SIGKILL
from ringfence.network.ports import FORWARDER, PROTOCOLS, Reserved, holds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.network.values import Port

_SPARE = 32  # descriptors
_CODES = {65: "the helper does not understand its routes", 66: "no descriptors", 70: "no memory, process or privilege"}


def start(helper: str, container: str, reserved: Sequence[Reserved], addresses: Sequence[str], process: int,
          file: str) -> None:  # fmt: skip
    """Start the forwarder of a container, which has these addresses (at most one of each family, without prefix).

    `helper` is the helper's path, `process` a pidfd of the container's first process. `file` is made or written anew.
    The sockets stay the caller's to close, too. Conflict if one with this file runs already.
    """
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _locked(lock, fcntl.LOCK_EX):
            if running(file):  # else somebody has asked just that
                raise Conflict(f"the forwarder of the container {container} runs already", hint=f"see {file}")
        routes = [(socket, one.port) for one in reserved for socket in one.sockets]
        argv = [
            f"{port.protocol},{_inside(addresses, ':' in socket.getsockname()[0])},{port.container_port}"
            for socket, port in routes
        ]
        descriptors = [lock, process, *[socket.fileno() for socket, _ in routes]]
        first = max(descriptors) + 1
        actions = [(os.POSIX_SPAWN_DUP2, own, first + place) for place, own in enumerate(descriptors)]
        argv = ["ringinit", FORWARDER, container, str(first), *argv]
        with Room(first + len(descriptors) + _SPARE):
            pid = os.posix_spawn(helper, argv, {}, file_actions=actions)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])  # it has left a child behind that goes on
        if code:
            raise Failed(f"the forwarder of the container {container} cannot start: {_CODES.get(code, code)}")
    finally:
        os.close(lock)


def running(file: str) -> int:
    """The pid of the forwarder that holds this file, 0 if there is none."""
    try:
        lock = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        if _locked(lock, fcntl.LOCK_SH):
            return 0
        text = os.pread(lock, 16, 0).strip()
        pid = int(text) if text.isdigit() else 0
        return pid if pid and processes.command(pid)[1:2] == [FORWARDER] else 0
    except ProcessLookupError:
        return 0
    finally:
        os.close(lock)


def share(file: str, ports: Sequence[Port]) -> list[Reserved]:
    """Those of the ports that the forwarder with this file has, by its own sockets, so that they outlive it.

    None where the kernel lets nobody look into another process (kernel.yama.ptrace_scope is 3): they can be taken
    anew, once it has ended. A connection's socket must not be touched: as long as we had it, the forwarder's epoll
    would go on telling of a connection that it has closed and forgotten (epoll(7), Questions and answers).
    """
    found: list[Reserved] = []
    pid = running(file)
    try:
        with pidfd.open(pid) as process:
            _ringinit, _forward, _name, first, *words = processes.command(pid)  # see `start`
            routes = sum(word in PROTOCOLS for word in words)  # the helper has cut each route in three, at its commas
            for number in range(int(first) + 2, int(first) + 2 + routes):
                _sort_in(found, ports, sockets.of_process(process.fileno(), number))
    except OSError as error:
        for one in found:
            one.close()
        if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.ESRCH):
            raise
        return []
    return found


def _sort_in(found: list[Reserved], ports: Sequence[Port], socket: sockets.Socket) -> None:
    for port in ports:
        if holds(socket, port):
            same = [one for one in found if one.port is port]
            if not same:
                found += (same := [Reserved(port, [])])
            same[0].sockets.append(socket)
            return
    socket.close()  # another port's


def stop(file: str) -> None:
    """End the forwarder that holds this file, if there is one, and with it the connections through it."""
    pid = running(file)
    if not pid:
        return
    try:
        process = pidfd.open(pid)
    except ProcessLookupError:
        return
    with process:
        if running(file) == pid:  # so the descriptor is not of another one that has got the pid since
            process.send_signal(SIGKILL)
            process.wait()


def _inside(addresses: Sequence[str], ipv6: bool) -> str:
    """Where to: the address of the same family if the container has one."""
    return next((one for one in addresses if (":" in one) == ipv6), addresses[0])


def _locked(descriptor: int, how: int) -> bool:
    """Lock it; False if somebody else has."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        return False
    return True
