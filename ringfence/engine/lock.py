"""The lock of one container: whoever changes it holds an flock on `<data>/containers/<id>/lock`.

The kernel drops it when its holder dies, so that a mark ("creating", "removing") whose lock is free is known to be
abandoned.
"""

from __future__ import annotations

import fcntl
import os

from ringfence.engine import places
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine


class Lock:
    """Held from `with`, or from `take` before it, to its end. `make`: first make the directory of a new container."""

    __slots__ = ("_descriptor", "_directory", "_id", "_make")

    def __init__(self, engine: Engine, id: str, *, make: bool = False) -> None:
        self._directory = places.bundle(engine, id)
        self._id = id
        self._make = make
        self._descriptor = -1

    def __enter__(self) -> Lock:
        if self._descriptor < 0:
            self.take()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()

    def take(self, *, wait: bool = True) -> bool:
        """True once it is held; False if another holds it and we do not `wait`. NotFound if the container is gone."""
        flags = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        while True:
            self._descriptor = self._open()
            try:
                fcntl.flock(self._descriptor, flags)
            except BlockingIOError:
                self.release()
                return False
            if os.fstat(self._descriptor).st_nlink:
                return True
            self.release()  # its last holder removed the container while we waited

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> int:
        while True:
            if self._make:
                self._make_directory()
            try:
                return os.open(f"{self._directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                if not self._make:  # else a sweep has taken the directory, which was still empty: make it again
                    raise NotFound(f"no such container: {self._id[:12]}") from None

    def _make_directory(self) -> None:
        """As makedirs, which fails if a directory that was there goes away before it has looked."""
        try:
            os.mkdir(self._directory, 0o700)
        except FileExistsError:
            return
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._directory), 0o700, exist_ok=True)
            self._make_directory()
