"""The embedded image: made from this machine alone, equal whenever its inputs are, and its programs run."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from ringfence.images import host
from ringfence.images.store import ImageStore
from ringfence.images.unpack import unpack
from ringfence.snapshots import open_snapshotter
from tests import needs


def _root(store: ImageStore, name: str = "host") -> str:
    """The image's tree."""
    needs.root()
    snapshotter = open_snapshotter(store.data_dir)
    return snapshotter.layer_path(unpack(store.get(name), store.content, snapshotter))


def _run(root: str, *command: str) -> str:
    chroot = shutil.which("chroot") or "/usr/sbin/chroot"
    return subprocess.run([chroot, root, *command], check=True, capture_output=True, text=True, env={}).stdout


def test_it_is_made_quickly_small_and_under_its_name(store: ImageStore) -> None:
    start = time.monotonic()
    image = host.ensure(store)

    assert time.monotonic() - start < 3
    assert image.size < 60_000_000
    assert image.names == ["docker.io/library/host:latest"]
    assert store.get("host").digest == image.digest
    assert image.config["config"] == {"Env": [f"PATH={host.PATH}"], "Cmd": ["sh"]}


def test_equal_inputs_give_equal_digests(store: ImageStore, tmp_path: Path) -> None:
    other = ImageStore(tmp_path / "other")

    assert host.ensure(store).digest == host.ensure(other).digest
    other.close()


def test_it_is_not_made_twice_and_the_answer_takes_about_a_millisecond(store: ImageStore) -> None:
    image = host.ensure(store)
    blobs = sorted(store.content.digests())

    times = []
    for _ in range(20):
        start = time.perf_counter()
        again = host.ensure(store)
        times.append(time.perf_counter() - start)

    assert again.digest == image.digest
    assert sorted(store.content.digests()) == blobs
    assert sorted(times)[10] < 0.005


def test_it_is_made_anew_when_removed_or_when_its_record_is_damaged(store: ImageStore) -> None:
    digest = host.ensure(store).digest
    record = Path(store.data_dir, "host.json")

    store.remove("host")
    assert host.ensure(store).digest == digest
    for damage in ("", "{}", "[]", '{"image": 1, "inputs": 2}', "\0"):
        record.write_text(damage)
        assert host.ensure(store).digest == digest
    record.unlink()
    assert host.ensure(store).digest == digest


def test_a_changed_input_makes_it_anew(store: ImageStore) -> None:
    host.ensure(store)
    record = Path(store.data_dir, "host.json")
    before = record.read_text()

    record.write_text(before.replace('["/usr/bin/ls", [', '["/usr/bin/ls", [1'))
    host.ensure(store)

    assert record.read_text() == before


def test_its_programs_run_with_nothing_of_the_host_around_them(store: ImageStore) -> None:
    host.ensure(store)
    root = _root(store)

    assert _run(root, "/bin/sh", "-c", "echo $((6 * 7))") == "42\n"
    assert _run(root, "/usr/bin/id") == "uid=0(root) gid=0(root) groups=0(root)\n"
    for directory in ("usr/bin", "usr/sbin"):
        for name in os.listdir(f"{root}/{directory}"):
            output = subprocess.run(
                ["chroot", root, f"/{directory}/{name}", "--help"], capture_output=True, stdin=subprocess.DEVNULL
            )
            assert b"shared librar" not in output.stderr, (name, output.stderr)
            assert output.returncode not in (126, 127), name


def test_it_holds_no_setuid_file_no_device_and_only_roots_files(store: ImageStore) -> None:
    host.ensure(store)
    root = _root(store)

    wrong = ["-perm", "/6000", "-o", "-type", "b", "-o", "-type", "c", "-o", "!", "-uid", "0"]
    found = subprocess.run(["find", root, *wrong], check=True, capture_output=True, text=True).stdout
    dangling = subprocess.run(
        ["chroot", root, "/usr/bin/find", "/", "-xtype", "l"], check=True, capture_output=True, text=True
    ).stdout

    assert found == ""
    assert dangling == ""


def test_python_comes_with_its_library_if_asked_for(store: ImageStore) -> None:
    needs.file("/usr/bin/python3")
    image = host.ensure(store, python=True)

    assert image.names == ["docker.io/library/host:python"]
    code = "import json, ssl, sqlite3, ctypes, asyncio, socket; print(json.dumps({'a': 1}))"
    assert _run(_root(store, "host:python"), "/usr/bin/python3", "-c", code) == '{"a": 1}\n'
