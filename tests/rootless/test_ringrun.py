"""ringrun as an ordinary user types it: bundles whose user namespace maps that user's own and its subordinate ids."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import needs
from tests.rootless.people import FIRST, Person

Change = Callable[..., Path]


@pytest.fixture
def bundle() -> Change:
    """Write a bundle of a user: what `ringrun spec --rootless` says with another program, and changes below `linux`."""

    def write(person: Person, script: str, **linux: Any) -> Path:
        path = person.home / f"bundle-{len(os.listdir(person.home))}"
        needs.static_program("busybox")
        person("mkdir", "-p", path / "rootfs/bin", path / "rootfs/proc")
        person("cp", "/bin/busybox", path / "rootfs/bin/busybox")
        person("/bin/busybox", "--install", "-s", path / "rootfs/bin")
        for name in (path / "rootfs/bin").iterdir():
            if name.is_symlink():
                name.unlink()
                name.symlink_to("busybox")
        assert person.ringrun("spec", "--rootless", "--bundle", path).returncode == 0
        spec = json.loads((path / "config.json").read_text())
        spec["process"]["terminal"], spec["process"]["args"] = False, ["sh", "-c", script]
        for kind in ("bounding", "permitted", "effective"):
            spec["process"]["capabilities"][kind] = ["CAP_CHOWN"]
        spec["root"]["readonly"] = False
        spec["linux"] |= linux
        (path / "config.json").write_text(json.dumps(spec))
        return path

    return write


def mappings(person: Person, *, first: int = FIRST) -> dict[str, Any]:
    """The user as root, and 1000 subordinate ids."""
    return {
        f"{kind}Mappings": [
            {"containerID": 0, "hostID": own, "size": 1},
            {"containerID": 1, "hostID": first, "size": 1000},
        ]
        for kind, own in (("uid", person.uid), ("gid", person.gid))
    }


def test_a_container_lives_its_whole_life(alice: Person, bundle: Change) -> None:
    said = alice.ringrun
    path = bundle(alice, "exec sleep 1000")
    with (path / "output").open("w") as output:  # what a container inherits stays open for as long as it lives
        done = said("create", "--bundle", path, "life", capture_output=False, stdout=output, stderr=output)
    assert done.returncode == 0, (path / "output").read_text()
    assert said("start", "life").returncode == 0
    state = json.loads(said("state", "life").stdout)
    assert (state["status"], state["owner"]) == ("running", alice.name)
    assert said("exec", "life", "id", "-u").stdout == "0\n"
    assert "life" in said("list").stdout
    assert said("kill", "life", "KILL").returncode == 0
    assert said("delete", "--force", "life").returncode == 0
    assert said("list", "-q").stdout == ""
    assert os.listdir(alice.runtime_directory / "ringrun") in ([], ["seccomp"])


@pytest.mark.parametrize("runtime", ["ringrun", "runc"])
def test_ids_inside_are_the_users_own_and_its_subordinate_ones_outside(
    runtime: str, alice: Person, bundle: Change
) -> None:
    if runtime == "runc":
        needs.program("runc")
    script = "id -u; touch /mine; touch /other; chown 33:44 /other; stat -c %u:%g /mine /other; stat -c %u /proc/1"
    path = bundle(alice, script, **mappings(alice))
    argv = alice.argv("ringrun") if runtime == "ringrun" else ["runc", "--root", alice.home / "runc"]

    done = alice(*argv, "run", "--bundle", path, "ids")

    assert (done.stdout.split(), done.stderr) == (["0", "0:0", "33:44", "0"], "")
    owners = [(path / "rootfs" / name).stat() for name in ("mine", "other")]
    assert [(one.st_uid, one.st_gid) for one in owners] == [(alice.uid, alice.gid), (FIRST + 32, FIRST + 43)]


def test_ids_that_are_not_the_users_are_refused(alice: Person, bundle: Change) -> None:
    path = bundle(alice, "true", **mappings(alice, first=5000))
    done = alice.ringrun("run", "--bundle", path, "foreign")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "ringrun: linux.uidMappings[1]: the ids 5000 to 5999 are not this user's own"
        " (see /etc/subuid and /etc/subgid, subuid(5))\n"
    )


def test_without_subordinate_ids_the_users_own_id_is_root(bob: Person, bundle: Change) -> None:
    path = bundle(bob, "id; touch /mine; exit 5")
    done = bob.ringrun("run", "--bundle", path, "single")
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout == "uid=0 gid=0\n"
    assert (path / "rootfs/mine").stat().st_uid == bob.uid


def test_limits_that_nobody_delegated_are_warned_of_or_refused(alice: Person, bundle: Change) -> None:
    path = bundle(alice, "echo runs", resources={"memory": {"limit": 64 << 20}, "pids": {"limit": 9}})
    lines = "limits of memory, pids are not applied: this user has no part of cgroup v2 that has them"

    done = alice.ringrun("run", "--bundle", path, "limited")
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr == f"ringrun: warning: {lines}\n"

    done = alice.ringrun("--rootless=false", "run", "--bundle", path, "limited")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ringrun: {lines} (--rootless=auto runs the container without them)\n"


def test_systemd_is_not_asked_for_an_ordinary_user(alice: Person, bundle: Change) -> None:
    done = alice.ringrun("--systemd-cgroup", "run", "--bundle", bundle(alice, "true"), "asked")
    assert done.returncode == 1
    assert "--systemd-cgroup: an ordinary user's systemd is not asked yet (leave the flag out)" in done.stderr
