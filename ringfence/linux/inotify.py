"""Waiting until something happens to the files of a directory (inotify(7)), rather than looking again and again."""

from __future__ import annotations

import errno
import os
import select
import time

from ringfence.linux import _libc
from ringfence.linux.filedescriptor import FileDescriptor

IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_DELETE_SELF = 0x2, 0x80, 0x100, 0x400
BLIND = 0.1  # seconds between two looks where the user's inotify instances are used up (max_user_instances)


class Watch:
    """What is written, made or renamed in one directory, from now on; for `with`."""

    def __init__(self, directory: str) -> None:
        self._descriptor: FileDescriptor | None = None
        try:
            self._descriptor = FileDescriptor(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
            wanted = IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF
            _libc.inotify_add_watch(self._descriptor, directory, wanted)
        except OSError as error:
            self.close()
            if error.errno not in (errno.EMFILE, errno.ENOSPC):
                raise

    def wait(self, seconds: float) -> None:
        """Return when something has happened since the last call, or after `seconds`."""
        if self._descriptor is None:
            time.sleep(min(seconds, BLIND))
            return
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if poll.poll(seconds * 1000):
            os.read(self._descriptor, 1 << 16)  # what it was does not matter: the caller looks at the files themselves

    def close(self) -> None:
        if self._descriptor is not None:
            self._descriptor.close()
            self._descriptor = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
