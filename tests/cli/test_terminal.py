"""A person at a terminal: -it, resizing, Ctrl-C, detaching and coming back."""

from __future__ import annotations

from tests.cli.driver import Command

SHELL = ("run", "-it", "--network", "none", "--name", "shell", "-e", "PS1=ready> ", "host", "sh")


def test_a_shell_has_our_terminal_and_its_size(command: Command) -> None:
    with command.terminal(*SHELL) as terminal:
        terminal.expect("ready> ")
        terminal.type("stty size; tty\r")
        terminal.expect("24 80")
        terminal.expect("/dev/pts/")
        terminal.type("exit 3\r")

        assert terminal.end() == 3
        assert terminal.mode() == terminal.mode_before


def test_a_new_size_reaches_the_shell(command: Command) -> None:
    with command.terminal(*SHELL) as terminal:
        terminal.expect("ready> ")
        terminal.resize(50, 132)
        terminal.type("sleep 0.3; stty size\r")
        terminal.expect("50 132")
        terminal.type("exit\r")

        assert terminal.end() == 0


def test_ctrl_c_interrupts_what_the_shell_runs_and_not_us(command: Command) -> None:
    with command.terminal(*SHELL) as terminal:
        terminal.expect("ready> ")
        terminal.type("sh -c 'echo run\"ning\"; exec sleep 1000'\r")
        terminal.expect("running")
        terminal.type("\x03")
        terminal.expect("ready> ")
        terminal.type("echo status $?\r")
        terminal.expect("status 130")
        terminal.type("exit\r")
        terminal.end()


def test_ctrl_p_ctrl_q_detaches_and_attach_comes_back(command: Command) -> None:
    with command.terminal(*SHELL) as terminal:
        terminal.expect("ready> ")
        terminal.type("memory=kept\r")
        terminal.expect("ready> ")
        terminal.type("\x10\x11")
        terminal.expect("read escape sequence")
        assert terminal.end() == 0
        assert terminal.mode() == terminal.mode_before
    assert command.ok("ps", "--format", "{{.Names}}") == "shell"

    with command.terminal("attach", "shell") as terminal:
        terminal.type("\r")
        terminal.expect("ready> ")
        terminal.type("echo is $memory\r")
        terminal.expect("is kept")
        terminal.type("exit 7\r")

        assert terminal.end() == 7


def test_a_single_ctrl_p_is_passed_on_when_another_key_follows(command: Command) -> None:
    script = "stty raw -echo; echo go; head -c 2 | od -c"
    with command.terminal("run", "--rm", "-it", "--network", "none", "host", "sh", "-c", script) as terminal:
        terminal.expect("go")
        terminal.type("\x10x")

        terminal.expect("020   x")
        assert terminal.end() == 0


def test_other_detach_keys_can_be_chosen(command: Command) -> None:
    with command.terminal("run", "-it", "--detach-keys", "ctrl-x,x", *SHELL[2:]) as terminal:
        terminal.expect("ready> ")
        terminal.type("\x10\x11echo still here\r")
        terminal.expect("still here")
        terminal.type("\x18x")
        assert terminal.end() == 0


def test_exec_has_a_terminal_of_its_own(command: Command) -> None:
    command.ok("run", "-d", "--name", "box", "--network", "none", "host", "sleep", "1000")

    with command.terminal("exec", "-it", "-e", "PS1=inner> ", "box", "sh") as terminal:
        terminal.expect("inner> ")
        terminal.resize(40, 100)
        terminal.type("sleep 0.3; stty size\r")
        terminal.expect("40 100")
        terminal.type("exit 5\r")

        assert terminal.end() == 5


def test_hanging_up_is_passed_on_and_leaves_the_terminal_as_it_was(command: Command) -> None:
    script = "trap 'exit 4' HUP; echo ready; while :; do sleep 0.1; done"
    with command.terminal("run", "--rm", "-it", "--network", "none", "host", "sh", "-c", script) as terminal:
        terminal.expect("ready")
        assert terminal.mode() != terminal.mode_before
        terminal.hang_up()

        assert terminal.end() == 4
        assert terminal.mode() == terminal.mode_before


def test_a_terminal_is_wanted_for_it(command: Command) -> None:
    done = command.run("run", "-it", "--rm", "host", "sh")

    assert (done.status, done.err) == (
        1,
        "ringfence: the input device is not a TTY (see 'ringfence run --help')\n",
    )


def test_questions_of_prune_are_asked_and_no_is_no(command: Command) -> None:
    command.ok("create", "--name", "kept", "--network", "none", "host", "true")
    with command.terminal("container", "prune") as terminal:
        terminal.expect("[y/N] ")
        terminal.type("n\r")
        assert terminal.end() == 0
    assert command.ok("ps", "-a", "--format", "{{.Names}}") == "kept"
