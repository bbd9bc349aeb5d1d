"""The behaviour suite of runtimes: every implementation passes it, runc and crun included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.bundles import Bundle
from tests.runtime.peers import NAMES, Command


@pytest.fixture(params=NAMES)
def command(request: pytest.FixtureRequest, short_directory: Path) -> Iterator[Command]:
    needs.root()
    if request.param != "ringrun":
        needs.program(request.param)
    runtime = Command(request.param, short_directory)
    yield runtime
    for directory in runtime.root.iterdir() if runtime.root.exists() else ():
        runtime("delete", "--force", directory.name)


@pytest.fixture
def written(bundle: Bundle) -> Bundle:
    """The bundle with a version that Debian's peers accept."""
    bundle.spec["ociVersion"] = "1.0.2"
    return bundle


def test_run_gives_the_output_and_the_exit_status(command: Command, written: Bundle) -> None:
    done = command("run", "--bundle", str(written.shell("echo out; echo err >&2; exit 7").write()), "c1")

    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_a_program_that_a_signal_ends_exits_with_128_and_its_number(command: Command, written: Bundle) -> None:
    # pid 1 of a pid namespace is deaf to signals it has no handler for: the shell's child is not
    done = command("run", "--bundle", str(written.shell("sh -c 'kill -KILL $$'; exit $?").write()), "c1")

    assert done.returncode == 137


def test_create_start_kill_delete_walk_through_the_statuses(
    command: Command, written: Bundle, short_directory: Path
) -> None:
    path = str(written.shell("trap 'exit 3' TERM; while :; do sleep 0.05; done").write())

    assert command.detached("create", "--bundle", path, "c1", output=short_directory / "out") == 0
    assert command.state("c1")["status"] == "created"
    assert command("start", "c1").returncode == 0
    state = command.wait_for("c1", "running")
    assert state["id"] == "c1" and state["pid"] > 1 and state["bundle"] == path
    assert command("start", "c1").returncode != 0, "started already"
    assert command("delete", "c1").returncode != 0, "it is running"
    assert command("kill", "c1", "TERM").returncode == 0
    command.wait_for("c1", "stopped")
    assert command("kill", "c1", "TERM").returncode != 0
    assert command("delete", "c1").returncode == 0
    assert command("state", "c1").returncode != 0


def test_create_applies_the_bundle_as_it_was_then(command: Command, written: Bundle, short_directory: Path) -> None:
    written.shell("echo then").write()
    out = short_directory / "out"
    command.detached("create", "--bundle", str(written.path), "c1", output=out)
    written.shell("echo later").write()

    assert command("start", "c1").returncode == 0
    command.wait_for("c1", "stopped")
    assert out.read_text() == "then\n"


def test_an_id_in_use_is_refused_and_the_container_unharmed(
    command: Command, written: Bundle, short_directory: Path
) -> None:
    path = str(written.shell("sleep 30").write())
    command.detached("run", "--detach", "--bundle", path, "c1", output=short_directory / "out")

    assert command("run", "--bundle", path, "c1").returncode != 0
    assert command.state("c1")["status"] == "running"


def test_exec_enters_the_container_and_gives_its_exit_status(
    command: Command, written: Bundle, short_directory: Path
) -> None:
    path = str(written.shell("sleep 30").write())
    command.detached("run", "--detach", "--bundle", path, "c1", output=short_directory / "out")

    done = command("exec", "c1", "sh", "-c", "hostname; echo pid $(readlink /proc/1/ns/pid | grep -c pid); exit 5")

    assert (done.returncode, done.stdout) == (5, f"{written.spec['hostname']}\npid 1\n")


def test_pause_stops_it_and_resume_lets_it_go_on(command: Command, written: Bundle, short_directory: Path) -> None:
    out = short_directory / "out"
    path = str(written.shell("while :; do echo tick; sleep 0.02; done").write())
    command.detached("run", "--detach", "--bundle", path, "c1", output=out)

    assert command("pause", "c1").returncode == 0
    assert command.state("c1")["status"] == "paused"
    before = out.stat().st_size
    assert command.wait_for("c1", "paused") and out.stat().st_size == before
    assert command("resume", "c1").returncode == 0
    command.wait_for("c1", "running")


@pytest.mark.parametrize("program", ["/no/such/program", "nosuchprogram", "/etc/passwd"])
def test_a_program_that_cannot_be_executed_leaves_no_container(command: Command, written: Bundle, program: str) -> None:
    written.spec["process"]["args"] = [program]

    done = command("run", "--bundle", str(written.write()), "c1")

    assert done.returncode != 0 and done.stderr.count("\n") == 1
    assert command("state", "c1").returncode != 0


def test_a_bundle_without_a_spec_is_refused(command: Command, short_directory: Path) -> None:
    done = command("run", "--bundle", str(short_directory), "c1")

    assert done.returncode != 0 and "config.json" in done.stderr
