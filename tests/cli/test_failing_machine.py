"""A full disk, a read-only directory, a damaged database, devices in the place of files: one line, and nothing lost."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.cli.driver import Command, Done

NO_NETWORK = ("--network", "none")
# What looks and what changes, and their exit codes when the engine cannot work.
VERBS = {
    ("ps", "-a"): 1, ("images",): 1, ("create", "host", "true"): 1, ("run", "--rm", "host", "true"): 125,
    ("start", "box"): 1, ("rm", "box"): 1, ("tag", "host", "other"): 1, ("commit", "box"): 1,
    ("rename", "box", "other"): 1, ("update", "-m", "64m", "box"): 1, ("system", "prune", "-f"): 1,
}  # fmt: skip


def refused(done: Done, status: int, text: str) -> None:
    """One line that contains `text`."""
    assert done.status == status, done
    assert done.err.startswith("ringfence: ") and done.err.count("\n") == 1 and text in done.err, done


@pytest.fixture
def small(command: Command, tmp_path: Path) -> Iterator[Command]:
    """A command whose directories are on a file system of their own, with the host image and a container, box."""
    needs.root()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m", "rf-small", tmp_path], check=True)
    root, state = tmp_path / "root", tmp_path / "state"
    subprocess.run(["cp", "-a", command.environment["RINGFENCE_ROOT"], root], check=True)
    own = Command(str(root), str(state))
    own.ok("create", "--name", "box", *NO_NETWORK, "host", "true")
    yield own
    subprocess.run(["mount", "-o", "remount,rw", tmp_path], check=True)
    for file in tmp_path.glob("fill*"):
        file.unlink()
    own.ok("system", "prune", "-f")
    subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_is_told_and_nothing_is_lost(small: Command, tmp_path: Path) -> None:
    for name, unit in (("fill", 1 << 20), ("fill-2", 4096)):
        with pytest.raises(OSError, match="No space left"), open(tmp_path / name, "wb", buffering=0) as filler:
            while filler.write(bytes(unit)) == unit:
                pass
            filler.write(b"x")

    for words, status in VERBS.items():
        refused(small.run(*words), status, "no space left on device")

    for file in tmp_path.glob("fill*"):
        file.unlink()
    assert small.ok("ps", "-a", "--format", "{{.Names}} {{.Status}}") == "box Created"
    assert small.ok("start", "-a", "box") == ""
    small.ok("system", "check")


def test_a_read_only_directory_is_told_and_nothing_is_lost(small: Command, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)

    for words, status in VERBS.items():
        refused(small.run(*words), status, "must be writable")

    subprocess.run(["mount", "-o", "remount,rw", tmp_path], check=True)
    assert small.ok("ps", "-a", "--format", "{{.Names}} {{.Status}}") == "box Created"


def test_a_read_only_state_directory_lets_nothing_be_begun(small: Command, tmp_path: Path) -> None:
    state = small.environment["RINGFENCE_STATE"]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "rf-state", state], check=True)
    try:
        for verb, status in (("create", 1), ("run", 125)):
            refused(small.run(verb, "--name", "new", "host", "true"), status, "Read-only file system")
    finally:
        subprocess.run(["umount", state], check=True)

    assert small.ok("ps", "-a", "--format", "{{.Names}}") == "box"


@pytest.mark.parametrize("damage", ["garbage", "torn", "a page"])
def test_a_damaged_database_is_told(damage: str, small: Command, tmp_path: Path) -> None:
    database = tmp_path / "root" / "ringfence.db"
    whole = database.read_bytes()
    garbage = os.urandom(len(whole))
    database.write_bytes(
        {"garbage": garbage, "torn": whole[:8192], "a page": whole[:8192] + garbage[8192:16384] + whole[16384:]}[damage]
    )

    for words, status in VERBS.items():
        refused(small.run(*words), status, "not a usable database")
    database.write_bytes(whole)


def test_a_file_in_the_place_of_a_directory_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    refused(command.run("--root", str(tmp_path / "file"), "ps"), 1, f"{tmp_path}/file: is not a directory")
    refused(command.run("--state", str(tmp_path / "file"), "run", "host", "true"), 125, f"{tmp_path}/file")


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """/dev/null under another name: what replaces it is seen, and harms nobody."""
    needs.root()
    os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    return tmp_path / "null"


def test_no_verb_replaces_a_device_by_a_file(device: Path, command: Command) -> None:
    command.ok("create", "--name", "box", *NO_NETWORK, "host", "true")
    for words in (
        ["run", "--rm", "--pidfile", str(device), *NO_NETWORK, "host", "true"],
        ["save", "-o", str(device), "host"],
        ["export", "-o", str(device), "box"],
        ["commit", "--iidfile", str(device), "box"],
    ):
        command.ok(*words)
    refused(command.run("cp", "box:/etc/passwd", str(device)), 1, "neither a directory nor a regular file")
    refused(command.run("run", "--cidfile", str(device), "host", "true"), 125, "exists already")
    refused(command.run("logout", "--authfile", str(device), "localhost:1"), 1, "not logged in")

    assert device.is_char_device()
    assert [path.name for path in device.parent.iterdir()] == ["null"]


@pytest.mark.parametrize("flag", ["--env-file", "--label-file", "--security-opt=seccomp="])
def test_a_file_without_end_is_not_read_to_its_end(flag: str, command: Command) -> None:
    words = [f"{flag}/dev/zero"] if flag.endswith("=") else [flag, "/dev/zero"]

    refused(command.run("create", *words, "host", "true"), 125, "/dev/zero is longer than 16 MiB")


def test_a_pid_file_that_cannot_be_written_is_told_before_anything_is_started(command: Command, tmp_path: Path) -> None:
    words = ["run", *NO_NETWORK, "--pidfile", "/none/x", "host", "true"]
    refused(command.run(*words), 125, "--pidfile: cannot write /none/x")

    assert command.ok("ps", "-a", "--format", "{{.State}}") == "created"


def test_an_output_that_is_full_is_told(command: Command) -> None:
    command.ok("create", "--name", "box", *NO_NETWORK, "host", "true")
    run = ["run", "--rm", *NO_NETWORK, "host", "echo", "x"]
    for words, status in ((["ps", "-a"], 1), (["inspect", "box"], 1), (run, 125)):
        done = subprocess.run(
            ["sh", "-c", '"$@" >/dev/full', "sh", *command_line(*words)], env=command.environment, capture_output=True
        )
        assert (done.returncode, done.stderr) == (
            status, b"ringfence: standard output: No space left on device\n"
        )  # fmt: skip


def command_line(*words: str) -> list[str]:
    from tests.cli.driver import COMMAND

    return [*COMMAND, *words]


def test_what_is_printed_is_utf_8_in_any_locale_and_bytes_that_are_none_come_back(command: Command) -> None:
    for locale in ("C", "C.UTF-8", "POSIX"):
        command.environment["LC_ALL"] = locale
        name = os.fsdecode(b"caf\xc3\xa9-\xff")
        command.ok("create", "--name", "box", *NO_NETWORK, "host", "true")
        command.ok("cp", "/etc/hostname", f"box:/{name}")
        done = subprocess.run(command_line("diff", "box"), env=command.environment, capture_output=True, check=True)
        assert b"A /caf\xc3\xa9-\xff\n" in done.stdout
        command.ok("rm", "box")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["rm", "\udcff"], 1, "no such container: \\xff"),
        (["create", "-e", "A=\udcff", "host", "true"], 125, '--env: "A=\\xff" is not UTF-8'),
        (["create", "host", "\udcff"], 125, 'command: "\\xff" is not UTF-8'),
        (["inspect", "--type", "\x1b[31m", "x"], 1, 'unknown type: "\\x1b[31m"'),
        (["commit", "--author", "\udcff", "box"], 1, "is not UTF-8"),
    ],
)
def test_what_cannot_be_printed_is_told_by_its_codes(
    words: list[str], status: int, text: str, command: Command
) -> None:
    if words[-1] == "box":
        command.ok("create", "--name", "box", *NO_NETWORK, "host", "true")

    refused(command.run(*words), status, text)
