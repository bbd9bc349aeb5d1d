"""Imports cost milliseconds: what one run of each command may import, counted in the process that does the run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ringfence import frozen
from tests import needs
from tests.bundles import Bundle
from tests.conftest import copy_by_links

# As ringfence/command.py does it, but that it tells at the end what has been imported, in whatever way.
PROGRAM = """
import sys
from ringfence import frozen
frozen.use()
from {} import main
status = main(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""

# Each costs milliseconds with what it brings along (`python -X importtime -c "import typing"`), and none is needed.
FORBIDDEN = {
    "argparse", "asyncio", "backports", "concurrent.futures", "contextlib", "dataclasses", "datetime", "email", "enum",
    "importlib.metadata", "inspect", "isal", "json", "logging", "multiprocessing", "pathlib", "random", "re", "shutil",
    "signal", "socket", "subprocess", "tarfile", "tempfile", "traceback", "typing", "urllib", "uuid", "zipfile",
}  # fmt: skip
MOST_MODULES = {"run": 158, "ringrun": 64}
MOST_ALONE = 3
"""How many of them may be a piece of the frozen file by themselves, to be found and read one by one."""


def imported(program: str, words: list[str], environment: dict[str, str]) -> list[str]:
    """The modules that a program imports beyond what the interpreter and `site` do by themselves."""
    bare = _modules("import sys; print(*sys.modules, file=sys.stderr)", [], environment)
    return [name for name in _modules(program, words, environment) if name not in bare]


def _modules(program: str, words: list[str], environment: dict[str, str]) -> list[str]:
    argv = [sys.executable, "-I", "-c", program, *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1].split()


def over_budget(modules: list[str]) -> list[str]:
    return [name for name in modules if name in FORBIDDEN or name.split(".")[0] in FORBIDDEN]


def alone(modules: list[str]) -> list[str]:
    """Those that share their piece of the frozen file with no other (see `freeze.TOGETHER`)."""
    with open(frozen.PATH, "rb") as file:
        length = int.from_bytes(file.read(frozen.HEAD)[-16:-8], "little")
        lines = file.read(length).decode().split("\n")[1:-1]
    places = {name: place for name, place, _ in (line.split() for line in lines)}
    shared = Counter(places.values())
    return [name for name in modules if name in places and shared[places[name]] == 1]


def test_ringfence_run_imports_nothing_heavy(host_root: Path, short_directory: Path) -> None:
    needs.root()
    copy_by_links(host_root, short_directory / "root")
    environment = {
        "PATH": os.environ["PATH"],
        "RINGFENCE_ROOT": str(short_directory / "root"),
        "RINGFENCE_STATE": str(short_directory / "state"),
    }

    program, words = PROGRAM.format("ringfence.cli.main"), ["run", "--rm", "--network", "none", "host", "true"]
    imported(program, words, environment)  # the first in a while looks whether the image is as the host is

    modules = imported(program, words, environment)

    assert over_budget(modules) == []
    assert len(modules) <= MOST_MODULES["run"], modules
    assert len(alone(modules)) <= MOST_ALONE, alone(modules)


def test_ringrun_imports_nothing_heavy(bundle: Bundle, short_directory: Path) -> None:
    needs.root()
    bundle.spec["process"]["args"] = ["true"]
    root = str(short_directory / "ringrun")

    words = ["--root", root, "run", "--bundle", str(bundle.write()), short_directory.name]
    modules = imported(PROGRAM.format("ringfence.runtime.ringrun"), words, {"PATH": os.environ["PATH"]})

    assert over_budget(modules) == []
    assert len(modules) <= MOST_MODULES["ringrun"], modules
    assert len(alone(modules)) <= MOST_ALONE, alone(modules)


@pytest.mark.parametrize("statement", ["import ringfence", "import ringfence.errors"])
def test_importing_the_package_alone_imports_nothing_else(statement: str) -> None:
    program = f"import sys; {statement}; print(*sys.modules, file=sys.stderr)"
    modules = imported(program, [], {"PATH": os.environ["PATH"]})
    assert [name for name in modules if not name.startswith(("ringfence", "__future__"))] == []
