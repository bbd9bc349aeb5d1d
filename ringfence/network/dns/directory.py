"""The directory by which an engine tells its DNS server who has which names: one JSON file for each container.

    <state>/dns/<container id>.json   what `publish` wrote: see there
    <state>/dns/lock                  flock: held by the server from its start to its end
    <state>/dns/starting              flock: held by who looks whether a server runs, and while he starts one
    <state>/dns/log                   what the server has to say; its stderr

Nothing in it survives a reboot, and nothing has to be put right after a kill: a file whose process has ended is passed
over, and a server that is gone is started by the next `ensure`.
"""

from __future__ import annotations

import fcntl
import os
import sys

from ringfence import json
from ringfence.errors import Failed
from ringfence.linux import children, processes
from ringfence.linux.filedescriptor import FileDescriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

SUFFIX = ".json"
LOCK = 3  # the server's descriptor of the lock, which whoever starts it has taken already
_ENTRY = "import sys; sys.path.insert(0, sys.argv[1]); from ringfence.network.dns.server import main; main(sys.argv[2])"


def document(pid: int, networks: Mapping[str, Mapping[str, Any]], servers: Sequence[str] = ()) -> dict[str, Any]:
    """What is published of a container whose first process is `pid`; ProcessLookupError if that one has ended.

    `networks` has, by network ID: {"listen": the gateways' addresses, at which the server answers, "addresses": the
    container's, "names": what it is found by, of which the first is told to who asks for the name of an address,
    "internal": whether the network leads nowhere else}. A name may have dots. `servers` are asked for what is no
    container's name; none: those of the host.
    """
    places = {id: dict(place) for id, place in networks.items()}
    return {"pid": pid, "start": processes.start_time(pid), "servers": list(servers), "networks": places}


def publish(directory: str, id: str, document: Mapping[str, Any]) -> None:
    """Tell the server of a container, or of what has changed; call `ensure` afterwards."""
    temporary = f"{directory}/.{id}"  # one at a time: whoever changes a container holds its lock
    try:
        descriptor = _create(temporary)
    except FileNotFoundError:
        os.makedirs(directory, 0o700, exist_ok=True)
        descriptor = _create(temporary)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(json.dumps(document))
    os.rename(temporary, f"{directory}/{id}{SUFFIX}")


def withdraw(directory: str, id: str) -> None:
    """The container has no names any more; no error if it had none."""
    for name in (f"{id}{SUFFIX}", f".{id}"):
        try:
            os.unlink(f"{directory}/{name}")
        except FileNotFoundError:
            continue


def command(directory: str) -> tuple[str, ...]:
    """The argv of a server: independent of PATH, of the environment and of site-packages."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    return (sys.executable, "-I", "-S", "-c", _ENTRY, package, directory)


def ensure(directory: str, argv: Sequence[str]) -> bool:
    """Start the server if none runs; whether it was started. It is not waited for: see `answers`.

    A new server stays for a while though it finds nothing to do. So this may be called before `publish`, too, in order
    that the server starts while other things are done, but must be called after it: only then it misses nothing.
    """
    os.makedirs(directory, 0o700, exist_ok=True)
    with _open(f"{directory}/starting") as starting, _open(f"{directory}/lock") as lock:
        fcntl.flock(starting, fcntl.LOCK_EX)  # another who starts one holds it for as long as a spawn takes
        if not _take(lock):
            return False
        with FileDescriptor(fcntl.fcntl(lock, fcntl.F_DUPFD_CLOEXEC, LOCK + 1)) as held:
            children.leave(_spawn(directory, argv, held))
    return True


def _spawn(directory: str, argv: Sequence[str], lock: int) -> int:
    null = (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0)
    log = (os.POSIX_SPAWN_OPEN, 2, f"{directory}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    actions = [(os.POSIX_SPAWN_DUP2, lock, LOCK), null, (os.POSIX_SPAWN_DUP2, 0, 1), log]
    try:
        return os.posix_spawn(argv[0], list(argv), {}, file_actions=actions, setsid=True, setsigmask=())
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise Failed(f"cannot start the DNS server {argv[0]}: {reason}", errno=error.errno or 0) from error


def yield_lock() -> None:
    """As the server, which keeps the descriptor, but not the lock."""
    fcntl.flock(LOCK, fcntl.LOCK_UN)


def retake_lock() -> bool:
    """As the server that has yielded the lock: whether it has it again, since nobody has started another one."""
    return _take(LOCK)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def ids(directory: str) -> list[str]:
    """The containers of which the directory has a file."""
    return [name.removesuffix(SUFFIX) for name in os.listdir(directory) if name.endswith(SUFFIX)]


def read(directory: str, id: str) -> dict[str, Any] | None:
    """What is published of a container; None if nothing is. ValueError if it is no JSON object."""
    try:
        with open(f"{directory}/{id}{SUFFIX}", encoding="utf-8", errors="surrogateescape") as file:
            value = json.load(file)
    except FileNotFoundError:
        return None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _open(path: str) -> FileDescriptor:
    return FileDescriptor(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
