"""The directory and its server: one at a time, whoever starts it, and none that misses what was published."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ringfence.errors import Failed
from ringfence.linux import processes
from ringfence.network.dns import directory
from tests.network.dns.hosts import until


@pytest.fixture
def place(short_directory: Path) -> Iterator[str]:
    """The directory of servers that have ended at the end of the test."""
    path = str(short_directory / "dns")
    yield path
    until(lambda: not servers(path))


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for a container. It has no names, so that the server listens nowhere on this machine."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def servers(place: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and processes.command(int(name))[-1:] == [place]:
                found.append(int(name))
        except ProcessLookupError:
            continue
    return found


def publish(place: str, id: str, pid: int) -> None:
    directory.publish(place, id, directory.document(pid, {}))


def ensure(place: str) -> bool:
    return directory.ensure(place, directory.command(place))


def test_what_is_published_is_there_whole_until_it_is_withdrawn(place: str) -> None:
    fields = directory.document(
        os.getpid(), {"n": {"listen": [], "addresses": [], "names": ["web"], "internal": False}}
    )
    directory.publish(place, "id", fields)
    assert directory.read(place, "id") == fields
    assert fields["start"] == processes.start_time(os.getpid())
    assert directory.ids(place) == ["id"] and os.stat(place).st_mode & 0o777 == 0o700
    for _ in range(2):
        directory.withdraw(place, "id")
    assert directory.read(place, "id") is None and os.listdir(place) == []


def test_a_process_that_has_ended_cannot_be_published() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with pytest.raises(ProcessLookupError):
        directory.document(ended.pid, {})


def test_one_server_is_started_however_many_want_it(place: str, sleeper: subprocess.Popen[bytes]) -> None:
    publish(place, "id", sleeper.pid)
    script = (
        "import sys; from ringfence.network.dns import directory as d; sys.stdin.read(1); "
        "print(d.ensure(sys.argv[1], d.command(sys.argv[1])))"
    )
    reader, writer = os.pipe()
    starters = [
        subprocess.Popen([sys.executable, "-c", script, place], stdin=reader, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    os.close(reader)
    os.close(writer)
    started = [starter.communicate()[0] for starter in starters]
    assert sorted(started) == ["False\n"] * 7 + ["True\n"]
    [server] = [pid for pid in servers(place) if pid not in [starter.pid for starter in starters]]
    assert not ensure(place)
    os.kill(server, signal.SIGKILL)
    until(lambda: ensure(place))
    until(lambda: len([pid for pid in servers(place) if pid != server]) == 1)


def test_it_is_on_its_own(place: str, sleeper: subprocess.Popen[bytes]) -> None:
    publish(place, "id", sleeper.pid)
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    assert ensure(place)
    os.close(writer)
    assert os.read(reader, 1) == b""  # what it has inherited it has closed
    os.close(reader)
    [server] = servers(place)
    until(lambda: os.readlink(f"/proc/{server}/cwd") == "/")
    assert os.getsid(server) == server
    assert Path(f"/proc/{server}/environ").read_bytes() == b""
    assert os.readlink(f"/proc/{server}/fd/2") == f"{place}/log"


def test_it_stays_while_a_container_lives_and_goes_soon_after_the_last(place: str) -> None:
    first, second = (subprocess.Popen(["sleep", "600"]) for _ in range(2))
    publish(place, "first", first.pid)
    publish(place, "second", second.pid)
    ensure(place)
    until(lambda: servers(place))
    directory.withdraw(place, "first")
    with pytest.raises(AssertionError):
        until(lambda: not servers(place), patience=1.0)
    second.kill()  # and nobody withdraws it
    until(lambda: not servers(place))
    for one in (first, second):
        one.kill()
        one.wait()


def test_what_comes_as_it_is_about_to_end_is_not_missed(place: str, sleeper: subprocess.Popen[bytes]) -> None:
    def at(number: int) -> None:
        own = f"{place}-{number}"
        ensure(own)
        time.sleep(0.47 + number * 0.006)  # it lingers for 0.5 s
        publish(own, "id", sleeper.pid)
        ensure(own)
        time.sleep(0.1)
        assert [pid for pid in servers(own) if processes.status(pid).state != "Z"]
        assert not ensure(own)
        directory.withdraw(own, "id")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(at, range(12)))
    until(lambda: not any(servers(f"{place}-{number}") for number in range(12)))


def test_it_ends_when_its_directory_is_removed(place: str, sleeper: subprocess.Popen[bytes]) -> None:
    publish(place, "id", sleeper.pid)
    ensure(place)
    until(lambda: [os.readlink(f"/proc/{pid}/cwd") for pid in servers(place)] == ["/"])
    subprocess.run(["rm", "-r", place], check=True)
    until(lambda: not servers(place))
    publish(place, "id", sleeper.pid)
    ensure(place)
    subprocess.run(["rm", "-r", place], check=True)  # before it has so much as looked
    until(lambda: not servers(place))


def test_a_server_that_cannot_be_started_is_told(place: str) -> None:
    with pytest.raises(Failed, match=r"^cannot start the DNS server /none: No such file"):
        directory.ensure(place, ["/none"])
    assert ensure(place)  # nobody holds the lock


def test_it_is_started_by_a_process_without_standard_streams(place: str, sleeper: subprocess.Popen[bytes]) -> None:
    publish(place, "id", sleeper.pid)
    script = (
        "import sys; from ringfence.network.dns import directory as d; d.ensure(sys.argv[1], d.command(sys.argv[1]))"
    )
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", script, place]
    assert subprocess.run(closed).returncode == 0
    until(lambda: servers(place))
    assert not ensure(place)
