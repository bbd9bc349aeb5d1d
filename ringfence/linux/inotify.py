"""Waiting until something happens to the files of a directory (inotify(7)), rather than looking again and again."""

from __future__ import annotations

import errno
import os
import select
import time
from struct import Struct

from ringfence.linux import _libc
from ringfence.linux.filedescriptor import FileDescriptor

IN_MODIFY, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF = 0x2, 0x80, 0x100, 0x200, 0x400
IN_Q_OVERFLOW, IN_IGNORED = 0x4000, 0x8000
BLIND = 0.1  # seconds between two looks where the user's inotify instances are used up (max_user_instances)
_EVENT = Struct("iIII")  # struct inotify_event: watch, mask, cookie, length of the name that follows


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


class Changes:
    """The names of what is renamed into one directory or removed from it, from now on; for `with`.

    `descriptor` is readable when there are some; it is None where the user's inotify instances are used up: then the
    caller has to look by himself, every BLIND seconds or as often as he likes.
    """

    def __init__(self, directory: str) -> None:
        self.descriptor: FileDescriptor | None = None
        try:
            self.descriptor = FileDescriptor(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
            _libc.inotify_add_watch(self.descriptor, directory, IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF)
        except OSError as error:
            self.close()
            if error.errno not in (errno.EMFILE, errno.ENOSPC):
                raise

    def read(self) -> list[str] | None:
        """Each name once; None if they are not known, so that everything is to be looked at. It does not wait."""
        if self.descriptor is None:
            return None
        names: dict[str, None] = {}
        known = True
        while True:
            try:
                events = os.read(self.descriptor, 1 << 16)
            except BlockingIOError:
                return list(names) if known else None
            offset = 0
            while offset < len(events):
                _, mask, _, length = _EVENT.unpack_from(events, offset)
                offset += _EVENT.size
                name = events[offset : offset + length].rstrip(b"\0")
                offset += length
                known = known and not mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_DELETE_SELF)
                if name:
                    names[os.fsdecode(name)] = None

    def close(self) -> None:
        if self.descriptor is not None:
            self.descriptor.close()
            self.descriptor = None

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
