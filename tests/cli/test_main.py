"""The program around the verbs: its global flags, its help, its environment, its entry script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringfence import __version__
from ringfence.cli import main
from ringfence.errors import Failed

PROJECT = Path(__file__).parent.parent.parent


def entry(*words: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    argv = [sys.executable, *options, "-c", "from ringfence import command; command.run('ringfence')", *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("word", ["-v", "--version"])
def test_the_version_is_told(word: str) -> None:
    assert entry(word).stdout == f"ringfence version {__version__}\n"


@pytest.mark.parametrize("words", [(), ("--help",), ("container",), ("volume", "--help"), ("run", "--help")])
def test_help_goes_to_stdout_and_is_no_failure(words: tuple[str, ...]) -> None:
    done = entry(*words)

    assert done.returncode == 0
    assert done.stdout.startswith("Usage:  ringfence")
    assert done.stderr == ""


def test_a_wrong_word_costs_no_import_of_what_it_does_not_need() -> None:
    done = entry("ps", "--frob", options=("-X", "importtime"))

    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "ringfence.cli.ps" in imported
    assert not imported & {"re", "argparse", "sqlite3", "json", "socket", "ringfence.cli.run"}


def test_the_environment_names_the_directories() -> None:
    environment = {"RINGFENCE_ROOT": "/r", "RINGFENCE_STATE": "/s", "XDG_DATA_HOME": "/x", "XDG_RUNTIME_DIR": "/y"}

    assert main.directories(environment, root=False) == ("/r", "/s")
    assert main.directories({"XDG_DATA_HOME": "/x", "XDG_RUNTIME_DIR": "/y"}, root=False) == (
        "/x/ringfence",
        "/y/ringfence",
    )
    assert main.directories({"XDG_DATA_HOME": "/x", "XDG_RUNTIME_DIR": "/y"}, root=True) == (None, None)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file or directory", "/a"), "/a: No such file or directory"),
        (OSError(18, "Invalid cross-device link", "/a", None, "/b"), "/a -> /b: Invalid cross-device link"),
        (PermissionError(1, "Operation not permitted"), "Operation not permitted"),
        (Failed("one\ntwo", hint="do this"), "one two (do this)"),
    ],
)
def test_an_error_is_one_line_that_names_its_places(error: Exception, line: str) -> None:
    assert main.explain(error) == line


LOST = """
import os, signal, sys, time
from ringfence.cli import main

class Finalized:
    def __del__(self):  # who interrupts here interrupts nobody: Python tells of it and goes on
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

def verb(words):
    Finalized()
    time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)
main.main = verb
main.script()
"""


def test_ctrl_c_is_heard_even_where_nobody_can_catch_it() -> None:
    done = subprocess.run([sys.executable, "-c", LOST], cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert "KeyboardInterrupt" in done.stderr and done.returncode != 0
