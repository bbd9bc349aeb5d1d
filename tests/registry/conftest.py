"""Fixtures for registry tests: a real registry, and an engine of its own without settings of this machine's user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence import Engine
from tests import needs
from tests.cli.driver import Command
from tests.registry.servers import Registry


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Debian's docker-registry, plain, for everybody."""
    needs.program("docker-registry")
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home directory of a user who has set up nothing."""
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


@pytest.fixture
def client(short_directory: Path, home: Path) -> Iterator[Engine]:
    """An engine without any image, for the user of `home`."""
    needs.root()
    root, state = short_directory / "root", short_directory / "state"
    environ = {"HOME": str(home), "PATH": f"{home}/bin"}
    with Engine(root=str(root), state=str(state), environment=environ) as engine:
        yield engine


@pytest.fixture
def command(client: Engine, home: Path) -> Command:
    """The command line on the same directories, for the same user."""
    made = Command(client.root, client.state)
    made.environment["HOME"] = str(home)
    return made
