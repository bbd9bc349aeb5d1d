"""Health checks: a command that the monitor has run in the container at every interval, and what came of it.

`<bundle>/health.json` is docker's State.Health: Status (starting, healthy, unhealthy), FailingStreak, and the last five
results as Log.
"""

from __future__ import annotations

import fcntl
import os
import time

from ringfence import json
from ringfence.engine import events, places, repair, status, times
from ringfence.engine.options import Options
from ringfence.engine.options_health import healthcheck
from ringfence.errors import Conflict, RingfenceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord

KEPT, OUTPUT = 5, 4096
"""How many results are kept, and how many bytes of a check's output."""
TIMED_OUT = -1
"""Docker's exit code of a check that took too long."""


def interval(record: ContainerRecord, options: Options) -> int:
    """Milliseconds between two calls of `check`; 0 without a health check."""
    check = _check_of(record, options)
    if check is None:
        return 0
    nanoseconds: int = check["Interval"]
    if check["StartPeriod"]:
        nanoseconds = min(nanoseconds, check["StartInterval"])
    return max(nanoseconds // 1_000_000, 1)


def reset(engine: Engine, record: ContainerRecord) -> None:
    """A new run begins: starting."""
    _write(engine, record.id, {"Status": "starting", "FailingStreak": 0, "Log": []})


def read(engine: Engine, record: ContainerRecord) -> dict[str, Any] | None:
    """State.Health, or None for a container without a health check."""
    try:
        with open(_path(engine, record.id), encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
            return found
    except FileNotFoundError:
        return None


def check(engine: Engine, name: str) -> str:
    """See Engine.healthcheck. Conflict if it does not run or has no health check."""
    record = repair.find(engine, name)
    wanted = _check_of(record, Options.from_json(record.options))
    current = status.of(engine, record)
    if wanted is None:
        raise Conflict(f"container {record.name} has no health check")
    if not current.live:
        raise Conflict(f"container {record.name} is not running")
    descriptor = os.open(
        f"{places.bundle(engine, record.id)}/health.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _check(engine, record, wanted, current)
    except BlockingIOError:
        return _state(engine, record)["Status"]  # type: ignore[no-any-return]  # the last check still runs
    finally:
        os.close(descriptor)


def _check(engine: Engine, record: ContainerRecord, wanted: dict[str, Any], current: status.Status) -> str:
    state = _state(engine, record)
    begin = time.time_ns()
    starting = state["Status"] == "starting" and begin - current.started_at < wanted["StartPeriod"]
    if not starting and state["Log"]:  # the monitor calls at the shorter interval of the start period
        since = begin - times.parse_rfc3339(state["Log"][-1]["Start"])
        if since < wanted["Interval"] * 9 // 10:
            return state["Status"]  # type: ignore[no-any-return]
    code, output = _probe(engine, record, wanted)
    result = {"Start": times.rfc3339(begin), "End": times.rfc3339(time.time_ns()), "ExitCode": code,
              "Output": output[:OUTPUT].decode("utf-8", "replace")}  # fmt: skip
    after = judge(state, result, starting, wanted["Retries"])
    _write(engine, record.id, after)
    if after["Status"] != state["Status"]:
        events.emit_container(engine, record, f"health_status: {after['Status']}")
    return after["Status"]  # type: ignore[no-any-return]


def judge(state: dict[str, Any], result: dict[str, Any], starting: bool, retries: int) -> dict[str, Any]:
    """The state after a result: one success is healthy; `retries` failures in a row, after the start, unhealthy."""
    word, streak = state["Status"], state["FailingStreak"]
    if result["ExitCode"] == 0:
        word, streak = "healthy", 0
    elif not starting:
        streak += 1
        if streak >= retries:
            word = "unhealthy"
    return {"Status": word, "FailingStreak": streak, "Log": [*state["Log"], result][-KEPT:]}


def _probe(engine: Engine, record: ContainerRecord, wanted: dict[str, Any]) -> tuple[int, bytes]:
    """Run the check's command: (exit code, output)."""
    from ringfence.engine import exec

    kind, *arguments = wanted["Test"]
    command = arguments if kind == "CMD" else [*_shell(record), *arguments]
    seconds = max(1, -(-wanted["Timeout"] // times.SECOND))
    begin = time.monotonic()
    try:
        code, output, errors = exec.begin(engine, record, command, {}, timeout=seconds).collect()
    except RingfenceError as error:
        return 1, str(error).encode()
    if code == 137 and time.monotonic() - begin >= seconds:
        return TIMED_OUT, f"Health check exceeded timeout ({seconds}s)".encode()
    return code, output + errors


def _shell(record: ContainerRecord) -> list[str]:
    return list(record.image_config.get("Shell") or ["/bin/sh", "-c"])


def _check_of(record: ContainerRecord, options: Options) -> dict[str, Any] | None:
    return healthcheck(options, {"config": record.image_config})


def _state(engine: Engine, record: ContainerRecord) -> dict[str, Any]:
    return read(engine, record) or {"Status": "starting", "FailingStreak": 0, "Log": []}


def _path(engine: Engine, id: str) -> str:
    return f"{places.bundle(engine, id)}/health.json"


def _write(engine: Engine, id: str, state: dict[str, Any]) -> None:
    path = _path(engine, id)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(state, file)
    os.rename(f"{path}.new", path)
