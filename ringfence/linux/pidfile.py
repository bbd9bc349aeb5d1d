"""A file that gets the number of a process: opened before the process is started, so that it cannot fail too late."""

from __future__ import annotations

import os


class PidFile:
    """The file `path`, which others see whole or not at all; what is no regular file is written to and stays.

    A rename would replace a device or a pipe, such as /dev/null, for everybody. OSError names the path.
    """

    __slots__ = ("_file", "_path", "_temporary")

    def __init__(self, path: str) -> None:
        self._path = path
        there = os.path.exists(path) and not os.path.isfile(path)
        self._temporary = "" if there else f"{path}.{os.urandom(4).hex()}"
        try:  # "x": what somebody has put there, such as a link to another file, is not followed
            self._file = open(self._temporary or path, "w" if there else "x")  # noqa: SIM115 - see `write` and `forget`
        except OSError as error:
            error.filename = path
            raise

    def write(self, pid: int) -> None:
        """Write `pid` and close; the file is there from now on."""
        try:
            with self._file:
                self._file.write(str(pid))
            if self._temporary:
                os.rename(self._temporary, self._path)
        except OSError as error:
            error.filename = self._path
            self.forget()
            raise

    def forget(self) -> None:
        """There is no process after all: nothing of the file stays."""
        self._file.close()
        if self._temporary and os.path.exists(self._temporary):
            os.unlink(self._temporary)
