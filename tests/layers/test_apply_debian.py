"""A real Debian root filesystem, applied by us, by GNU tar and by umoci: the trees must be equal in everything."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from ringfence.layers.apply import apply
from tests import needs
from tests.layers.listing import listing


@pytest.fixture(scope="module")
def debian() -> str:
    needs.root()
    needs.program("mmdebstrap", "tar")
    script = Path(__file__).parents[1] / "debian.sh"
    return subprocess.run([script], check=True, capture_output=True, text=True).stdout.strip()


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


def test_the_tree_is_that_of_umoci(debian: str, applied: Path, tmp_path: Path) -> None:
    needs.program("umoci")
    layout = _layout(tmp_path / "layout", debian)

    subprocess.run(
        ["umoci", "unpack", "--image", f"{layout}:debian", tmp_path / "bundle"], check=True, capture_output=True
    )

    ours, theirs = listing(str(applied)), listing(str(tmp_path / "bundle/rootfs"))
    assert {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)} == set()


def _layout(directory: Path, layer: str) -> Path:
    """An OCI image layout whose only image has this one layer."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(content: bytes, type: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{type}", "digest": f"sha256:{digest}", "size": len(content)}

    tar = blob(Path(layer).read_bytes(), "layer.v1.tar")
    rootfs = {"type": "layers", "diff_ids": [tar["digest"]]}
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode(), "config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "config": config, "layers": [tar]}).encode(), "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "debian"}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return directory
