"""Files of a container: diff, cp in both directions, export, commit, volumes."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ringfence.engine import cp
from ringfence.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from ringfence import Engine
    from ringfence.engine.container import Container

CHANGED, ADDED, DELETED = 0, 1, 2


@pytest.fixture
def written(engine: Engine) -> Container:
    """A container that has ended and has added, changed and deleted."""
    script = "echo new > /srv/added; echo x >> /etc/group; rm /etc/passwd"
    return engine.container(engine.run("host", ["sh", "-c", script]).id)


def test_the_diff_lists_what_was_written_and_not_what_was_mounted(engine: Engine, written: Container) -> None:
    found = {change["Path"]: change["Kind"] for change in engine.diff(written.id)}
    assert found == {"/etc": CHANGED, "/etc/group": CHANGED, "/etc/passwd": DELETED, "/srv": CHANGED,
                     "/srv/added": ADDED}  # fmt: skip


def test_the_base_is_unchanged(engine: Engine, written: Container) -> None:
    assert b"root" in engine.run("host", ["cat", "/etc/passwd"], rm=True).stdout


def test_a_container_that_wrote_nothing_has_no_diff(engine: Engine) -> None:
    result = engine.run("host", ["true"])
    assert engine.diff(result.id) == []


def test_the_mount_points_of_volumes_are_changes_and_those_of_every_container_are_none(engine: Engine) -> None:
    """As dockerd 20.10 answered, of the same flags."""
    script = "echo 1 >/deep/file; echo 2 >>/etc/hosts"
    made = engine.run("host", ["sh", "-c", script], volume=["data:/deep/volume"], tmpfs=["/tmpfs"])
    assert [change["Path"] for change in engine.diff(made.id)] == ["/deep", "/deep/file", "/deep/volume", "/tmpfs"]


def test_a_committed_layer_has_nothing_that_the_runtime_made(engine: Engine) -> None:
    made = engine.run("host", ["touch", "/srv/kept"])
    image = engine.commit(made.id, "mine:1")
    layer = engine.content.read(engine.image_store.get(image).layers[-1].digest)
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        assert archive.getnames() == ["srv", "srv/kept"]


def test_an_export_is_the_whole_tree_as_the_container_left_it(engine: Engine, written: Container) -> None:
    output = io.BytesIO()
    engine.export(written.id, output)
    output.seek(0)
    with tarfile.open(fileobj=output) as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
    assert "srv/added" in names and "usr/bin" in names
    assert "etc/passwd" not in names and not any(".wh." in name for name in names)


def test_a_commit_is_an_image_with_the_changes_and_the_config(engine: Engine) -> None:
    made = engine.run("host", ["sh", "-c", "echo kept > /kept"], env=["A=1"], label=["l=v"])
    id = engine.commit(made.id, "mine:1", author="me", message="why", change=['CMD ["cat", "/kept"]', "ENV B=2"])
    image = engine.inspect("mine:1", type="image")
    assert image["Id"] == id
    assert {"A=1", "B=2"} <= set(image["Config"]["Env"])
    assert not any(entry.startswith("HOSTNAME=") for entry in image["Config"]["Env"])
    assert (image["Author"], image["Comment"], image["Config"]["Labels"]) == ("me", "why", {"l": "v"})
    assert engine.run("mine:1", rm=True).stdout == b"kept\n"


def test_a_running_container_goes_on_after_a_commit(engine: Engine) -> None:
    container = engine.run("host", ["sleep", "60"], detach=True)
    engine.commit(container.id, "snap")
    assert container.status == "running"


@pytest.mark.parametrize(
    ("source", "is_directory", "target", "kind", "expected"),
    [
        ("/etc/passwd", False, "/tmp", "directory", ("/tmp", "passwd")),
        ("/etc/passwd", False, "/tmp/new", None, ("/tmp", "new")),
        ("/etc/passwd", False, "/tmp/old", "file", ("/tmp", "old")),
        ("/etc", True, "/tmp", "directory", ("/tmp", "etc")),
        ("/etc/", True, "/tmp", "directory", ("/tmp", "etc")),
        ("/etc/.", True, "/tmp", "directory", ("/tmp", "")),
        ("/etc", True, "/tmp/new", None, ("/tmp", "new")),
        ("/etc/.", True, "/tmp/new", None, ("/tmp", "new")),
        ("file", False, "here", None, (".", "here")),
    ],
)
def test_the_copy_lands_where_dockers_rules_say(
    source: str, is_directory: bool, target: str, kind: str | None, expected: tuple[str, str]
) -> None:
    mode = {"directory": 0o40755, "file": 0o100644, None: None}[kind]
    assert cp.placed(source, is_directory, target, mode) == expected


def test_a_copy_that_cannot_land_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is not a directory"):
        cp.placed("/etc", True, "/tmp/file", 0o100644)
    with pytest.raises(NotFound, match="does not exist"):
        cp.placed("/etc/passwd", False, "/tmp/none/", None)


@pytest.mark.parametrize("running", [False, True])
def test_files_and_directories_go_in_and_come_out(engine: Engine, tmp_path: Path, running: bool) -> None:
    if running:
        engine.run("host", ["sleep", "60"], detach=True, name="box")
    else:
        engine.create("host", ["true"], name="box")
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "file").write_text("content")
    (tree / "link").symlink_to("deep/file")
    (tree / "deep" / "file").chmod(0o640)

    engine.cp(str(tree), "box:/srv")
    engine.cp("box:/srv/tree", str(tmp_path / "back"))

    assert (tmp_path / "back" / "deep" / "file").read_text() == "content"
    assert (tmp_path / "back" / "deep" / "file").stat().st_mode & 0o777 == 0o640
    assert os.readlink(tmp_path / "back" / "link") == "deep/file"


def test_a_link_in_the_container_leads_to_nothing_of_ours(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("ours")
    made = engine.run("host", ["ln", "-s", str(tmp_path), "/escape"])
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotFound):
        engine.cp(f"{made.id}:/escape/secret", str(tmp_path / "stolen"))
    with pytest.raises(NotFound):
        engine.cp(str(tmp_path / "file"), f"{made.id}:/escape/planted")
    assert sorted(os.listdir(tmp_path)) == ["file", "secret"]


def test_archives_stream_both_ways(engine: Engine, tmp_path: Path) -> None:
    engine.create("host", ["true"], name="box")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("a/b")
        entry.size = 3
        tar.addfile(entry, io.BytesIO(b"abc"))
    archive.seek(0)
    engine.cp("-", "box:/srv", stream=archive)
    output = io.BytesIO()
    engine.cp("box:/srv/a", "-", stream=output)
    output.seek(0)
    with tarfile.open(fileobj=output) as tar:
        assert {name.rstrip("/") for name in tar.getnames()} == {"a", "a/b"}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("a", "b"),
        ("box:/a", "box:/b"),
        ("box:/none", "/tmp/x"),
        ("/no/such/file", "box:/"),
        ("/etc/passwd", "box:/none/x"),
    ],
)
def test_a_wrong_copy_is_refused_in_one_line(engine: Engine, source: str, target: str) -> None:
    engine.create("host", ["true"], name="box")
    with pytest.raises((InvalidInput, NotFound, Conflict)) as caught:
        engine.cp(source, target)
    assert "\n" not in str(caught.value)


def test_a_volume_outlives_its_containers_and_is_not_removed_while_one_has_it(engine: Engine) -> None:
    engine.volume_create("data", label=["a=b"])
    made = engine.run("host", ["sh", "-c", "echo kept > /v/f"], volume=["data:/v"])
    with pytest.raises(Conflict, match="volume data is in use"):
        engine.volume_rm("data")
    engine.rm(made.id, volumes=True)
    assert engine.run("host", ["cat", "/v/f"], volume=["data:/v"], rm=True).stdout == b"kept\n"
    assert [volume["Name"] for volume in engine.volume_ls(filters={"label": ["a=b"]})] == ["data"]
    engine.volume_rm("data")
    with pytest.raises(NotFound, match="no such volume: data"):
        engine.volume_inspect("data")
    engine.volume_rm("data", force=True)


def test_an_anonymous_volume_goes_with_its_container(engine: Engine) -> None:
    engine.run("host", ["true"], volume=["/v"], rm=True)
    kept = engine.run("host", ["true"], volume=["/v"])
    assert len(engine.volume_ls()) == 1
    engine.rm(kept.id, volumes=True)
    assert engine.volume_ls() == []
