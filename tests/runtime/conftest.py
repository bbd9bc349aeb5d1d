"""ringrun as a command, for what only its command line shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.bundles import Bundle
from tests.runtime.peers import Command


@pytest.fixture
def ringrun(short_directory: Path) -> Iterator[Command]:
    """The command with a root of its own; its containers are deleted at the end."""
    needs.root()
    command = Command("ringrun", short_directory)
    yield command
    for id in command("list", "--quiet").stdout.split():
        command("delete", "--force", id)


@pytest.fixture
def sleeping(ringrun: Command, bundle: Bundle, short_directory: Path) -> Bundle:
    """A bundle whose container, called like the bundle, runs `sleep`; its program ends by TERM."""
    bundle.shell("trap 'exit 3' TERM; trap 'exit 4' USR1; while :; do sleep 0.05; done")
    started = ringrun.detached(
        "run", "--detach", "--bundle", str(bundle.write()), bundle.id, output=short_directory / "out"
    )
    assert started == 0, (short_directory / "out").read_text()
    return bundle
