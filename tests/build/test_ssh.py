"""--ssh: an agent for RUN steps, somebody's own or one that holds the keys of files for the time of the build."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ringfence import Engine
from ringfence.build.ssh_agent import Agent
from ringfence.errors import Unsupported
from tests import needs
from tests.build.conftest import Builder

Fails = Callable[..., str]


def key(directory: Path, name: str, passphrase: str = "") -> str:
    """The path of a new key."""
    needs.program("ssh-keygen", "ssh-agent", "ssh-add")
    path = str(directory / name)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", path], check=True)
    return path


def test_keys_of_files_are_there_while_the_build_goes_on(builder: Builder, tmp_path: Path) -> None:
    one, two = key(tmp_path, "one"), key(tmp_path, "two")
    built = builder('FROM host\nRUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo yes > /there\n',
                    ssh=[f"default={one},{two}"])  # fmt: skip
    assert builder.read(built, "/there") == "yes\n"

    with Agent(builder.engine, [one, two]) as agent:
        environ = {**os.environ, "SSH_AUTH_SOCK": agent}
        listed = subprocess.run(["ssh-add", "-l"], env=environ, check=True, capture_output=True, text=True).stdout
        assert [line.split()[2] for line in listed.splitlines()] == ["one", "two"]
    assert not os.path.exists(agent)
    assert os.listdir(f"{builder.engine.state}/scratch") == []


def test_a_key_that_cannot_be_taken_is_one_line(fails: Fails, tmp_path: Path) -> None:
    no_key = tmp_path / "no-key"
    no_key.write_text("x")
    no_key.chmod(0o600)
    step = "FROM host\nRUN --mount=type=ssh true\n"
    assert f"--ssh: {no_key}: ssh-add: " in fails(step, ssh=[f"default={no_key}"])
    locked = key(tmp_path, "locked", "passphrase")
    assert f"--ssh: {locked}: ssh-add: it has a passphrase" in fails(step, ssh=[f"default={locked}"])


def test_without_an_agent_program_it_is_told(tmp_path: Path) -> None:
    with (
        Engine(root=str(tmp_path / "root"), state=str(tmp_path / "state"), environment={"PATH": "/nosuch"}) as engine,
        pytest.raises(Unsupported, match="needs the program ssh-agent"),
        Agent(engine, ["/nosuch"]),
    ):
        pass
