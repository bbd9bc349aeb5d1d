"""A process is identified beyond doubt, whatever its name looks like and whoever has its pid later."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux import processes


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def wait_until_zombie(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def test_status_tells_parent_name_and_state(sleeper: subprocess.Popen[bytes]) -> None:
    while processes.command(sleeper.pid) != ["sleep", "60"]:  # until it has executed
        time.sleep(0.01)
    status = processes.status(sleeper.pid)
    assert (status.pid, status.parent, status.name) == (sleeper.pid, os.getpid(), "sleep")
    assert sleeper.pid in processes.children(os.getpid())


def test_a_process_is_alive_until_it_exits_not_until_it_is_reaped(sleeper: subprocess.Popen[bytes]) -> None:
    started = processes.start_time(sleeper.pid)
    assert processes.alive(sleeper.pid, started)
    sleeper.kill()
    wait_until_zombie(sleeper.pid)
    assert processes.status(sleeper.pid).state == "Z"
    assert not processes.alive(sleeper.pid, started)
    assert processes.command(sleeper.pid) == []
    sleeper.wait()
    assert not processes.alive(sleeper.pid, started)


def test_another_process_with_the_same_pid_is_not_the_one_meant(sleeper: subprocess.Popen[bytes]) -> None:
    assert not processes.alive(sleeper.pid, processes.start_time(sleeper.pid) - 1)


def test_a_pid_of_nobody_is_a_process_lookup_error() -> None:
    for ask in (processes.start_time, processes.children, processes.command):
        with pytest.raises(ProcessLookupError) as caught:
            ask(2**22 + 1)
        assert "/proc/4194305/" in caught.value.filename


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=15))
def test_any_name_is_read_as_it_is(name: str) -> None:
    # Invariant: whatever a program calls itself, the fields after its name are still found.
    fields = " ".join(str(number) for number in range(4, 53))
    status = processes.Status(f"17 ({name}) S {fields}\n")
    assert (status.pid, status.name, status.state, status.parent, status.start_time) == (17, name, "S", 4, 22)
