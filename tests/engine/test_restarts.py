"""Restart policies, and what the monitor's exit command does when no owner is there: no daemon, and nothing is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ringfence.engine import restart_policy
from ringfence.engine.records import ContainerRecord
from ringfence.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence import Engine

SECOND = 1_000_000_000


def ending(code: int, seconds: float = 0.1) -> dict[str, int]:
    return {"exit_code": code, "started_at": SECOND, "finished_at": SECOND + round(seconds * SECOND)}


def record_with(policy: str, retries: int = 0) -> ContainerRecord:
    return ContainerRecord("a" * 64, "x", 0, options={"restart": {"policy": policy, "retries": retries}})


def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_the_wait_doubles_to_a_minute_and_begins_anew_after_a_long_run() -> None:
    record = record_with("always")
    waits = [restart_policy.delay(record, ending(1)) for _ in range(12)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8] and waits[-1] == 60.0
    assert restart_policy.delay(record, ending(1, seconds=11)) == 0.1


@pytest.mark.parametrize(
    ("policy", "code", "restarted"),
    [("no", 1, False), ("always", 0, True), ("unless-stopped", 0, True), ("on-failure", 0, False),
     ("on-failure", 1, True)],
)  # fmt: skip
def test_the_policy_decides_by_the_exit_code(policy: str, code: int, restarted: bool) -> None:
    assert (restart_policy.delay(record_with(policy), ending(code)) is not None) == restarted


def test_a_stopped_container_is_not_restarted() -> None:
    record = record_with("always")
    record.stopped = True
    assert restart_policy.delay(record, ending(1)) is None


def test_a_limited_policy_gives_up() -> None:
    record = record_with("on-failure", 2)
    assert [restart_policy.delay(record, ending(1)) is not None for _ in range(3)] == [True, True, False]


def test_a_failing_container_is_restarted_as_often_as_allowed(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", "echo run; exit 3"], detach=True, restart="on-failure:3")
    until(lambda: len(list(container.logs())) == 4 and container.status == "exited")
    found = container.inspect()
    assert (found["RestartCount"], found["State"]["ExitCode"]) == (3, 3)


def test_between_two_runs_its_status_is_restarting_and_a_stop_ends_that(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", "exit 1"], detach=True, restart="always")
    until(lambda: container.status == "restarting")
    container.stop(timeout=0)
    until(lambda: container.status == "exited")
    count = container.inspect()["RestartCount"]
    time.sleep(1)
    assert (container.status, container.inspect()["RestartCount"]) == ("exited", count)


def test_a_stopped_container_stays_stopped_whatever_its_policy(engine: Engine) -> None:
    container = engine.run("host", ["sleep", "60"], detach=True, restart="always")
    container.stop(timeout=0)
    time.sleep(0.5)
    assert container.status == "exited"


def test_a_detached_container_with_rm_removes_itself(engine: Engine) -> None:
    container = engine.run("host", ["true"], detach=True, rm=True)

    def gone() -> bool:
        return engine.records.get(container.id) is None  # nothing here repairs: the monitor's command must do it

    until(gone)
    with pytest.raises(NotFound):
        engine.inspect(container.id)


def test_what_is_recorded_after_another_process_came_and_went_is_seen_by_the_next(engine: Engine) -> None:
    import subprocess
    import sys

    engine.images()
    engine.create("host", ["true"], name="before")
    look = f"from ringfence import Engine; print(len(Engine({engine.root!r}, {engine.state!r}).ps(all=True)))"
    seen = []
    for name in ("one", "two"):
        seen.append(subprocess.run([sys.executable, "-c", look], capture_output=True, check=True).stdout)
        engine.create("host", ["true"], name=name)
    assert seen == [b"1\n", b"2\n"]
