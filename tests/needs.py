"""What a test needs of the machine: a missing need skips with its reason, and fails where CI=true promised it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI lacks what this test needs: {reason}")
    pytest.skip(reason)


def root() -> None:
    """The test needs uid 0 with CAP_SYS_ADMIN in the initial user namespace."""
    if os.geteuid() != 0:
        _missing("needs root")


def program(*names: str) -> None:
    """The test needs these programs on PATH (a peer or a tool)."""
    for name in names:
        if shutil.which(name) is None:
            _missing(f"needs the program {name}")


def static_program(name: str) -> None:
    """The test needs this program on PATH, needing no library: one that runs in an image of its own."""
    program(name)
    if subprocess.run(["ldd", str(shutil.which(name))], capture_output=True).returncode == 0:
        _missing(f"needs a static {name}")


def file(path: str) -> None:
    """The test needs this file or directory of the host."""
    if not os.path.exists(path):
        _missing(f"needs {path}")
