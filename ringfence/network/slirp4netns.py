"""slirp4netns: the container has an address of a network that nobody else sees, 10.0.2.100; see slirp4netns(1)."""

from __future__ import annotations

import os
import select

from ringfence import json
from ringfence.errors import Failed, Unsupported
from ringfence.linux import children
from ringfence.linux.filedescriptor import FileDescriptor
from ringfence.linux.signals import SIGPIPE
from ringfence.linux.sockets import AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.network.values import Port

SERVER = "10.0.2.3"  # where a container asks for names
ADDRESS = "10.0.2.100"
_MTU = 65520
_PATIENCE = 10  # seconds
_MOST = 1 << 16  # bytes of an answer


def api(path: str) -> str:
    """Its socket for requests."""
    return f"{path}.sock"


def start(path: str, ports: Sequence[Port], interface: str, process: int | None) -> str:
    """Connect the network namespace that is bound to `path`; the DNS server's address. FileNotFoundError without it."""
    requests = [_request(port) for port in ports]
    reader, writer = (FileDescriptor(end) for end in os.pipe2(os.O_CLOEXEC))
    with reader, FileDescriptor(os.memfd_create("errors")) as errors:
        try:
            children.leave(_spawn(path, interface, writer, errors, process))
        finally:
            writer.close()
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        if not poll.poll(_PATIENCE * 1000) or not os.read(reader, 1):
            said = os.pread(errors, _MOST, 0).decode(errors="replace").splitlines()
            reason = said[-1] if said else f"it was not ready within {_PATIENCE} s"
            raise Failed(f"slirp4netns cannot connect the container: {reason}", hint="see slirp4netns(1)")
    for port, request in zip(ports, requests, strict=True):
        _ask(path, port, request)
    return SERVER


def _spawn(path: str, interface: str, ready: int, errors: int, process: int | None) -> int:
    given = [ready] if process is None else [ready, process]
    first = max(3, errors, *given) + 1
    argv = ["slirp4netns", "--configure", f"--mtu={_MTU}", "--enable-ipv6", "--disable-host-loopback",
            "--enable-sandbox", "--enable-seccomp", f"--ready-fd={first}", f"--api-socket={api(path)}",
            "--netns-type=path", path, interface]  # fmt: skip
    if process is not None:
        argv.insert(1, f"--exit-fd={first + 1}")
    null = [(os.POSIX_SPAWN_OPEN, descriptor, "/dev/null", os.O_RDWR, 0) for descriptor in (0, 1)]
    kept = [(os.POSIX_SPAWN_DUP2, own, first + place) for place, own in enumerate(given)]
    actions = [*kept, (os.POSIX_SPAWN_DUP2, errors, 2), *null]
    return os.posix_spawnp(argv[0], argv, {}, file_actions=actions, setsid=True, setsigmask=(), setsigdef=[SIGPIPE])


def _request(port: Port) -> bytes:
    if port.protocol not in ("tcp", "udp") or ":" in port.host_ip:
        raise Unsupported(f"cannot publish {port}: slirp4netns passes on tcp and udp at addresses of IPv4 only",
                          hint="pasta, of the package passt, can do more")  # fmt: skip
    arguments = {"proto": port.protocol, "host_addr": port.host_ip or "0.0.0.0", "host_port": port.host_port,
                 "guest_addr": ADDRESS, "guest_port": port.container_port}  # fmt: skip
    return json.dumps({"execute": "add_hostfwd", "arguments": arguments}).encode()


def _ask(path: str, port: Port, request: bytes) -> None:
    """One connection for each request, as it wants it."""
    with Socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC) as socket:
        socket.settimeout(_PATIENCE)
        socket.connect(api(path))
        socket.sendall(request)
        socket.shutdown(1)
        answer = socket.recv(_MOST).decode(errors="replace")
    if '"return"' not in answer:
        raise Failed(f"cannot publish {port}: slirp4netns answers {answer.strip() or 'nothing'}",
                     hint="the port may be in use, or below net.ipv4.ip_unprivileged_port_start")  # fmt: skip
