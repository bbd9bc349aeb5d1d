"""A real Debian root filesystem, applied by us and by GNU tar: the trees must be equal in everything.

The same beside umoci, skopeo and podman: tests/images/test_same_tree.py.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from ringfence.layers.apply import apply
from tests import needs
from tests.layers.listing import debian_rootfs, listing


@pytest.fixture(scope="module")
def debian() -> str:
    needs.root()
    needs.program("tar")
    return debian_rootfs()


@pytest.fixture(scope="module")
def applied(debian: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What we make of it."""
    target = tmp_path_factory.mktemp("applied")
    with open(debian, "rb") as file:
        result = apply(file, str(target))
        file.seek(0)
        assert result.diff_id == f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    assert result.skipped == []
    return target


def test_the_tree_is_that_of_gnu_tar(debian: str, applied: Path, tmp_path: Path) -> None:
    options = ["--numeric-owner", "--same-permissions", "--xattrs", "--xattrs-include=*"]
    subprocess.run(["tar", "-x", *options, "-f", debian, "-C", tmp_path], check=True)

    ours, theirs = listing(str(applied)), listing(str(tmp_path))

    assert len(ours) > 8000
    assert {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)} == set()
