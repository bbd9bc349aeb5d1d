"""Fixtures for image tests: stores, small root filesystems, and real peers with stores of their own."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ringfence.images.image import Image
from ringfence.images.import_ import import_tarball
from ringfence.images.make import Layer, store_layer
from ringfence.images.store import ImageStore
from ringfence.snapshots import Snapshotter, open_snapshotter
from tests import needs
from tests.layers.listing import listing


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ImageStore]:
    store = ImageStore(tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
def snapshotter(tmp_path: Path) -> Snapshotter:
    needs.root()
    return open_snapshotter(str(tmp_path / "data"))


def tarball(files: dict[str, bytes | None]) -> bytes:
    """A tar with these files (None: a directory); a name that ends in `@TARGET` is a symlink."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            path, _, target = name.partition("@")
            entry = tarfile.TarInfo(path)
            if target:
                entry.type, entry.linkname = tarfile.SYMTYPE, target
            elif content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            entry.size = len(content or b"")
            tar.addfile(entry, io.BytesIO(content or b""))
    return buffer.getvalue()


ROOT = {"etc": None, "etc/hostname": b"box\n", "bin": None, "bin/tool": os.urandom(5000), "bin/sh@tool": None}


@pytest.fixture
def image(store: ImageStore) -> Image:
    """An image of one layer, named base:1."""
    return make_image(store, "base:1")


def make_image(store: ImageStore, name: str = "", **files: bytes) -> Image:
    content = {**ROOT, **{key.replace("_", "/"): value for key, value in files.items()}}
    return import_tarball(store, io.BytesIO(tarball(content)), name, changes=['CMD ["sh"]', "ENV A=1"])


def stored(store: ImageStore, tar: bytes) -> Callable[[], Layer]:
    """What `commit` takes: it stores the tar as a layer when it is called."""
    return lambda: store_layer(store, io.BytesIO(tar))


def is_empty(store: ImageStore) -> bool:
    """Nothing is recorded, and no blob is there, not even one that nobody needs."""
    return store.list() == [] and list(store.content.digests()) == []


def unpacked_archive(path: Path) -> dict[str, bytes]:
    """The files of a tar archive by name."""
    with tarfile.open(path) as tar:
        return {member.name: read(tar, member) for member in tar if member.isfile()}


def read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


class Podman:
    """podman with a store of its own."""

    def __init__(self, directory: Path) -> None:
        self._store = f"[vfs@{directory}/root+{directory}/run]"
        self._options = ["--root", f"{directory}/root", "--runroot", f"{directory}/run", "--storage-driver", "vfs"]

    def __call__(self, *arguments: str) -> str:
        return run("podman", *self._options, *arguments)

    def tree(self, source: str, name: str) -> str:
        """The directory that has the tree of an image, which skopeo has put into podman's store under this name."""
        run("skopeo", "copy", "--quiet", source, f"containers-storage:{self._store}{name}")
        return self("image", "mount", name).strip()

    def image_id(self, name: str) -> str:
        return "sha256:" + str(json.loads(self("image", "inspect", name))[0]["Id"])


@pytest.fixture
def podman() -> Iterator[Podman]:
    needs.root()
    needs.program("podman")
    directory = Path(tempfile.mkdtemp(prefix="rf-podman-", dir="/tmp"))
    try:
        yield Podman(directory)
    finally:
        shutil.rmtree(directory)


class Failed(AssertionError):
    """A peer's command has failed."""


def run(*command: str, directory: Path | None = None) -> str:
    """The standard output of a command; its errors are shown if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def merged(root: str) -> dict[str, str]:
    """All of a tree but the root itself, of which no layer needs to say anything."""
    found = listing(root)
    del found["."]
    return found


def without_directory_times(tree: dict[str, str]) -> dict[str, str]:
    """A directory that a layer does not list has the time of unpacking with peers, that of a lower layer or 0 here."""
    return {path: _without_time(line) if line.startswith("d") else line for path, line in tree.items()}


def _without_time(line: str) -> str:
    return " ".join(word for word in line.split() if not word.startswith("mtime="))


def raw_manifest(reference: str) -> dict[str, Any]:
    return json.loads(run("skopeo", "inspect", "--raw", reference))  # type: ignore[no-any-return]
