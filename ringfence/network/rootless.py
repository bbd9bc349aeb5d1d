"""Networks of an ordinary user's containers: a program on the host passes on what a container sends, as its own.

A user may not make a link between the host's network namespace and another, but may have a TAP device in a container's,
and sockets on the host. pasta or slirp4netns, whichever is installed, keeps both and translates between them. So the
container reaches what its user reaches, has no address that others could reach, and its ports are the program's.

`path` below is a file of the container's alone that says that there may be such a program; whatever a kill leaves
behind, `disconnect` finds the program by that path in its arguments. While the program starts, the network namespace
is bound to it in our own mount namespace: neither may look into the container's /proc/PID/ns without the capabilities
that the container has. Debian's AppArmor profile lets pasta read no other place than /run/user/UID/netns for that.
"""

from __future__ import annotations

import os

from ringfence.errors import Unsupported
from ringfence.linux import mounts, pidfd, processes
from ringfence.linux.mountoptions import MountFlag
from ringfence.linux.signals import SIGKILL
from ringfence.network import pasta, slirp4netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ringfence.network.values import Port


def connect(path: str, namespace: int, ports: Sequence[Port] = (), *, interface: str = "eth0",
            process: int | None = None) -> str:  # fmt: skip
    """Connect the container whose network namespace is the descriptor `namespace`, as root of the user's namespace.

    Returns the address of the DNS server that it has there, which asks the host's. It is ready when this returns, and
    lasts until `disconnect`; slirp4netns ends by itself, too, when the container's first process, of which `process` is
    a pidfd, is reaped (Linux 6.9). Unsupported if neither program is there, or it lacks what a port asks for; Failed
    with the program's own words.
    """
    disconnect(path)  # what a killed command has left
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        mounts.mount(f"/proc/self/fd/{int(namespace)}", path, None, MountFlag.BIND)
        try:
            return _start(path, ports, interface, process)
        finally:
            mounts.umount(path, mounts.Umount.DETACH)
    except BaseException:
        disconnect(path)
        raise


def disconnect(path: str) -> None:
    """End the container's program; no error if there is none. Its ports are free when this returns."""
    if not os.path.lexists(path):
        return
    for pid in _programs(path):
        try:
            with pidfd.open(pid) as program:
                if _serves(pid, path):  # so the descriptor is of no other one that has got the pid since
                    program.send_signal(SIGKILL)
                    program.wait()
        except ProcessLookupError:
            continue
    for name in (slirp4netns.api(path), path):
        try:
            os.unlink(name)
        except FileNotFoundError:
            continue


def _start(path: str, ports: Sequence[Port], interface: str, process: int | None) -> str:
    """By pasta where it is there, which has both families; but see pasta.silent."""
    ways: list[Callable[[], str]] = [
        lambda: pasta.start(path, ports, interface),
        lambda: slirp4netns.start(path, ports, interface, process),
    ]
    if ports and pasta.silent():
        ways.reverse()
    hint = "install the package passt or slirp4netns, or use --network host or none"
    refused = Unsupported("networks of an ordinary user need pasta or slirp4netns", hint=hint)
    for start in ways:
        try:
            return start()
        except FileNotFoundError:
            continue
        except Unsupported as error:  # a port that the other one may be able to pass on
            refused = error
    raise refused


def _programs(path: str) -> Iterator[int]:
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and _serves(int(name), path):
                yield int(name)
        except ProcessLookupError:
            continue


def _serves(pid: int, path: str) -> bool:
    program, *arguments = processes.command(pid) or [""]
    return os.path.basename(program).startswith(("pasta", "slirp4netns")) and path in arguments
