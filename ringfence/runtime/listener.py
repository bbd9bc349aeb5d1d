"""The agent of SCMP_ACT_NOTIFY: it gets the container process state and the filter's descriptor (config-linux.md).

The descriptor is taken out of the process that has loaded the filter (pidfd_getfd(2)). It cannot send it itself: that
call might be among those that wait for the agent's answer.
"""

from __future__ import annotations

import errno
import os
import time

from ringfence import json
from ringfence.errors import Failed
from ringfence.linux import _libc, pidfd, sockets
from ringfence.linux.seccompprofile import notifies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATIENCE = 10.0  # seconds between the announcement of a descriptor and its being there


class Listener:
    """One connection to the agent, for one process. Failed if nobody listens: before anything is made."""

    __slots__ = ("_metadata", "_path", "_socket", "_state")

    def __init__(self, seccomp: dict[str, Any], state: dict[str, Any]) -> None:
        self._path, self._metadata, self._state = seccomp["listenerPath"], seccomp.get("listenerMetadata"), state
        self._socket = sockets.Socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        try:
            self._socket.connect(self._path)
        except OSError as error:
            self._socket.close()
            raise self._failed(error) from error

    def close(self) -> None:
        """It is for one process only."""
        self._socket.close()

    def hand_over(self, pid: int, number: int, address: int) -> None:
        """Send the descriptor that the process will have under that number; Failed if either cannot be done.

        The process goes on once the byte at `address` of its memory says that the descriptor has been taken.
        """
        try:
            descriptor = _taken(pid, number)
            try:
                _release(pid, address)
                sockets.send_descriptors(self._socket, self._document(pid), [descriptor])
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._failed(error) from error

    def _document(self, pid: int) -> bytes:
        state = {"pid": pid, **self._state}
        document = {"ociVersion": state["ociVersion"], "fds": ["seccompFd"], "pid": pid, "state": state}
        if self._metadata:
            document["metadata"] = self._metadata
        return json.dumps(document).encode()

    def _failed(self, error: OSError) -> Failed:
        reason = (error.strerror or str(error)).lower()
        return Failed(f"linux.seccomp.listenerPath: {self._path}: {reason}", errno=error.errno or 0)


def listener(seccomp: dict[str, Any] | None, state: dict[str, Any]) -> Listener | None:
    """The connection that a profile needs, None without SCMP_ACT_NOTIFY. `state` without a pid gets the process's."""
    return Listener(seccomp, state) if seccomp and notifies(seccomp) else None


def _release(pid: int, address: int) -> None:
    memory = os.open(f"/proc/{pid}/mem", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(memory, b"\1", address)
    finally:
        os.close(memory)


def _taken(pid: int, number: int) -> int:
    """The process has said the number and loads its filter now, in which nobody can stop it to ask."""
    deadline = time.monotonic() + _PATIENCE
    with pidfd.open(pid) as process:
        while True:
            try:
                return _libc.pidfd_getfd(process, number)
            except OSError as error:
                if error.errno != errno.EBADF or time.monotonic() > deadline:
                    raise
                time.sleep(0.0002)
