"""pasta (package passt): the container has the host's own addresses and routes, of both families; see pasta(1)."""

from __future__ import annotations

import os

from ringfence.errors import Failed, Unsupported
from ringfence.linux.signals import SIGPIPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.network.values import Port

SERVER = "169.254.1.1"  # where a container asks for names; any address that nobody else has
_PORTS = {"tcp": "--tcp-ports", "udp": "--udp-ports"}


def start(path: str, ports: Sequence[Port], interface: str) -> str:
    """Connect the network namespace that is bound to `path`; the DNS server's address. FileNotFoundError without pasta.

    It goes into the background when it is ready: its exit says how that went.
    """
    # -I, -t and so on would do, but the long names are the same in all versions.
    argv = ["pasta", "--config-net", "--quiet", "--no-map-gw", "--dns-forward", SERVER, "--ns-ifname", interface,
            *_flags(ports), "--tcp-ns", "none", "--udp-ns", "none", "--netns", path]  # fmt: skip
    code, said = _run(argv, 2)
    if code:
        lines = [line for line in said.splitlines() if line and "syslog" not in line]
        reason = lines[-1] if lines else f"exit status {code}"
        raise Failed(f"pasta cannot connect the container: {reason}", hint="see pasta(1)")
    return SERVER


def silent() -> bool:
    """Whether it is one that is old enough to tell no version, such as Debian 12's (2023-03-09), or none at all.

    That one passes on a connection from another host to a published port, but nothing that the server says before the
    client has said something (SMTP, MySQL).
    """
    try:
        _, said = _run(["pasta", "--version"], 1)
    except FileNotFoundError:
        return True
    return "unknown version" in said


def _run(argv: list[str], stream: int) -> tuple[int, str]:
    """Its exit code, and what it says on this one of its streams."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with open(reader, encoding="utf-8", errors="replace") as said:
        try:
            null = [(os.POSIX_SPAWN_OPEN, other, "/dev/null", os.O_RDWR, 0) for other in {0, 1, 2} - {stream}]
            actions = [(os.POSIX_SPAWN_DUP2, writer, stream), *null]
            # This interpreter ignores SIGPIPE; pasta does not start if it inherits that.
            pid = os.posix_spawnp(argv[0], argv, {}, file_actions=actions, setsid=True, setsigmask=(),
                                  setsigdef=[SIGPIPE])  # fmt: skip
        finally:
            os.close(writer)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code, said.read() if code or stream == 1 else ""


def _flags(ports: Sequence[Port]) -> list[str]:
    words = []
    for port in ports:
        if port.protocol not in _PORTS:
            raise Unsupported(f"cannot publish {port}: pasta passes on tcp and udp only")
        address = f"{port.host_ip}/" if port.host_ip else ""
        words += [_PORTS[port.protocol], f"{address}{port.host_port}:{port.container_port}"]
    for flag in _PORTS.values():
        if flag not in words:
            words += [flag, "none"]  # not said, it passes on every port that is listened to in there
    return words
