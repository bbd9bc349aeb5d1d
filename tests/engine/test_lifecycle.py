"""The life of a container on the real kernel: create, start, stop, kill, pause, wait, rm, restart, rename."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from ringfence.errors import CannotExecute, Conflict, DeadlineExceeded, InvalidInput, NotFound

if TYPE_CHECKING:
    from ringfence import Engine
    from ringfence.engine.container import Container

LOOP = "while :; do sleep 0.05; done"


def forever(engine: Engine, *, trap: str = "", name: str | None = None) -> Container:
    """A running container that acts on SIGTERM as `trap` says, once it is ready to."""
    script = f"trap '{trap}' TERM; echo ready; {LOOP}" if trap else f"echo ready; {LOOP}"
    container = engine.run("host", ["sh", "-c", script], detach=True, name=name)
    for entry in container.logs(follow=True):
        assert entry.data == b"ready\n"
        break
    return container


def test_a_run_returns_exit_code_and_both_streams(engine: Engine) -> None:
    result = engine.run("host", ["sh", "-c", "echo out; echo err >&2; exit 7"], rm=True)
    assert (result.exit_code, result.stdout, result.stderr) == (7, b"out\n", b"err\n")
    assert engine.ps(all=True) == []


def test_a_run_feeds_its_input_and_loses_nothing_of_a_large_output(engine: Engine) -> None:
    data = bytes(range(256)) * 4096
    assert engine.run("host", ["cat"], rm=True, input=data).stdout == data


def test_a_container_without_rm_stays_and_can_be_started_again(engine: Engine) -> None:
    result = engine.run("host", ["sh", "-c", "echo x >> /count; cat /count"])
    assert result.stdout == b"x\n"
    engine.start(result.id)
    assert engine.wait(result.id, timeout=10) == 0
    assert [entry.data for entry in engine.logs(result.id)] == [b"x\n", b"x\n", b"x\n"]


def test_a_created_container_has_not_run(engine: Engine) -> None:
    container = engine.create("host", ["true"], name="new")
    assert container.status == "created"
    assert engine.wait("new") == 0
    container.start()
    assert container.wait(timeout=10) == 0
    assert container.status == "exited"


def test_starting_a_running_container_changes_nothing(engine: Engine) -> None:
    container = forever(engine)
    pid = container.inspect()["State"]["Pid"]
    container.start()
    assert container.inspect()["State"]["Pid"] == pid


def test_a_stop_lets_the_program_end_by_itself(engine: Engine) -> None:
    container = forever(engine, trap="exit 5")
    container.stop()
    assert (container.status, container.wait()) == ("exited", 5)


def test_a_stop_kills_after_its_timeout(engine: Engine) -> None:
    container = forever(engine, trap=":")
    began = time.monotonic()
    container.stop(timeout=1)
    assert 0.9 < time.monotonic() - began < 5
    assert container.wait() == 137


def test_the_stop_signal_is_the_containers_own(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", f"trap 'exit 9' USR1; echo ready; {LOOP}"], detach=True,
                           stop_signal="SIGUSR1")  # fmt: skip
    next(iter(container.logs(follow=True)))
    container.stop()
    assert container.wait() == 9


def test_stopping_a_stopped_container_is_no_error(engine: Engine) -> None:
    container = engine.create("host", ["true"])
    container.stop()
    assert container.status == "created"


def test_a_paused_container_is_stopped_as_well(engine: Engine) -> None:
    container = forever(engine, trap="exit 3")
    container.pause()
    container.stop(timeout=5)
    assert container.wait() == 3


def test_a_kill_ends_it_and_a_signal_reaches_it(engine: Engine) -> None:
    container = forever(engine, trap="exit 4")
    engine.kill(container.id, signal="TERM")
    assert container.wait(timeout=10) == 4
    container.start()
    container.kill()
    assert container.wait() == 137
    with pytest.raises(Conflict, match="it is not running"):
        container.kill()


@pytest.mark.parametrize("signal", ["NOPE", "", "99999", "-1"])
def test_an_unknown_signal_is_refused(engine: Engine, signal: str) -> None:
    container = engine.create("host", ["true"])
    with pytest.raises(InvalidInput, match="signal"):
        engine.kill(container.id, signal=signal)


def test_a_paused_container_does_nothing_until_it_is_unpaused(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", "while :; do echo tick; sleep 0.02; done"], detach=True)
    next(iter(container.logs(follow=True)))
    container.pause()
    state = container.inspect()["State"]
    assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
    assert container.inspect()["State"] == state
    time.sleep(0.1)
    ticks = len(list(container.logs()))
    time.sleep(0.3)
    assert len(list(container.logs())) == ticks
    for verb in (container.pause, container.start):
        with pytest.raises(Conflict, match="it is paused"):
            verb()
    container.unpause()
    time.sleep(0.3)
    assert len(list(container.logs())) > ticks
    with pytest.raises(Conflict, match="it is running, not paused"):
        container.unpause()


def test_a_wait_returns_the_code_of_whoever_ends_meanwhile(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", "sleep 0.3; exit 6"], detach=True)
    assert container.wait(timeout=10) == 6
    assert container.wait() == 6


def test_a_wait_sees_the_code_of_a_container_that_removes_itself(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", "sleep 0.3; exit 6"], detach=True, rm=True)
    assert engine.wait(container.id, condition="removed", timeout=20) == 6
    with pytest.raises(NotFound, match="no such container"):
        engine.wait(container.id)


def test_a_wait_gives_up_in_time(engine: Engine) -> None:
    container = forever(engine)
    with pytest.raises(DeadlineExceeded):
        container.wait(timeout=0.2)
    with pytest.raises(InvalidInput, match="condition"):
        engine.wait(container.id, condition="whenever")


def test_a_running_container_is_removed_only_by_force(engine: Engine) -> None:
    container = forever(engine, name="busy")
    with pytest.raises(Conflict, match="cannot remove container busy: it is running"):
        container.remove()
    container.remove(force=True)
    assert engine.ps(all=True) == []


def test_a_restart_is_another_process_of_the_same_container(engine: Engine) -> None:
    container = forever(engine)
    before = container.inspect()
    container.restart(timeout=0)
    after = container.inspect()
    assert after["State"]["Pid"] not in (0, before["State"]["Pid"])
    assert (after["Id"], after["RestartCount"]) == (before["Id"], 0)


def test_a_renamed_container_keeps_running_under_its_new_name(engine: Engine) -> None:
    container = forever(engine, name="old")
    engine.create("host", ["true"], name="taken")
    engine.rename("old", "new")
    assert engine.inspect("new")["Name"] == "/new"
    assert engine.container("new").status == "running"
    with pytest.raises(NotFound):
        engine.inspect("old", type="container")
    with pytest.raises(Conflict, match="already in use"):
        engine.rename("new", "taken")
    with pytest.raises(InvalidInput):
        engine.rename(container.id, "no spaces")


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 127), ("/etc/passwd", 126), ("/etc", 126)])
def test_a_program_that_cannot_be_executed_is_told_and_the_container_stays_created(
    engine: Engine, program: str, code: int
) -> None:
    with pytest.raises(CannotExecute, match=program):
        engine.run("host", [program], name="broken")
    state = engine.inspect("broken")["State"]
    assert (state["Status"], state["ExitCode"]) == ("created", code)
    assert program in state["Error"]


def test_a_failed_run_with_rm_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(CannotExecute):
        engine.run("host", ["no-such-program"], rm=True)
    assert engine.ps(all=True) == []


def test_an_unknown_image_is_not_found_and_nothing_is_reserved(engine: Engine) -> None:
    with pytest.raises(NotFound, match="no such image: nowhere"):
        engine.run("nowhere", ["true"], name="free", pull="never")
    engine.create("host", ["true"], name="free")


def test_a_name_that_is_taken_is_a_conflict(engine: Engine) -> None:
    engine.create("host", ["true"], name="one")
    with pytest.raises(Conflict, match="the container name 'one' is already in use"):
        engine.create("host", ["true"], name="one")


def test_of_many_at_once_one_gets_the_name(engine: Engine) -> None:
    from ringfence import Engine as Another

    outcomes: list[str] = []

    def create() -> None:
        with Another(root=engine.root, state=engine.state) as own:
            try:
                own.create("host", ["true"], name="same")
                outcomes.append("made")
            except Conflict:
                outcomes.append("conflict")

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 5 + ["made"]
    assert len(engine.ps(all=True)) == 1
