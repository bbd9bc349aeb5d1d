"""sd_notify(3): readiness of a program in a container reaches the socket of ringrun's caller, and nothing else does."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles import Bundle
from tests.runtime.peers import Command


@pytest.fixture
def manager(short_directory: Path) -> Iterator[socket.socket]:
    """What systemd would have at $NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(short_directory / "manager"))
        listener.settimeout(10)
        yield listener


@pytest.fixture
def environment(short_directory: Path) -> dict[str, str]:
    return {**os.environ, "NOTIFY_SOCKET": str(short_directory / "manager")}


def tell(ringrun: Command, id: str, text: bytes) -> None:
    """What a program of the container would send."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(text, str(ringrun.root / id / "notify" / "notify"))


def test_the_container_has_a_socket_of_its_own_at_that_path(
    ringrun: Command, bundle: Bundle, manager: socket.socket, environment: dict[str, str]
) -> None:
    bundle.shell("echo $NOTIFY_SOCKET; test -S $NOTIFY_SOCKET && echo socket; touch $NOTIFY_SOCKET.x; echo $?")
    done = ringrun("run", "--bundle", str(bundle.write()), "c1", env=environment)
    assert done.stdout == f"{environment['NOTIFY_SOCKET']}/notify\nsocket\n1\n"


def test_a_detached_run_waits_for_readiness_and_names_the_process(
    ringrun: Command, bundle: Bundle, manager: socket.socket, environment: dict[str, str]
) -> None:
    """Words that would let a container speak for another process are not passed on."""
    bundle.shell("exec sleep 30").write()
    argv = [*ringrun.argv, "run", "--detach", "--bundle", str(bundle.path), "c1"]
    with subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not (ringrun.root / "c1" / "notify" / "notify").exists():
            time.sleep(0.01)
        time.sleep(0.2)
        assert process.poll() is None, "it waits"
        tell(ringrun, "c1", b"MAINPID=1\nSTATUS=loading")
        tell(ringrun, "c1", b"FDSTORE=1")
        tell(ringrun, "c1", b"READY=1\nMAINPID=1")
        assert process.wait(10) == 0

    received = [manager.recv(100) for _ in range(3)]
    assert received == [b"STATUS=loading", b"READY=1", f"MAINPID={ringrun.state('c1')['pid']}".encode()]


def test_start_waits_as_well_and_the_end_of_the_program_is_an_end_of_waiting(
    ringrun: Command, bundle: Bundle, manager: socket.socket, environment: dict[str, str], short_directory: Path
) -> None:
    argv = [*ringrun.argv, "create", "--bundle", str(bundle.shell("sleep 0.3").write()), "c1"]
    with (short_directory / "out").open("w") as out:
        subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True)

    began = time.monotonic()
    assert ringrun("start", "c1", env=environment).returncode == 0
    assert time.monotonic() - began > 0.25


def test_in_the_foreground_all_that_was_said_is_passed_on_before_the_end(
    ringrun: Command, bundle: Bundle, manager: socket.socket, environment: dict[str, str]
) -> None:
    bundle.shell("echo up; read x").write()
    argv = [*ringrun.argv, "run", "--bundle", str(bundle.path), "c1"]
    with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        for word in (b"READY=1", b"WATCHDOG=1", b"STOPPING=1"):
            tell(ringrun, "c1", word)
        process.communicate(b"\n", timeout=20)

    assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.parametrize("gone", ["removed", "closed"])
def test_a_caller_whose_socket_has_gone_is_one_warning_and_the_program_s_status_is_told(
    ringrun: Command, bundle: Bundle, manager: socket.socket, environment: dict[str, str], gone: str
) -> None:
    """runc says nothing; neither ends the container for it."""
    bundle.shell("echo up; read x; exit 7").write()
    argv = [*ringrun.argv, "run", "--bundle", str(bundle.path), "c1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        manager.close()
        if gone == "removed":
            os.unlink(environment["NOTIFY_SOCKET"])
        for word in (b"READY=1", b"STATUS=running", b"STOPPING=1"):
            tell(ringrun, "c1", word)
        _, said = process.communicate("\n", timeout=20)

    why = {"removed": "no such file or directory", "closed": "connection refused"}[gone]
    assert said == f"ringrun: warning: $NOTIFY_SOCKET: {environment['NOTIFY_SOCKET']}: {why}\n"
    assert process.returncode == 7 and not (ringrun.root / "c1").exists()
