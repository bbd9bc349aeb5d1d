"""Prepared sandboxes: what a container in one sees is what any sees, and none outlives its time or its process."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

from ringfence import Engine
from ringfence.errors import CannotExecute, Failed
from ringfence.runtime import sandbox
from ringfence.runtime.native import OciRuntime
from tests import leaks

LOOK = (
    "cat /proc/self/status /proc/self/limits /proc/self/cgroup; ls -lR /dev | grep -v total; ls /proc/self/fd;"
    " cut -d' ' -f4- /proc/self/mountinfo; ls -l /proc/self/ns; cat /proc/self/oom_score_adj; ls /; id"
)
CHANGING = ("Pid:", "Tgid:", "NSpid:", "NStgid:", "PPid:", "NSpgid:", "Vm", "Rss", "voluntary", "nonvoluntary", "SigQ",
            "x86_Thread")  # fmt: skip


@pytest.fixture
def warm(engine: Engine) -> Engine:
    """An engine that has started two containers, and so has one prepared."""
    for _ in range(2):
        engine.run("host", ["true"], network="none", rm=True)
    assert waiting(engine) is not None
    return engine


def waiting(engine: Engine) -> sandbox.Sandbox | None:
    """The sandbox that is prepared."""
    assert isinstance(engine.runtime, OciRuntime)
    prepared = engine.runtime._sandboxes
    return prepared._waiting[0] if prepared is not None and prepared._waiting else None


def test_one_start_prepares_nothing_and_the_second_prepares_one(engine: Engine) -> None:
    engine.run("host", ["true"], network="none", rm=True)
    assert waiting(engine) is None
    engine.run("host", ["true"], network="none", rm=True)
    prepared = waiting(engine)
    assert prepared is not None
    assert engine.run("host", ["true"], network="none", rm=True).id == prepared.id


def seen(text: bytes) -> list[str]:
    """What a container saw, without its ids and times."""
    lines = text.decode().splitlines()
    return [
        "".join(" " if word.isdigit() or (":" in word and word[:1].isdigit()) else word for word in line.split(" "))
        for line in lines
        if not line.startswith(CHANGING) and "->" not in line and "lowerdir" not in line
    ]


def test_a_container_in_a_prepared_sandbox_sees_what_one_made_anew_sees(engine: Engine) -> None:
    results = [engine.run("host", ["sh", "-c", LOOK], network="none", rm=True, hostname="one") for _ in range(4)]
    first, *others = [seen(result.stdout.replace(result.id.encode(), b"ID")) for result in results]
    assert len(first) > 100
    for other in others:
        assert other == first


def test_a_container_that_needs_another_sandbox_gets_one_made_for_it(warm: Engine) -> None:
    prepared = waiting(warm)
    assert prepared is not None
    file = "$(find /sys/fs/cgroup -name memory.limit_in_bytes -o -name memory.max | head -n 1)"
    result = warm.run("host", ["sh", "-c", f"cat {file}"], network="none", rm=True, memory="32m")
    assert result.stdout.strip() == str(32 << 20).encode()
    assert result.id == prepared.id  # the id is taken, the sandbox is not
    again = warm.run("host", ["sh", "-c", f"cat {file}"], network="none", rm=True, memory="32m")
    assert again.stdout == result.stdout
    for options in ({"network": "host"}, {"userns": "auto"}, {"pid": "host"}, {"tmpfs": ["/dev/x"]}, {"init": True}):
        assert warm.run("host", ["true"], rm=True, **({"network": "none"} | options)).exit_code == 0


def test_what_a_process_inherits_counts_as_it_is_at_the_start(warm: Engine) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (4096, hard))
    try:
        result = warm.run("host", ["sh", "-c", "ulimit -c"], network="none", rm=True)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert result.stdout == b"8\n"  # blocks of 512 bytes


def test_a_sandbox_whose_helper_was_killed_is_made_anew(warm: Engine) -> None:
    prepared = waiting(warm)
    assert prepared is not None
    time.sleep(0.3)  # it is waiting by now
    os.kill(prepared.helper, signal.SIGKILL)
    os.waitpid(prepared.helper, 0)
    result = warm.run("host", ["echo", "hi"], network="none", rm=True)
    assert (result.id, result.stdout) == (prepared.id, b"hi\n")


def end_of(prepared: sandbox.Sandbox) -> None:
    deadline = time.monotonic() + 10
    while os.waitpid(prepared.helper, os.WNOHANG)[0] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_sandbox_that_nobody_takes_is_undone_in_time(warm: Engine) -> None:
    prepared = waiting(warm)
    assert prepared is not None
    end_of(prepared)
    assert not any(prepared.id in cgroup for cgroup in leaks.cgroups())
    assert warm.run("host", ["echo", "hi"], network="none", rm=True).id != prepared.id


def test_closing_the_engine_undoes_it_at_once(warm: Engine) -> None:
    prepared = waiting(warm)
    assert prepared is not None
    warm.close()
    assert not any(prepared.id in cgroup for cgroup in leaks.cgroups())
    assert warm.run("host", ["echo", "hi"], network="none", rm=True).stdout == b"hi\n"


def test_it_is_begun_when_the_container_before_it_is_done_and_may_be_taken_earlier(warm: Engine) -> None:
    first = waiting(warm)
    assert first is not None
    assert first.begun

    def sleep() -> None:
        with warm.sibling() as engine:
            engine.run("host", ["sleep", "0.5"], network="none", rm=True)

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    deadline = time.monotonic() + 10
    while (prepared := waiting(warm)) in (None, first):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert prepared is not None
    assert not prepared.begun
    result = warm.run("host", ["sh", "-c", LOOK], network="none", rm=True)
    sleeper.join()
    assert result.id == prepared.id
    other = warm.run("host", ["sh", "-c", LOOK], network="none", rm=True)
    one, another = (seen(each.stdout.replace(each.id.encode(), b"ID")) for each in (result, other))
    assert one == another


KILLED = """
import os, signal, sys
from ringfence import Engine
engine = Engine(sys.argv[1], sys.argv[2])
for _ in range(3):
    engine.run("host", ["true"], network="none", rm=True)
print(engine.runtime._sandboxes._waiting[0].id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_no_sandbox(engine: Engine) -> None:
    argv = [sys.executable, "-c", KILLED, engine.root, engine.state]
    killed = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    assert killed.returncode == -signal.SIGKILL
    id = killed.stdout.decode().strip()
    assert len(id) == 64
    deadline = time.monotonic() + 10
    while any(id in cgroup for cgroup in leaks.cgroups()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_after_a_fork_the_sandbox_is_the_parent_s(warm: Engine) -> None:
    prepared = waiting(warm)
    pid = os.fork()
    if pid == 0:
        warm.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert prepared is not None
    assert warm.run("host", ["true"], network="none", rm=True).id == prepared.id


def test_a_failure_in_a_sandbox_is_named_and_undone(warm: Engine) -> None:
    with pytest.raises(CannotExecute) as caught:
        warm.run("host", ["/no/such/program"], network="none", rm=True)
    assert caught.value.errno == errno.ENOENT
    prepared = waiting(warm)
    assert prepared is not None
    with pytest.raises((Failed, CannotExecute)) as failed:
        warm.run("host", ["true"], network="none", rm=True, workdir="/etc/passwd")
    assert "/etc/passwd" in str(failed.value)
    assert not any(prepared.id in cgroup for cgroup in leaks.cgroups())
