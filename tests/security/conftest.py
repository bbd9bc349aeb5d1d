"""The attacker: `attacks.c`, compiled statically so that it runs in any tree."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bundles import Bundle


@pytest.fixture(scope="session")
def attacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program, on the host."""
    return compile_attacks(tmp_path_factory.mktemp("attacks"))


def compile_attacks(directory: Path) -> Path:
    """The program, made in `directory`."""
    program = directory / "attacks"
    source = Path(__file__).with_name("attacks.c")
    compiler = next(name for name in ("cc", "gcc", "clang", "tcc") if shutil.which(name))
    subprocess.run([compiler, "-static", "-o", program, source], check=True)
    return program


@pytest.fixture
def hostile(bundle: Bundle, attacks: Path) -> Bundle:
    """A bundle that holds the attacker as /attacks."""
    shutil.copy(attacks, bundle.rootfs / "attacks")
    return bundle


@pytest.fixture
def outside(short_directory: Path) -> Path:
    """A directory of the host in which nothing may ever appear. Its path exists on the host only."""
    directory = short_directory / "outside"
    directory.mkdir()
    return directory
