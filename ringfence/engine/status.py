"""The status of a container, derived at every look: from its record, the runtime's state and the exit record."""

from __future__ import annotations

from ringfence import json
from ringfence.engine import places, times
from ringfence.engine.records import REMOVING
from ringfence.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

LOST = 255
"""The exit code of a container whose end nobody recorded: its monitor was killed, or the machine stopped."""

RECORDING = 1.0
"""Seconds that a look waits for a monitor that is about to write the exit record: usually a thousandth."""

WORDS = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
LIVE = frozenset({"running", "paused"})


class Status:
    """`word` is one of docker's; `pid` 0 unless it lives; times in nanoseconds since 1970, 0 if never."""

    __slots__ = ("error", "exit_code", "finished_at", "health", "oom_killed", "pid", "started_at", "word")

    def __init__(self, word: str, *, pid: int = 0, exit_code: int = 0, oom_killed: bool = False, started_at: int = 0,
                 finished_at: int = 0, error: str = "", health: dict[str, Any] | None = None) -> None:  # fmt: skip
        self.word = word
        self.pid = pid
        self.exit_code = exit_code
        self.oom_killed = oom_killed
        self.started_at = started_at
        self.finished_at = finished_at
        self.error = error
        self.health = health

    @property
    def live(self) -> bool:
        """It has processes, frozen or not."""
        return self.pid > 0


def of(engine: Engine, record: ContainerRecord) -> Status:
    """The status now."""
    state = runtime_state(engine, record)
    if state is None:
        return _ended(engine, record)
    if state["status"] == "creating":  # it is being started at this moment
        return Status("restarting" if _restarts(engine, record, None) else "created")
    if state["status"] in LIVE:
        word = "paused" if state["status"] == "paused" else "running"
        began = started_at(engine, record.id)
        return Status(word, pid=state["pid"], started_at=began, health=_health(engine, record))
    if state["status"] == "stopped":
        _await_record(engine, record.id)
    return _ended(engine, record)


def runtime_state(engine: Engine, record: ContainerRecord) -> dict[str, Any] | None:
    """The runtime's state of it, or None if the runtime knows no such container."""
    try:
        return engine.runtime_of(record).status(record.id)
    except NotFound:
        return None


def exit_record(engine: Engine, id: str) -> dict[str, Any] | None:
    """exit.json as the monitor wrote it, or None if it has not."""
    try:
        with open(places.exit_file(engine, id), "rb") as file:
            record: dict[str, Any] = json.load(file)
            return record
    except FileNotFoundError:
        return None


def started_at(engine: Engine, id: str) -> int:
    """When a live container was started: its monitor made its socket then. exit.json has the very moment, later."""
    import os

    try:
        return os.stat(places.attach_socket(engine, id)).st_mtime_ns
    except FileNotFoundError:
        return 0  # it has just ended


def text(status: Status, now: int) -> str:
    """The STATUS column of `ps`: Up 3 minutes (Paused), Exited (0) 2 hours ago, Created, ..."""
    if status.word in ("running", "paused"):
        up = f"Up {times.span(now - status.started_at)}"
        if status.word == "paused":
            return f"{up} (Paused)"
        if status.health is not None:
            condition = status.health["Status"]
            return f"{up} ({'health: starting' if condition == 'starting' else condition})"
        return up
    if status.word == "restarting":
        return f"Restarting ({status.exit_code}) {times.span(now - status.finished_at)} ago"
    if status.word == "exited":
        return f"Exited ({status.exit_code}) {times.span(now - status.finished_at)} ago"
    return {"created": "Created", "removing": "Removal In Progress"}.get(status.word, "Dead")


def ending(engine: Engine, record: ContainerRecord) -> dict[str, Any] | None:
    """How a container without processes ended: its exit record, LOST's for one whose end nobody recorded, or None."""
    found = exit_record(engine, record.id)
    if found is None and record.started and not record.start_code:
        return {"exit_code": LOST, "oom_killed": False, "started_at": 0, "finished_at": 0}
    return found


def _ended(engine: Engine, record: ContainerRecord) -> Status:
    """The status of a container without processes."""
    found = ending(engine, record)
    if record.phase == REMOVING:
        word = "removing"
    elif found is None and not record.started:
        return Status("created", exit_code=record.start_code, error=record.error)
    else:
        word = "restarting" if _restarts(engine, record, found) else "exited"
    if found is None:
        return Status(word, exit_code=record.start_code, error=record.error)
    error = record.error or ("its exit was not recorded" if not found["finished_at"] else "")
    return Status(word, exit_code=found["exit_code"], oom_killed=found["oom_killed"], error=error,
                  started_at=found["started_at"], finished_at=found["finished_at"],
                  health=_health(engine, record) if found["finished_at"] else None)  # fmt: skip


def _await_record(engine: Engine, id: str) -> None:
    """Wait until the exit record of a container that has just ended is written, as long as its monitor is there."""
    import time

    deadline = time.monotonic() + RECORDING
    while exit_record(engine, id) is None and _monitored(engine, id) and time.monotonic() < deadline:
        time.sleep(0.001)


def _monitored(engine: Engine, id: str) -> bool:
    """Whether the monitor's socket answers."""
    from ringfence.engine import attach

    connection = attach.connect(places.attach_socket(engine, id))
    if connection is None:
        return False
    connection.close()
    return True


def _restarts(engine: Engine, record: ContainerRecord, found: dict[str, Any] | None) -> bool:
    from ringfence.engine import restart_policy

    return restart_policy.pending(engine, record, found)


def _health(engine: Engine, record: ContainerRecord) -> dict[str, Any] | None:
    from ringfence.engine import health

    return health.read(engine, record)
