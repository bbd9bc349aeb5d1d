"""Verbs and flags about images that podman has and docker has not: untag, exists, rmi --all, images --sort, ..."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.driver import Command


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A root filesystem of one file, as a tar."""
    import tarfile

    (tmp_path / "file").write_text("content")
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.add(tmp_path / "file", "file")
    return tmp_path / "root.tar"


def test_an_image_exists_until_it_is_removed(command: Command, files: Path) -> None:
    command.ok("import", "-q", str(files), "one:1")
    assert command.run("image", "exists", "one:1").status == 0
    assert command.run("rmi", "one:1", "--ignore").status == 0
    assert command.run("image", "exists", "one:1").status == 1
    assert command.ok("rmi", "--ignore", "one:1") == command.ok("rmi", "-i", "one:1") == ""
    assert command.run("rmi", "one:1").status == 1
    forced = command.run("rmi", "--force", "one:1")
    assert (forced.status, forced.err) == (0, "ringfence: no such image: one:1\n")


def test_untag_takes_names_and_leaves_the_image(command: Command, files: Path) -> None:
    id = command.ok("import", str(files), "one:1")
    command.ok("tag", "one:1", "two:2")
    command.ok("untag", "one:1", "two:2")
    assert json.loads(command.ok("image", "inspect", id))[0]["RepoTags"] == ["one:1"]
    assert "has no name two:2" in command.run("untag", "one:1", "two:2").err
    command.ok("untag", "one:1")
    assert json.loads(command.ok("image", "inspect", id))[0]["RepoTags"] == []
    command.ok("rmi", id)


def test_all_images_are_removed_at_once(command: Command, files: Path) -> None:
    for name in ("one:1", "two:2"):
        command.ok("import", "--message", name, str(files), name)
    command.ok("tag", "one:1", "three:3")
    assert command.run("rmi", "--all", "one:1").status == 125
    assert command.run("rmi").status == 1
    command.ok("rmi", "--all")
    assert command.ok("images", "-q") == ""


def test_images_are_sorted_and_listed_without_headings(command: Command, files: Path) -> None:
    for name in ("two:1", "one:2"):
        command.ok("import", "--message", name, str(files), name)
    lines = [line.split()[0] for line in command.ok("images", "-n", "--sort", "repository").splitlines()]
    assert [name for name in lines if name in ("one", "two")] == ["one", "two"]
    lines = [line.split()[1] for line in command.ok("images", "--noheading", "--sort", "tag").splitlines()]
    assert [tag for tag in lines if tag in ("1", "2")] == ["1", "2"]
    assert command.run("images", "--sort", "colour").status == 125


def test_an_archive_is_imported_for_another_platform(command: Command, files: Path) -> None:
    id = command.ok("import", "--arch", "arm", "--variant", "v6", str(files))
    document = json.loads(command.ok("image", "inspect", id))[0]
    assert (document["Os"], document["Architecture"], document["Variant"]) == ("linux", "arm", "v6")
    assert command.run("import", "--platform", "linux/arm64", "--arch", "arm", str(files)).status == 125


def test_images_go_out_of_lists(command: Command, files: Path) -> None:
    command.ok("import", str(files), "one:1")
    assert command.run("manifest", "exists", "list:1").status == 1
    command.ok("manifest", "create", "list:1", "one:1")
    assert command.run("manifest", "exists", "list:1").status == 0
    digest = json.loads(command.ok("manifest", "inspect", "list:1"))["manifests"][0]["digest"]
    assert command.ok("manifest", "remove", "list:1", digest) == digest
    command.ok("manifest", "add", "--arch", "arm64", "--variant", "v8", "--annotation", "a=b", "list:1", "one:1")
    (entry,) = json.loads(command.ok("manifest", "inspect", "list:1"))["manifests"]
    assert entry["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}
    assert entry["annotations"] == {"a": "b"}


def test_other_places_than_registries_are_told_to_be_no_registries(command: Command) -> None:
    for word in ("pull", "push"):
        told = command.run(word, "docker-archive:/tmp/x.tar")
        assert told.status == 1 and "is no registry (load and save read and write archives" in told.err
