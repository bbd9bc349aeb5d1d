"""`run`, `exec`, `start -a` and `attach` with pipes: what goes in, comes out, and how it ends."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ringfence import Engine
from tests.cli.driver import COMMAND, Command, eventually

BOX = ("run", "--rm", "--network", "none")


def test_output_errors_and_exit_code_are_the_program_s(command: Command) -> None:
    done = command.run(*BOX, "host", "sh", "-c", "echo out; echo err >&2; exit 42")

    assert (done.status, done.out, done.err) == (42, "out\n", "err\n")
    assert command.ok("ps", "-aq") == ""


def test_input_is_given_with_i_only(command: Command) -> None:
    assert command.ok(*BOX, "-i", "host", "cat", input=b"hello\nworld") == "hello\nworld"
    assert command.ok(*BOX, "host", "cat", input=b"hello") == ""


def test_much_input_and_output_at_once_do_not_stop_each_other(command: Command) -> None:
    data = os.urandom(3 << 20)
    process = command.start(*BOX, "-i", "host", "cat", stdin=subprocess.PIPE)
    out, _ = process.communicate(data, timeout=60)

    assert process.returncode == 0
    assert out == data


@pytest.mark.parametrize(
    ("program", "status"), [("no-such-program", 127), ("/etc/passwd", 126), ("/etc", 126), ("/no/such/path", 127)]
)
def test_a_program_that_cannot_be_executed_is_126_or_127(command: Command, program: str, status: int) -> None:
    done = command.run(*BOX, "host", program)

    assert done.status == status
    assert program in done.err and done.err.count("\n") == 1
    assert command.ok("ps", "-aq") == ""


def test_death_by_signal_is_128_and_its_number(command: Command) -> None:
    assert command.run(*BOX, "host", "sh", "-c", "kill -9 $$").status in (0, 137)  # pid 1 is spared by the kernel
    assert command.run(*BOX, "host", "sh", "-c", "sh -c 'kill -9 $$'; exit $?").status == 137


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(command: Command, number: signal.Signals) -> None:
    script = f"trap 'echo got; exit 9' {number.name[3:]}; echo ready; while :; do sleep 0.1; done"
    process = command.start(*BOX, "host", "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    process.send_signal(number)

    assert process.communicate(timeout=30)[0] == b"got\n"
    assert process.returncode == 9


def test_three_interrupts_leave_a_program_that_ignores_them(command: Command, engine: Engine) -> None:
    process = command.start("run", "--name", "deaf", "--network", "none", "host", "sh", "-c",
                            "trap '' INT; echo ready; sleep 1000")  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)

    assert b"forcefully exiting" in process.communicate(timeout=30)[1]
    assert process.returncode == 1
    assert engine.container("deaf").status == "running"


def test_without_sig_proxy_an_interrupt_leaves_the_container(command: Command, engine: Engine) -> None:
    process = command.start("run", "--sig-proxy=false", "--name", "on", "--network", "none", "host", "sh", "-c",
                            "echo ready; sleep 1000")  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 130
    assert engine.container("on").status == "running"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_as_good_as_dev_null(command: Command, closed: str) -> None:
    line = f"{shlex.join([*COMMAND, *BOX, '-i', 'host', 'sh', '-c'])} 'echo out; echo err >&2; cat' {closed}"

    done = subprocess.run(line, shell=True, env=command.environment, stdin=subprocess.DEVNULL, capture_output=True)

    assert done.returncode == 0
    assert done.stdout == (b"" if ">&- 2" in closed or closed == ">&-" else b"out\n")
    assert command.ok("ps", "-aq") == ""


def test_a_broken_pipe_ends_the_command_and_not_the_container(command: Command, engine: Engine) -> None:
    words = ("run", "--name", "talker", "--network", "none", "host", "sh", "-c", "while echo more; do sleep 0.01; done")
    with command.start(*words) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()

        assert process.wait(timeout=30) == 141
    assert engine.container("talker").status == "running"


def test_detached_it_prints_the_id(command: Command, engine: Engine, tmp_path: Path) -> None:
    id = command.ok("run", "-d", "--cidfile", str(tmp_path / "cid"), "--network", "none", "host", "sleep", "1000")

    assert len(id) == 64
    assert (tmp_path / "cid").read_text() == id
    assert engine.container(id).status == "running"


def test_create_start_and_attach_are_run_in_steps(command: Command) -> None:
    id = command.ok("create", "-i", "--name", "steps", "--network", "none", "host", "cat")

    assert command.ok("start", "-ai", "steps", input=b"abc") == "abc"
    assert command.ok("inspect", "-f", "{{.Id}} {{.State.Status}} {{.State.ExitCode}}", "steps") == f"{id} exited 0"


def test_start_attached_ends_with_the_exit_code(command: Command) -> None:
    command.ok("create", "--name", "five", "--network", "none", "host", "sh", "-c", "echo hi; exit 5")

    done = command.run("start", "-a", "five")

    assert (done.status, done.out) == (5, "hi\n")


def test_attach_shows_what_comes_and_the_exit_code(command: Command) -> None:
    command.ok("run", "-d", "--name", "late", "--network", "none", "host", "sh", "-c",
               "while ! test -e /go; do sleep 0.05; done; echo went; exit 4")  # fmt: skip
    process = command.start("attach", "late")
    time.sleep(0.5)
    command.ok("exec", "late", "touch", "/go")

    out, _ = process.communicate(timeout=30)

    assert (process.returncode, out) == (4, b"went\n")


def test_exec_runs_another_program(command: Command) -> None:
    command.ok("run", "-d", "--name", "box", "--network", "none", "host", "sleep", "1000")

    assert command.ok("exec", "-e", "A=1", "-w", "/tmp", "box", "sh", "-c", "echo $A $PWD") == "1 /tmp"
    assert command.ok("exec", "-i", "box", "cat", input=b"in") == "in"
    assert command.run("exec", "box", "sh", "-c", "exit 6").status == 6
    assert command.run("exec", "box", "no-such-program").status == 127
    assert command.run("exec", "box", "/etc/passwd").status == 126
    assert command.ok("exec", "-d", "box", "touch", "/made") == ""
    eventually(lambda: command.run("exec", "box", "ls", "/made").status == 0, "the detached program's file")


def test_exec_needs_a_running_container(command: Command) -> None:
    command.ok("create", "--name", "still", "--network", "none", "host", "true")

    done = command.run("exec", "still", "true")

    assert done.status == 1
    assert "still" in done.err or "is not running" in done.err


def test_a_variable_without_value_is_taken_from_our_environment(command: Command) -> None:
    command.environment["SECRET"] = "from here"

    assert command.ok(*BOX, "-e", "SECRET", "host", "sh", "-c", "echo $SECRET") == "from here"
