"""wait: until a container has ended and its exit code is known, whoever removes or restarts it meanwhile."""

from __future__ import annotations

import time

from ringfence.engine import events, repair, status
from ringfence.errors import DeadlineExceeded, InvalidInput, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.linux.pidfd import Pidfd

CONDITIONS = ("not-running", "next-exit", "removed")
POLL = 0.02
RECORDING = 10.0
"""Seconds that a monitor may take from the end of a container to its exit record; then it was killed, too."""


class Ending:
    """The end of a container that lives now: its process by a pidfd, its exit code from the monitor.

    The code is read from the exit record or, when that is gone with its container or replaced by a next run, from the
    `die` event written since.
    """

    def __init__(self, engine: Engine, record: ContainerRecord, current: status.Status) -> None:
        from ringfence.linux import pidfd

        self._engine = engine
        self._record = record
        self._position = events.position(engine)
        self._pidfd: Pidfd | None = None
        try:
            self._pidfd = pidfd.open(current.pid)
            if status.of(engine, record).pid != current.pid:
                self.close()
        except ProcessLookupError:
            pass

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._pidfd is not None:
            self._pidfd.close()
            self._pidfd = None

    def process(self, timeout: float | None) -> bool:
        """Wait for the process, at most `timeout` seconds; whether it has ended."""
        return self._pidfd is None or self._pidfd.wait(timeout)

    def exit_code(self) -> int:
        """The exit code, once the process has ended."""
        deadline = time.monotonic() + RECORDING
        pause = 0.0005
        while time.monotonic() < deadline:
            ending = status.exit_record(self._engine, self._record.id)
            if ending is not None:
                return int(ending["exit_code"])
            code = events.exit_code_after(self._engine, self._record.id, self._position)
            if code is not None:
                return code
            time.sleep(pause)
            pause = min(2 * pause, POLL)
        return status.LOST


def wait(engine: Engine, name: str, condition: str, timeout: float | None) -> int:
    """See Engine.wait."""
    if condition not in CONDITIONS:
        raise InvalidInput(f"condition: {condition!r} is none", hint=f"there are: {', '.join(CONDITIONS)}")
    deadline = None if timeout is None else time.monotonic() + timeout
    record = repair.find(engine, name)
    current = status.of(engine, record)
    while condition == "next-exit" and not current.live:
        _rest(record, deadline)
        current = status.of(engine, record)
    code = current.exit_code
    if current.live:
        with Ending(engine, record, current) as ending:
            if not ending.process(None if deadline is None else max(0.0, deadline - time.monotonic())):
                raise _late(record)
            code = ending.exit_code()
    while condition == "removed" and _exists(engine, record):
        _rest(record, deadline)
    return code


def _exists(engine: Engine, record: ContainerRecord) -> bool:
    try:
        repair.find(engine, record.id)
    except NotFound:
        return False
    return True


def _rest(record: ContainerRecord, deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise _late(record)
    time.sleep(POLL)


def _late(record: ContainerRecord) -> DeadlineExceeded:
    return DeadlineExceeded(f"container {record.name} has not ended within the time given")
