"""Restart policies, and what the monitor's exit command does when no owner is there: no daemon, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ringfence.engine import restart_policy
from ringfence.engine.records import ContainerRecord
from ringfence.errors import NotFound
from ringfence.linux import processes
from tests import needs
from tests.cli.driver import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence import Engine
    from ringfence.engine.container import Container

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


def after(record: ContainerRecord, ending: dict[str, int]) -> float | None:
    """The wait before the restart after this ending, which is a new one; None for no restart."""
    ending["finished_at"] += record.restarts
    return restart_policy.count(record, ending) if restart_policy.due(record, ending) else None


def test_the_wait_doubles_to_a_minute_and_begins_anew_after_a_long_run() -> None:
    record = record_with("always")
    waits = [after(record, ending(1)) for _ in range(12)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8] and waits[-1] == 60.0
    assert after(record, ending(1, seconds=11)) == 0.1


@pytest.mark.parametrize(
    ("policy", "code", "restarted"),
    [("no", 1, False), ("always", 0, True), ("unless-stopped", 0, True), ("on-failure", 0, False),
     ("on-failure", 1, True)],
)  # fmt: skip
def test_the_policy_decides_by_the_exit_code(policy: str, code: int, restarted: bool) -> None:
    assert restart_policy.due(record_with(policy), ending(code)) == restarted


def test_a_stopped_container_is_not_restarted() -> None:
    record = record_with("always")
    record.stopped = True
    assert not restart_policy.due(record, ending(1))


def test_a_limited_policy_gives_up() -> None:
    record = record_with("on-failure", 2)
    assert [after(record, ending(1)) is not None for _ in range(3)] == [True, True, False]


def test_an_ending_is_counted_once_however_often_somebody_waits_for_its_restart() -> None:
    record = record_with("on-failure", 1)
    assert [restart_policy.count(record, ending(1)) for _ in range(3)] == [0.1] * 3
    assert (record.restarts, restart_policy.due(record, ending(1))) == (1, True)


@pytest.mark.parametrize(
    ("policy", "stopped", "started"),
    [("always", False, True), ("always", True, True), ("unless-stopped", False, True), ("unless-stopped", True, False),
     ("on-failure", False, False), ("no", False, False)],
)  # fmt: skip
def test_at_boot_always_means_always(policy: str, stopped: bool, started: bool) -> None:
    record = record_with(policy)
    record.stopped = stopped
    assert restart_policy.at_boot(record) == started


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


def waiting(engine: Engine) -> list[int]:
    """The pids of those who wait to restart a container of this engine."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"exited" in words and os.fsencode(engine.root) in words:
            found.append(int(entry.parent.name))
    return found


def test_a_restart_whose_waiting_process_was_killed_is_taken_up_by_the_next_command(engine: Engine) -> None:
    script = "echo run; test $(wc -l </v/runs) -ge 6 && exec sleep 60; echo >>/v/runs; exit 1"
    container = engine.run("host", ["sh", "-c", f"touch /v/runs; {script}"], detach=True, restart="on-failure:7",
                           volume=["runs:/v"])  # fmt: skip
    until(lambda: container.inspect()["RestartCount"] >= 5 and bool(waiting(engine)))  # it waits for 1.6 s or longer
    for pid in waiting(engine):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not waiting(engine))
    count = container.inspect()["RestartCount"]
    shown = set()

    def runs() -> bool:
        shown.add(engine.ps(all=True)[0]["State"])
        return "running" in shown and container.inspect()["RestartCount"] >= 6 and container.status == "running"

    until(runs)
    assert shown <= {"restarting", "running"}
    assert container.inspect()["RestartCount"] <= count + 1 + 1  # none was counted twice


def test_it_is_never_shown_as_exited_while_a_restart_is_to_come(engine: Engine) -> None:
    container = engine.run("host", ["false"], detach=True, restart="on-failure:3")
    shown = []
    until(lambda: (shown.append(container.status), container.inspect()["RestartCount"])[1] == 3)  # type: ignore[func-returns-value]
    assert set(shown) <= {"running", "restarting"}, shown
    until(lambda: container.status == "exited")


def reboot(engine: Engine, *containers: Container) -> None:
    """What the machine does when its power goes: all processes end at once, what is in /run is gone."""
    for container in containers:
        pid = container.inspect()["State"]["Pid"]
        if not pid:
            continue
        monitor = processes.status(pid).parent
        os.kill(monitor, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: not Path(f"/proc/{pid}/stat").exists())  # type: ignore[misc]
    for container in containers:
        engine.runtime.delete(container.id, force=True)
        record = engine.records.find(container.id)
        record.boot = record.boot and "another"
        engine.records.save(record)
    shutil.rmtree(engine.state)


UNIT = Path(__file__).parents[2] / "contrib" / "ringfence-restart.service"


def at_the_units(order: str, engine: Engine) -> None:
    """Do what the unit file has systemd do: ExecStart or ExecStop."""
    command = next(line for line in UNIT.read_text().splitlines() if line.startswith(f"{order}=")).partition("=")[2]
    words = command.split()
    assert words.pop(0) == "ringfence"
    Command(engine.root, engine.state).ok(*words)


def test_after_a_reboot_the_unit_starts_what_its_policy_says_and_no_other_command_does(engine: Engine) -> None:
    policies = {"always": "always", "unless": "unless-stopped", "halted": "unless-stopped", "never": "no",
                "failing": "on-failure", "forced": "always"}  # fmt: skip
    boxes = {
        name: engine.run("host", ["sleep", "60"], detach=True, name=name, restart=policy)
        for name, policy in policies.items()
    }
    boxes["halted"].stop(timeout=0)
    boxes["forced"].stop(timeout=0)

    reboot(engine, *boxes.values())

    assert {box.status for box in boxes.values()} == {"exited"}
    assert engine.ps() == []
    at_the_units("ExecStart", engine)
    assert {row["Names"][0] for row in engine.ps()} == {"/always", "/unless", "/forced"}


def test_what_is_stopped_for_the_machine_to_go_down_comes_back_at_boot(engine: Engine) -> None:
    boxes = {
        name: engine.run("host", ["sleep", "60"], detach=True, name=name, restart="unless-stopped", stop_signal="KILL")
        for name in ("kept", "halted")
    }
    boxes["halted"].stop(timeout=0)
    at_the_units("ExecStop", engine)
    assert engine.ps() == []

    reboot(engine, *boxes.values())
    at_the_units("ExecStart", engine)

    assert [row["Names"][0] for row in engine.ps()] == ["/kept"]


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    needs.program("systemd-analyze")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("=ringfence ", "=/bin/true "))  # it looks for the program, too
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


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
    import sys

    engine.images()
    engine.create("host", ["true"], name="before")
    look = f"from ringfence import Engine; print(len(Engine({engine.root!r}, {engine.state!r}).ps(all=True)))"
    seen = []
    for name in ("one", "two"):
        seen.append(subprocess.run([sys.executable, "-c", look], capture_output=True, check=True).stdout)
        engine.create("host", ["true"], name=name)
    assert seen == [b"1\n", b"2\n"]
