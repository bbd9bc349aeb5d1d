"""What `explain IMAGE` and `image tree` tell of an image of many layers, beside a reckoning of another kind: from the
trees that umoci makes of the first one, two, three, ... layers, and from the layers' tables of contents.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

from tests import needs
from tests.build.conftest import Builder
from tests.images.conftest import run

DOCKERFILE = """\
FROM host
RUN mkdir -p /srv/a/b && head -c 3000000 /dev/zero > /srv/a/big && echo one > /srv/a/b/one && echo two > /srv/a/b/two
RUN echo changed > /srv/a/b/one && rm /srv/a/big && head -c 5000 /dev/zero > /srv/new && ln -s new /srv/link
COPY Dockerfile /srv/a/b/two
RUN rm -r /srv/a && echo again > /srv/new && touch /srv/empty
RUN head -c 70000 /dev/zero > /srv/last && ln /srv/last /srv/last-too && chmod 600 /srv/empty
RUN echo other > /srv/other && mv /srv/other /srv/last
"""
KEYS = ("size", "added", "changed", "removed", "shadows", "wasted")


def test_the_numbers_are_those_of_an_independent_reckoning(builder: Builder, tmp_path: Path) -> None:
    needs.root()
    needs.program("umoci")
    built = builder(DOCKERFILE, tag=["reckoned"])
    found = builder.engine.explain_image(built.id)
    layout = tmp_path / "layout"
    with open(tmp_path / "saved", "wb") as file:
        builder.engine.save(["reckoned"], file, format="oci-archive")
    with tarfile.open(tmp_path / "saved") as archive:
        archive.extractall(layout, filter="data")

    expected = reckon(layout, tmp_path)

    assert [{key: row[key] for key in KEYS} for row in found["layers"]] == expected
    assert len(expected) == 7 and found["image"]["size"] == sum(row["size"] for row in expected)
    assert found["image"]["wasted"] == sum(row["wasted"] for row in expected) > 3_000_000
    assert found["wasted"][0] == {"path": "/srv/a/big", "size": 3_000_000, "hiddenBy": 2}


def reckon(layout: Path, directory: Path) -> list[dict[str, int]]:
    """A row for each layer of the only image of a layout."""
    manifest, config = _documents(layout)
    rows: list[dict[str, int]] = []
    owners: dict[str, int] = {}
    before: dict[str, os.stat_result] = {}
    for number, layer in enumerate(manifest["layers"]):
        after = _tree(layout, manifest, config, number + 1, directory)
        with tarfile.open(layout / "blobs" / layer["digest"].replace(":", "/")) as tar:
            members = {member.name.removeprefix("./"): member for member in tar
                       if not member.isdir() and ".wh." not in member.name}  # fmt: skip
        gone = before.keys() - after.keys()
        replaced = before.keys() & members.keys()
        rows.append({
            "size": sum(member.size for member in members.values() if member.isreg()),
            "added": len(members.keys() - before.keys()), "changed": len(replaced), "removed": len(gone),
            "shadows": _hidden(before, gone | replaced), "wasted": 0,
        })  # fmt: skip
        owners = {path: owner for path, owner in owners.items() if path in after} | dict.fromkeys(members, number)
        before = after
    for number, row in enumerate(rows):
        seen = {before[path].st_ino: _size(before[path]) for path, owner in owners.items() if owner == number}
        row["wasted"] = row["size"] - sum(seen.values())
    return rows


def _hidden(before: dict[str, os.stat_result], paths: set[str]) -> int:
    """The bytes of the files all of whose names are among the paths."""
    seen = {status.st_ino for path, status in before.items() if path not in paths}
    return sum({before[path].st_ino: _size(before[path]) for path in paths if before[path].st_ino not in seen}.values())


def _documents(layout: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_text())
    return manifest, json.loads((layout / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_text())


def _tree(
    layout: Path, manifest: dict[str, Any], config: dict[str, Any], count: int, directory: Path
) -> dict[str, os.stat_result]:
    """The files that umoci makes of the first layers."""
    manifest, config = copy.deepcopy(manifest), copy.deepcopy(config)
    config["rootfs"]["diff_ids"] = config["rootfs"]["diff_ids"][:count]
    config["history"] = []
    manifest["layers"] = manifest["layers"][:count]
    manifest["config"] |= _blob(layout, config)
    entry = {"mediaType": manifest["mediaType"], **_blob(layout, manifest),
             "annotations": {"org.opencontainers.image.ref.name": str(count)}}  # fmt: skip
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    root = directory / f"tree{count}"
    run("umoci", "raw", "unpack", "--image", f"{layout}:{count}", str(root))
    paths = [path for path in root.rglob("*") if not stat.S_ISDIR(path.lstat().st_mode)]
    return {str(path.relative_to(root)): path.lstat() for path in paths}


def _blob(layout: Path, document: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def _size(status: os.stat_result) -> int:
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
