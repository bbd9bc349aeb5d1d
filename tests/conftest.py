"""Fixtures for all tests: a private engine, a bundle, and the check that neither leaves anything behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import leaks, needs
from tests.bundles import Bundle

if TYPE_CHECKING:
    from ringfence import Engine
    from ringfence.runtime.native import OciRuntime


def pytest_configure() -> None:
    """Who starts the tests in the background of a script leaves SIGINT ignored, for us and for all that we start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for sockets in it (108 bytes); nothing may be left in use at the end."""
    directory = Path(tempfile.mkdtemp(prefix="rf-", dir="/tmp"))
    before = leaks.Census.take(directory)
    yield directory
    try:
        leaks.assert_nothing_left(before, files=False)
    finally:
        _remove(directory)


@pytest.fixture(scope="session")
def host_root() -> Iterator[Path]:
    """A data directory that holds nothing but the unpacked `host` image: made once, and then copied by hard links."""
    needs.root()
    from ringfence import Engine

    directory = Path(tempfile.mkdtemp(prefix="rf-host-", dir="/tmp"))
    with Engine(root=str(directory / "root"), state=str(directory / "state")) as engine:
        engine.run("host", ["true"], network="none", rm=True)
    yield directory / "root"
    _remove(directory)


@pytest.fixture
def engine(host_root: Path) -> Iterator[Engine]:
    """An engine of its own, with the `host` image; at the end its containers are removed and leaks are counted."""
    from ringfence import Engine

    directory = Path(tempfile.mkdtemp(prefix="rf-", dir="/tmp"))
    before = leaks.Census.take(directory)
    copy_by_links(host_root, directory / "root")
    try:
        with Engine(root=str(directory / "root"), state=str(directory / "state")) as private:
            yield private
            for container in private.ps(all=True):
                private.rm(container["Id"], force=True, volumes=True)
            for group in reversed(private.group_ls()):
                private.group_rm(group["Name"])
        leaks.assert_nothing_left(before, files=False)
    finally:
        _remove(directory)


@pytest.fixture
def bundle(host_root: Path, short_directory: Path) -> Bundle:
    """A bundle with the default spec and a writable tree of the host image."""
    made = Bundle(short_directory / "bundle")
    made.path.mkdir()
    subprocess.run(["cp", "-a", "-T", _layer(host_root), made.rootfs], check=True)  # tests may write in place
    return made


@pytest.fixture
def runtime(short_directory: Path) -> Iterator[OciRuntime]:
    """Our runtime with a state directory of its own; its containers are deleted at the end."""
    needs.root()
    from ringfence.runtime import state
    from ringfence.runtime.native import OciRuntime

    ours = OciRuntime(str(short_directory / "state"))
    yield ours
    for id in state.identifiers(ours.root):
        ours.delete(id, force=True)


def copy_by_links(source: Path, target: Path) -> None:
    """A copy of a tree whose files are hard links: for trees that nobody writes in place. Costs milliseconds."""
    subprocess.run(["cp", "-a", "--link", "-T", source, target], check=True)
    for database in target.glob("ringfence.db*"):  # written in place, so each copy has its own
        content = database.read_bytes()
        database.unlink()
        database.write_bytes(content)


def _layer(host_root: Path) -> Path:
    from ringfence import Engine

    with Engine(root=str(host_root), state=str(host_root.parent / "state")) as engine:
        return Path(engine.snapshots.layer_path(engine.image_store.get("host").chain_ids[-1]))


def _remove(directory: Path) -> None:
    """Remove a test's directory, but never across a mount: that the test left one has been reported already."""
    with open("/proc/self/mountinfo") as table:
        mounted = [line.split()[4] for line in table if line.split()[4].startswith(f"{directory}/")]
    for target in reversed(mounted):
        subprocess.run(["umount", "--lazy", target], check=False)
    for _ in range(50):  # the exit command of a container's monitor may still be putting things away
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)
    shutil.rmtree(directory, ignore_errors=os.geteuid() != 0)
