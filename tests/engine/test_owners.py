"""With --userns auto a container's files belong to ids of the host that nobody has; whatever leaves the container, or
enters it, has the ids inside. Running or not, and its image is never touched."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ringfence.errors import InvalidInput

if TYPE_CHECKING:
    from ringfence import Engine
    from ringfence.engine.container import Container

WRITE = "echo new > /srv/new; chown 7:8 /srv/new; echo more >> /etc/group; rm /etc/passwd; mkdir -m 700 /srv/d"


def box(engine: Engine, *, running: bool, command: str = "true", volume: tuple[str, ...] = ()) -> Container:
    """A container whose program has run `command`, and goes on if `running`."""
    made = engine.run("host", ["sh", "-c", f"{command}; touch /done; {'exec sleep 60' if running else ''}"],
                      userns="auto", network="none", volume=list(volume), detach=True)  # fmt: skip
    if not running:
        made.wait()
        return made
    while made.exec(["test", "-e", "/done"]).exit_code:
        pass
    return made


def members(archive: io.BytesIO) -> dict[str, tarfile.TarInfo]:
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        return {member.name.removeprefix("./"): member for member in tar}


def owners(engine: Engine, source: str) -> dict[str, tuple[int, int]]:
    output = io.BytesIO()
    engine.cp(source, "-", stream=output)
    return {name: (member.uid, member.gid) for name, member in members(output).items()}


@pytest.mark.parametrize("running", [True, False])
def test_what_is_copied_out_belongs_to_the_ids_inside(engine: Engine, running: bool) -> None:
    container = box(engine, running=running, command=WRITE)
    assert owners(engine, f"{container.id}:/srv") == {"srv": (0, 0), "srv/new": (7, 8), "srv/d": (0, 0)}
    assert owners(engine, f"{container.id}:/etc/group") == {"group": (0, 0)}
    assert owners(engine, f"{container.id}:/etc/nsswitch.conf") == {"nsswitch.conf": (0, 0)}  # not written by it


@pytest.mark.parametrize("running", [True, False])
def test_what_is_copied_in_belongs_to_the_containers_root(engine: Engine, tmp_path: Path, running: bool) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("content")
    os.chown(tmp_path / "tree" / "file", 1000, 1001)
    container = box(engine, running=running)

    engine.cp(str(tmp_path / "tree"), f"{container.id}:/etc/plain")  # /etc is the image's until now
    engine.cp(str(tmp_path / "tree"), f"{container.id}:/srv/same", archive=True)
    look = ["stat", "-c", "%u:%g %n", "/etc/plain", "/etc/plain/file", "/srv/same/file", "/etc"]
    image = engine.commit(container.id, None)
    seen = container.exec(look) if running else engine.run(image, look, network="none", rm=True)
    assert seen.stdout.decode().splitlines() == [
        "0:0 /etc/plain", "0:0 /etc/plain/file", "1000:1001 /srv/same/file", "0:0 /etc",
    ]  # fmt: skip


def test_into_a_volume_of_a_running_container_too(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    container = box(engine, running=True, volume=("data:/v",))
    engine.cp(str(tmp_path / "file"), f"{container.id}:/v/file")
    assert container.exec(["stat", "-c", "%u:%g", "/v/file"]).stdout == b"0:0\n"
    on_disk = Path(engine.volume_inspect("data")["Mountpoint"]) / "file"
    assert on_disk.stat().st_uid == 0  # volumes keep the ids inside


def test_an_id_that_the_container_has_not_is_refused(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    os.chown(tmp_path / "file", 70000, 0)
    container = box(engine, running=True)
    with pytest.raises(InvalidInput, match=r"file: the container has no id 70000"):
        engine.cp(str(tmp_path / "file"), f"{container.id}:/srv", archive=True)


@pytest.mark.parametrize("running", [True, False])
def test_an_export_has_the_ids_inside(engine: Engine, running: bool) -> None:
    container = box(engine, running=running, command=WRITE)
    output = io.BytesIO()
    engine.export(container.id, output)
    found = members(output)
    assert (found["srv/new"].uid, found["srv/new"].gid) == (7, 8)
    assert {member.uid for name, member in found.items() if name != "srv/new"} == {0}


@pytest.mark.parametrize("running", [True, False])
def test_a_commit_has_the_ids_inside(engine: Engine, running: bool) -> None:
    container = box(engine, running=running, command=WRITE)
    engine.commit(container.id, "mine:1")
    script = "stat -c '%u:%g %n' / /etc/group /srv /srv/new /srv/d; test ! -e /etc/passwd && tail -1 /etc/group"
    seen = engine.run("mine:1", ["sh", "-c", script], network="none", rm=True).stdout.decode()
    assert seen.splitlines() == ["0:0 /", "0:0 /etc/group", "0:0 /srv", "7:8 /srv/new", "0:0 /srv/d", "more"]


def test_a_container_that_was_never_started_is_exported_like_any_other(engine: Engine) -> None:
    output = io.BytesIO()
    engine.export(engine.create("host", ["true"], userns="auto").id, output)
    assert {member.uid for member in members(output).values()} == {0}


def test_the_image_and_a_neighbour_see_nothing_of_it(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    before = tree(engine)
    container = box(engine, running=False, command=WRITE)
    engine.cp(str(tmp_path / "file"), f"{container.id}:/etc/file")
    engine.commit(container.id, "mine:1")
    assert tree(engine) == before


def test_capabilities_of_files_and_access_lists_keep_their_meaning_on_the_way_out_and_in(
    engine: Engine, tmp_path: Path
) -> None:
    capability = bytes.fromhex("01000002 00040000 00000000 00000000 00000000")  # cap_net_bind_service=ep, revision 2
    acl = bytes.fromhex("02000000 01000600ffffffff 0200040007000000 04000400ffffffff 10000600ffffffff 20000400ffffffff")
    (tmp_path / "file").write_text("x")
    os.setxattr(tmp_path / "file", "security.capability", capability)
    os.setxattr(tmp_path / "file", "system.posix_acl_access", acl)
    container = box(engine, running=True)

    engine.cp(str(tmp_path / "file"), f"{container.id}:/srv/file")
    engine.cp(f"{container.id}:/srv/file", str(tmp_path / "live"))
    container.kill()
    container.wait()
    engine.cp(f"{container.id}:/srv/file", str(tmp_path / "stored"))

    on_disk = Path(engine.snapshots.upper(container.id)) / "srv/file"
    assert os.getxattr(on_disk, "security.capability") != capability  # the host's root would be meant
    for copy in ("live", "stored"):
        assert os.getxattr(tmp_path / copy, "security.capability") == capability
        assert os.getxattr(tmp_path / copy, "system.posix_acl_access") == acl


def tree(engine: Engine) -> list[tuple[str, int, int, int, int]]:
    """Every inode of the image's layer: path, owner, mode and time."""
    layer = engine.snapshots.layer_path(engine.image_store.get("host").chain_ids[-1])
    found = []
    for directory, _, names in os.walk(layer):
        for path in (directory, *(f"{directory}/{name}" for name in names)):
            status = os.lstat(path)
            found.append((path, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), status.st_mtime_ns))
    return sorted(found)
