"""A pidfd means one very process."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator

import pytest

from ringfence.linux import pidfd, processes


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_it_signals_and_sees_the_exit(sleeper: subprocess.Popen[bytes]) -> None:
    with pidfd.open(sleeper.pid, processes.start_time(sleeper.pid)) as process:
        assert not process.wait(0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10)
        assert sleeper.wait() == -signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            process.send_signal(signal.SIGTERM)


def test_it_is_not_given_for_a_process_that_only_has_the_pid(sleeper: subprocess.Popen[bytes]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ProcessLookupError):
        pidfd.open(sleeper.pid, processes.start_time(sleeper.pid) - 1)
    with pytest.raises(ProcessLookupError):
        pidfd.open(2**22 - 1)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_number_that_only_the_session_of_a_reaped_process_has_is_nobody_s() -> None:
    with subprocess.Popen(["setsid", "sh", "-c", "sleep 60 & echo $!"], stdout=subprocess.PIPE, text=True) as leader:
        assert leader.stdout
        orphan = int(leader.stdout.readline())
        leader.wait()
        try:
            assert os.getsid(orphan) == leader.pid
            with pytest.raises(ProcessLookupError):
                pidfd.open(leader.pid)
        finally:
            os.kill(orphan, signal.SIGKILL)


def test_the_number_of_a_thread_is_no_process_s() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id
        with pytest.raises(ProcessLookupError):
            pidfd.open(thread.native_id)
    finally:
        done.set()
        thread.join()
