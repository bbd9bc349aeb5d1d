"""A real Debian root filesystem, imported: its package manager, its Python, its shell for a person at a terminal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import needs
from tests.cli.driver import Command

RUN = ("run", "--network", "none")
SHELL = (*RUN, "-it", "--name", "shell", "-e", "PS1=ready> ", "debian", "bash", "--norc")


@pytest.fixture(scope="session")
def rootfs() -> str:
    """The tar of the root filesystem, made once on a machine."""
    needs.root()
    needs.program("mmdebstrap")
    script = Path(__file__).parents[1] / "debian.sh"
    return subprocess.run([script], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def debian(command: Command, rootfs: str) -> Command:
    """The command with the image `debian`."""
    command.ok("import", rootfs, "debian")
    return command


def test_its_programs_run(debian: Command) -> None:
    assert debian.ok(*RUN, "--rm", "debian", "apt-get", "--version").startswith("apt 2.")
    assert debian.ok(*RUN, "--rm", "debian", "python3", "-c", "import ssl, json; print(6 * 7)") == "42"
    assert "VERSION_CODENAME=bookworm" in debian.ok(*RUN, "--rm", "debian", "cat", "/etc/os-release")


def test_its_shell_survives_resizing_ctrl_c_detaching_and_attaching(debian: Command) -> None:
    with debian.terminal(*SHELL) as terminal:
        terminal.expect("ready> ")
        terminal.resize(50, 132)
        terminal.type('until [ "$(stty size)" = \'50 132\' ]; do sleep 0.1; done; echo resi"zed"\r')
        terminal.expect("resized")
        terminal.expect("ready> ")
        terminal.type("sh -c 'echo run\"ning\"; exec sleep 1000'\r")
        terminal.expect("running")
        terminal.type("\x03")
        terminal.expect("ready> ")
        terminal.type("memory=kept$?\r")
        terminal.expect("ready> ")
        terminal.type("\x10\x11")
        terminal.expect("read escape sequence")
        assert terminal.end() == 0
        assert terminal.mode() == terminal.mode_before

    with debian.terminal("attach", "shell") as terminal:
        terminal.type("\r")
        terminal.expect("ready> ")
        terminal.type("echo is $memory\r")
        terminal.expect("is kept130")
        terminal.type("exit 7\r")
        assert terminal.end() == 7
        assert terminal.mode() == terminal.mode_before
