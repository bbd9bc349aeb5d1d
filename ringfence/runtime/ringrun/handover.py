"""What the caller of create, run and exec hands in and gets back: descriptors to keep, pid file, terminal, pidfd."""

from __future__ import annotations

import os

from ringfence.commandline import Flag
from ringfence.errors import InvalidInput
from ringfence.linux import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.runtime.execute import Executed
    from ringfence.runtime.ringrun.verb import Call

FLAGS = (
    Flag("console-socket", "unix socket that receives the terminal's master", kind="value", metavar="PATH"),
    Flag("pid-file", "file for the process id", kind="value", metavar="FILE"),
    Flag("pidfd-socket", "unix socket that receives a pidfd of the process", kind="value", metavar="PATH"),
    Flag("preserve-fds", "how many descriptors after stderr, and after those of $LISTEN_FDS, to pass on", kind="int",
         default=0, metavar="N"),
)  # fmt: skip


def check_console(call: Call, terminal: bool, detached: bool) -> None:
    """Whoever does not stay has nobody to keep the terminal's master for (C03)."""
    given = call.flags.text("console-socket")
    if given and not terminal:
        raise InvalidInput("--console-socket: process.terminal is not true")
    if terminal and detached and not given:
        raise InvalidInput("process.terminal: needs --console-socket when nobody waits for the container")


def activated() -> int:
    """How many descriptors our caller hands over by socket activation (sd_listen_fds(3)), if it is us it speaks to."""
    count = os.environ.get("LISTEN_FDS", "")
    own = os.environ.get("LISTEN_PID", "") in ("", str(os.getpid()))
    return int(count) if own and count.isascii() and count.isdigit() else 0


def preserved(call: Call, activated: int) -> Sequence[int]:
    """The descriptors from 3 on that the process keeps, -1 for one that our caller has not open, as under crun.

    What we have opened ourselves is in the way of none: unlike what was inherited it closes on exec.
    """
    count = call.flags.number("preserve-fds") or 0
    if count < 0:
        raise InvalidInput(f"--preserve-fds: {count} is no number of descriptors")
    descriptors = [number if _inherited(number) else -1 for number in range(3, min(3 + activated + count, _most()))]
    while descriptors and descriptors[-1] < 0:
        descriptors.pop()
    return descriptors


def _inherited(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


def _most() -> int:
    """Beyond every descriptor that is open now, whatever number was asked for."""
    return max(int(name) for name in os.listdir("/proc/self/fd")) + 1


def give(call: Call, executed: Executed) -> None:
    """Tell the caller of the process, in every way that it asked for."""
    if call.flags.text("console-socket"):
        _send(call.flags.text("console-socket"), b"/dev/ptmx", executed.terminal)
        executed.terminal = -1
    if call.flags.text("pidfd-socket"):
        _send(call.flags.text("pidfd-socket"), b"pidfd", os.pidfd_open(executed.pid))
    if call.flags.text("pid-file"):
        from ringfence.linux.pidfile import PidFile

        PidFile(call.flags.text("pid-file")).write(executed.pid)


def _send(path: str, message: bytes, descriptor: int) -> None:
    """Send a descriptor to who listens at `path`, and close ours (runc's docs/terminals.md)."""
    with sockets.Socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as connection:
        try:
            connection.connect(path)
            sockets.send_descriptors(connection, message, [descriptor])
        except OSError as error:
            error.filename = path
            raise
        finally:
            os.close(descriptor)
