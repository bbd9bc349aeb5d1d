"""Attacks on what enters a container from the host: its executable, its descriptors, its working directory."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ringfence
from ringfence.errors import CannotExecute, Failed
from ringfence.runtime.native import OciRuntime
from tests.bundles import Bundle, exec_in

HELPER = Path(ringfence.__file__).with_name("ringinit")


def digest(path: Path | str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.fixture
def host_programs() -> Iterator[None]:
    """The programs of the host that could be overwritten; they must be the same afterwards."""
    before = digest(HELPER), digest(os.path.realpath(sys.executable))
    yield
    assert (digest(HELPER), digest(os.path.realpath(sys.executable))) == before


def output_of_attack(hostile: Bundle, runtime: OciRuntime, attack: str, entries: list[str], times: int) -> str:
    """Let `attack` run as the first process while the host enters up to `times` times; what it prints."""
    from ringfence.engine.session import Session
    from ringfence.runtime.interface import Launch, Monitoring

    hostile.spec["process"]["args"] = ["/attacks", attack, "2.5"]
    deadline = time.monotonic() + 2  # where a fork costs 30 ms they are fewer
    launch = Launch(hostile.id, hostile.spec, str(hostile.path), monitoring=Monitoring())
    session = Session(hostile.id, runtime.start(launch).control, tty=False)
    for _ in range(times):
        if time.monotonic() < deadline:
            exec_in(runtime, hostile, entries)
    code, stdout, stderr = session.collect()
    assert (code, stderr) == (0, b"")
    return stdout.decode()


def test_a_container_sees_nothing_of_the_host_in_a_process_that_is_being_executed_in_it(
    hostile: Bundle, runtime: OciRuntime
) -> None:
    """CVE-2016-9962: an entering process is not dumpable until it is confined, and holds nothing of the host."""
    seen = output_of_attack(hostile, runtime, "spy", ["true"], times=100)
    # What the program that was asked for holds, once it has become it, is its own: standard streams, its libraries.
    own = ("pipe:", "/dev/null", "/etc/ld.so.cache", "/lib", "/usr/lib")
    allowed = tuple(f"sees the descriptor {name}" for name in own)
    assert [line for line in set(seen.splitlines()) if not line.startswith(allowed)] == []


@pytest.mark.usefixtures("host_programs")
def test_a_container_cannot_overwrite_what_enters_it(hostile: Bundle, runtime: OciRuntime) -> None:
    """CVE-2019-5736: what enters is a file of a detached read-only mount, never the host's own."""
    assert output_of_attack(hostile, runtime, "overwrite", ["/proc/self/exe"], times=100) == ""


@pytest.mark.usefixtures("host_programs")
@pytest.mark.parametrize("program", ["/proc/self/exe", "/script"])
def test_a_container_that_executes_what_entered_it_gets_no_hold_of_the_host(
    hostile: Bundle, runtime: OciRuntime, program: str
) -> None:
    """CVE-2019-5736 by the front door: the image names /proc/self/exe as its program, or as a script's interpreter."""
    (hostile.rootfs / "script").write_text("#!/proc/self/exe\n")
    (hostile.rootfs / "script").chmod(0o755)
    hostile.spec["process"]["args"] = [program]
    try:
        result = hostile.run(runtime)
    except (CannotExecute, Failed):
        return
    assert result.exit_code != 0


@pytest.mark.parametrize("number", range(3, 21))
def test_a_working_directory_outside_of_the_root_is_refused(bundle: Bundle, runtime: OciRuntime, number: int) -> None:
    """CVE-2024-21626: /proc/self/fd/N of a leaked directory as working directory leads out of the container."""
    bundle.spec["process"] |= {"cwd": f"/proc/self/fd/{number}", "args": ["ls", "-la", "."]}
    with pytest.raises((Failed, CannotExecute)):
        bundle.run(runtime)


def test_the_same_working_directories_are_refused_for_exec(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.shell("sleep 30").start(runtime)
    for number in range(3, 21):
        with pytest.raises((Failed, CannotExecute)):
            exec_in(runtime, bundle, ["ls", "."], cwd=f"/proc/self/fd/{number}")


def test_a_container_holds_only_its_standard_streams_whatever_its_caller_has_open(
    hostile: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    """CVE-2024-21626: descriptors that a careless caller leaves open across exec do not arrive."""
    leaked = [os.open(short_directory, os.O_RDONLY) for _ in range(5)]
    try:
        for descriptor in leaked:
            os.set_inheritable(descriptor, True)
        hostile.spec["process"]["args"] = ["/attacks", "descriptors"]
        started = hostile.run(runtime)
        hostile.shell("sleep 30").start(runtime)
        executed = exec_in(runtime, hostile, ["/attacks", "descriptors"])
    finally:
        for descriptor in leaked:
            os.close(descriptor)
    assert [line.split()[0] for line in started.stdout.splitlines()] == ["0", "1", "2"]
    assert [line.split()[0] for line in executed.stdout.splitlines()] == ["0", "1", "2"]
