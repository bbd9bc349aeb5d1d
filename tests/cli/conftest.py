"""The command line's own fixtures."""

from __future__ import annotations

import pytest

from ringfence import Engine
from tests.cli.driver import Command


@pytest.fixture
def command(engine: Engine) -> Command:
    """The command with private directories and the image `host`; its containers are removed at the end."""
    return Command(engine.root, engine.state)
