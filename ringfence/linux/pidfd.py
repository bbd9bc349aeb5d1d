"""Process file descriptors (pidfd_open(2)): signal and wait for one very process, never another with its old pid."""

from __future__ import annotations

import errno
import os
from _signal import pidfd_send_signal  # type: ignore[import-not-found]  # without the 5 ms of `signal`

from ringfence.linux import processes
from ringfence.linux.filedescriptor import FileDescriptor

# No process has the number. Kernels before 6.15 say EINVAL while it still is that of a thread, or of the group or
# session of a process that has been reaped (kernel/fork.c, pidfd_prepare); later ones say ENOENT of a thread's.
_NO_PROCESS = (errno.ESRCH, errno.EINVAL, errno.ENOENT)
_LONGEST = 2_000_000.0  # seconds: poll(2) takes milliseconds in an int


class Pidfd(FileDescriptor):
    """A process, whether or not it is our child; usable in `with`, poll and waitid(P_PIDFD)."""

    def send_signal(self, number: int) -> None:
        """Send a signal; ProcessLookupError if it has exited and was reaped."""
        pidfd_send_signal(self, number)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has exited, at most `timeout` seconds; whether it has. A zombie has."""
        import select

        poll = select.poll()
        poll.register(self, select.POLLIN)
        return bool(poll.poll(None if timeout is None else min(timeout, _LONGEST) * 1000))


def open(pid: int, start_time: int | None = None) -> Pidfd:
    """A descriptor for `pid`; with `start_time` (see `processes`) ProcessLookupError if the pid has changed hands."""
    try:
        descriptor = Pidfd(os.pidfd_open(pid))
    except OSError as error:
        if error.errno not in _NO_PROCESS:
            raise
        raise _gone(pid) from None
    # Asked only now: from here on the pid cannot be given away without the descriptor telling us.
    if start_time is not None and not _is(pid, start_time):
        descriptor.close()
        raise _gone(pid)
    return descriptor


def _gone(pid: int) -> ProcessLookupError:
    return ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), f"/proc/{pid}")


def _is(pid: int, start_time: int) -> bool:
    try:
        return processes.start_time(pid) == start_time
    except ProcessLookupError:
        return False
