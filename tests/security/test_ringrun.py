"""Attacks through ringrun's command line: what its caller leaves open, and what its operands and flags may say."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.bundles import Bundle
from tests.runtime.peers import Command


@pytest.fixture
def ringrun(short_directory: Path) -> Iterator[Command]:
    """The command with a root of its own; its containers are deleted at the end."""
    needs.root()
    command = Command("ringrun", short_directory)
    yield command
    for id in command("list", "--quiet").stdout.split():
        command("delete", "--force", id)


@pytest.fixture
def sleeping(ringrun: Command, hostile: Bundle, short_directory: Path) -> Bundle:
    """The hostile bundle as a running container `c`."""
    hostile.spec["process"]["args"] = ["sleep", "100"]
    started = ringrun.detached("run", "--detach", "--bundle", str(hostile.write()), "c", output=short_directory / "o")
    assert started == 0
    return hostile


@pytest.fixture
def leaked(outside: Path) -> Iterator[list[int]]:
    """Directories of the host that a careless caller has open."""
    descriptors = [os.open(outside, os.O_RDONLY | os.O_DIRECTORY) for _ in range(4)]
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


def numbers(listing: str) -> list[str]:
    return [line.split()[0] for line in listing.splitlines()]


def test_run_and_exec_pass_on_three_descriptors_whatever_the_caller_has_open(
    ringrun: Command, sleeping: Bundle, leaked: list[int]
) -> None:
    """CVE-2024-21626: descriptors that arrive without close-on-exec go no further."""
    executed = ringrun("exec", "c", "/attacks", "descriptors", pass_fds=leaked)
    sleeping.spec["process"]["args"] = ["/attacks", "descriptors"]
    started = ringrun("run", "--bundle", str(sleeping.write()), "d", pass_fds=leaked)
    assert numbers(executed.stdout) == ["0", "1", "2"], executed
    assert numbers(started.stdout) == ["0", "1", "2"], started


def test_create_and_start_pass_on_three_descriptors(
    ringrun: Command, hostile: Bundle, leaked: list[int], short_directory: Path
) -> None:
    hostile.spec["process"]["args"] = ["/attacks", "descriptors"]
    output = short_directory / "output"
    assert ringrun.detached("create", "--bundle", str(hostile.write()), "c", output=output) == 0
    assert ringrun("start", "c", pass_fds=leaked).returncode == 0
    ringrun.wait_for("c", "stopped")
    assert numbers(output.read_text()) == ["0", "1", "2"]


def test_preserved_descriptors_arrive_and_no_other(
    ringrun: Command, sleeping: Bundle, short_directory: Path
) -> None:
    listing = f'exec "$@" 3<{short_directory} 4</dev/zero 5<{short_directory} 7<{short_directory}'
    sleeping.spec["process"]["args"] = ["/attacks", "descriptors"]
    bundle = str(sleeping.write())
    for words in (["exec", "--preserve-fds", "2", "c", "/attacks", "descriptors"],
                  ["run", "--preserve-fds", "2", "--bundle", bundle, "d"]):  # fmt: skip
        shell = Command("ringrun", short_directory)
        shell.argv = ["sh", "-c", listing, "sh", *ringrun.argv]
        done = shell(*words)
        assert numbers(done.stdout) == ["0", "1", "2", "3", "4"], done
        assert done.stdout.splitlines()[4] == "4 /dev/zero"


@pytest.mark.parametrize("preserved", ["0", "2"])
def test_a_working_directory_that_is_a_descriptor_is_refused(
    ringrun: Command, sleeping: Bundle, outside: Path, preserved: str
) -> None:
    """CVE-2024-21626, with descriptors that the caller forgot and with those that it means to pass on."""
    ringrun.argv = ["sh", "-c", f'exec "$@" 3<{outside} 4<{outside} 5<{outside}', "sh", *ringrun.argv]
    for number in range(3, 10):
        place = f"/proc/self/fd/{number}"
        executed = ringrun("exec", "--preserve-fds", preserved, "--cwd", place, "c", "ls", ".")
        assert executed.returncode == 255 and place in executed.stderr, (number, executed)
    sleeping.spec["process"] |= {"cwd": "/proc/self/fd/3", "args": ["ls", "."]}
    done = ringrun("run", "--preserve-fds", preserved, "--bundle", str(sleeping.write()), "d")
    assert done.returncode == 1 and "/proc/self/fd/3" in done.stderr


def test_no_descriptor_of_ours_leads_to_a_program_of_the_host(
    ringrun: Command, sleeping: Bundle, outside: Path, attacks: Path, short_directory: Path
) -> None:
    """CVE-2024-21626, by the program's name: /proc/self/fd/N/../.. of a directory that we hold on the way to execve."""
    shutil.copy(attacks, outside / "program")
    for number in range(3, 16):
        program = f"/proc/self/fd/{number}{'/..' * 12}{outside}/program"
        executed = ringrun("exec", "c", program, "descriptors")
        assert (executed.returncode, executed.stdout) == (255, ""), (number, executed)
        sleeping.spec["process"]["args"] = [f"/proc/self/fd/{number}{'/..' * 12}/usr/bin/env", "true"]
        started = ringrun("run", "--bundle", str(sleeping.write()), "d")
        assert started.returncode == 1, (number, started)


@pytest.mark.parametrize("user", ["", ":5", "1x", "-1", "5:", "+1", " 1", "0x0", "١", "4294967295", "0:4294967295",
                                  "4294967296"])  # fmt: skip
def test_a_user_that_is_no_number_is_refused_and_never_becomes_root(
    ringrun: Command, sleeping: Bundle, user: str
) -> None:
    """CVE-2026-30892; and 2³²-1, which setresuid(2) takes for "leave it", so that the process would stay root."""
    done = ringrun("exec", "--user", user, "c", "id")
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr.startswith("ringrun: ") and "user" in done.stderr


def test_an_added_capability_is_not_inheritable(ringrun: Command, sleeping: Bundle) -> None:
    """CVE-2022-29162: `exec --cap` adds to bounding, permitted and effective; `spec` writes no inheritable set."""
    done = ringrun("exec", "--cap", "CAP_SYS_PTRACE", "c", "cat", "/proc/self/status")
    sets = dict(line.split(":\t") for line in done.stdout.splitlines() if line.startswith("Cap"))
    assert int(sets["CapEff"], 16) >> 19 & 1
    assert (int(sets["CapInh"], 16), int(sets["CapAmb"], 16)) == (0, 0)
    config = sleeping.path / "config.json"
    config.unlink()
    assert ringrun("spec", "--bundle", str(sleeping.path)).returncode == 0
    assert not json.loads(config.read_text())["process"]["capabilities"].get("inheritable")


@pytest.mark.parametrize("path", ["..", "../..", "/..", "a/../../..", "."])
def test_a_cgroup_of_exec_never_climbs(ringrun: Command, sleeping: Bundle, path: str) -> None:
    done = ringrun("exec", "--cgroup", path, "c", "true")
    assert done.returncode == 255 and "no name" in done.stderr


@pytest.mark.parametrize("id", ["..", "../c", "/etc", "a/b", "."])
def test_an_id_never_names_a_path_on_the_command_line(
    ringrun: Command, hostile: Bundle, short_directory: Path, id: str
) -> None:
    victim = short_directory / "c"
    victim.mkdir()
    for verb in (["create", "--bundle", str(hostile.write())], ["delete", "--force"], ["state"], ["kill"]):
        done = ringrun(*verb, id)
        assert done.returncode == 1 and done.stderr.startswith("ringrun: "), (verb, done)
    assert victim.is_dir()


def test_without_pivot_root_no_bare_procfs_is_in_reach(ringrun: Command, hostile: Bundle) -> None:
    """runc 1.2: the host's unmasked /proc below the new root would let a user namespace mount another such one."""
    hostile.spec["process"]["args"] = [
        "unshare", "-mrpf", "sh", "-c", "mount -t proc proc /proc && echo x >/proc/sys/kernel/domainname && echo bare",
    ]  # fmt: skip
    done = ringrun("run", "--no-pivot", "--bundle", str(hostile.write()), "c")
    assert done.returncode != 0
    assert "bare" not in done.stdout
