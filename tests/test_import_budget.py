"""Imports cost milliseconds: what one run of each command may import, counted in the process that does the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs
from tests.bundles import Bundle
from tests.conftest import copy_by_links

# As native/command.c does it.
COMMAND = ["-I", "-c", "import sys; from ringfence import command; command.run(sys.argv.pop(1))"]

# Each costs milliseconds with what it brings along (`python -X importtime -c "import typing"`), and none is needed.
FORBIDDEN = {
    "argparse", "asyncio", "backports", "concurrent.futures", "contextlib", "dataclasses", "datetime", "email", "enum",
    "importlib.metadata", "inspect", "isal", "json", "logging", "multiprocessing", "pathlib", "random", "re", "shutil",
    "signal", "socket", "subprocess", "tarfile", "tempfile", "traceback", "typing", "urllib", "uuid", "zipfile",
}  # fmt: skip
MOST_MODULES = {"run": 164, "ringrun": 66}


def imported(argv: list[str], environment: dict[str, str]) -> list[str]:
    """The modules that a run imports beyond what the interpreter and `site` do by themselves."""
    bare = _import_log([sys.executable, "-X", "importtime", "-c", ""], environment)
    return [name for name in _import_log([sys.executable, "-X", "importtime", *argv], environment) if name not in bare]


def _import_log(argv: list[str], environment: dict[str, str]) -> list[str]:
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")]


def over_budget(modules: list[str]) -> list[str]:
    return [name for name in modules if name in FORBIDDEN or name.split(".")[0] in FORBIDDEN]


def test_ringfence_run_imports_nothing_heavy(host_root: Path, short_directory: Path) -> None:
    needs.root()
    copy_by_links(host_root, short_directory / "root")
    environment = {
        "PATH": os.environ["PATH"],
        "RINGFENCE_ROOT": str(short_directory / "root"),
        "RINGFENCE_STATE": str(short_directory / "state"),
    }

    argv = [*COMMAND, "ringfence", "run", "--rm", "--network", "none", "host", "true"]
    imported(argv, environment)  # the first in a while looks whether the image is as the host is, and caches a filter

    modules = imported(argv, environment)

    assert over_budget(modules) == []
    assert len(modules) <= MOST_MODULES["run"], modules


def test_ringrun_imports_nothing_heavy(bundle: Bundle, short_directory: Path) -> None:
    needs.root()
    bundle.spec["process"]["args"] = ["true"]
    root = str(short_directory / "ringrun")

    argv = [*COMMAND, "ringrun", "--root", root, "run", "--bundle", str(bundle.write()), short_directory.name]
    modules = imported(argv, {"PATH": os.environ["PATH"]})

    assert over_budget(modules) == []
    assert len(modules) <= MOST_MODULES["ringrun"], modules


@pytest.mark.parametrize("statement", ["import ringfence", "import ringfence.errors"])
def test_importing_the_package_alone_imports_nothing_else(statement: str) -> None:
    project = Path(__file__).parent.parent
    modules = imported(["-c", statement], {"PATH": os.environ["PATH"], "PYTHONPATH": str(project)})
    assert [name for name in modules if not name.startswith(("ringfence", "__future__"))] == []
