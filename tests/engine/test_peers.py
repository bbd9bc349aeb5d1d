"""The same flags under podman and under us: what a process finds itself confined to, and what config.json says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ringfence.engine import seccomp
from tests.podman import Podman, on_tree_of_the_host_image

if TYPE_CHECKING:
    from ringfence import Engine

STATUS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")


@pytest.fixture(scope="module")
def podman(host_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with on_tree_of_the_host_image(host_root, tmp_path_factory.mktemp("podman")) as made:
        yield made


def ours(engine: Engine, script: str, **options: Any) -> str:
    result = engine.run("host", ["sh", "-c", script], rm=True, ulimit=["nofile=10000:10000", "nproc=10000:10000"],
                        **options)  # fmt: skip
    assert result.exit_code == 0, result.stderr
    return str(result.stdout.decode())


def status(text: str) -> dict[str, str]:
    """The fields of proc(5)'s status that tell what a process may do."""
    found = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key: " ".join(found[key].split()) for key in STATUS}
    # Docker lists the primary group among the supplementary ones, podman does not; it grants nothing.
    fields["Groups"] = " ".join(group for group in fields["Groups"].split() if group != fields["Gid"].split()[0])
    return fields


SAME_CAPABILITIES = ["MKNOD", "NET_RAW", "AUDIT_WRITE"]  # docker's default has them, podman's has not


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ([], {}),
        (["--cap-add=SYS_TIME", "--cap-drop=KILL"], {"cap_add": ["SYS_TIME"], "cap_drop": ["KILL"]}),
        (["--cap-drop=ALL"], {"cap_drop": ["ALL"]}),
        (["--security-opt=no-new-privileges"], {"security_opt": "no-new-privileges"}),
        (["--security-opt=seccomp=unconfined"], {"security_opt": "seccomp=unconfined"}),
        (["--user=5:6", "--group-add=7"], {"user": "5:6", "group_add": "7"}),
    ],
)
def test_a_process_is_confined_as_under_podman(
    engine: Engine, podman: Podman, flags: list[str], options: dict[str, Any]
) -> None:
    if "--cap-drop=ALL" not in flags:
        flags = [*flags, *(f"--cap-add={name}" for name in SAME_CAPABILITIES)]
    theirs, mine = (
        status(podman.run(*flags, script="cat /proc/self/status")),
        status(ours(engine, "cat /proc/self/status", **options)),
    )
    if "--user=5:6" in flags:  # podman lets capabilities that were added reach other users, docker does not
        for key in ("CapPrm", "CapEff", "CapAmb", "CapInh"):
            theirs.pop(key)
            assert mine.pop(key) == "0" * 16
    assert mine == theirs


def test_limits_and_devices_are_those_of_podman(engine: Engine, podman: Podman) -> None:
    # runc links /dev/core only where the host has /proc/kcore
    script = (
        "ulimit -n; ulimit -c; stat -c '%n %t:%T %a' /dev/* | grep -v /dev/core | sort;"
        " cat /proc/sys/kernel/shmmax; hostname"
    )
    flags = ["--ulimit=core=0", "--device=/dev/fuse", "--hostname=same", "--sysctl=kernel.shmmax=65536"]
    raw: dict[str, Any] = {"device": "/dev/fuse", "hostname": "same", "sysctl": "kernel.shmmax=65536"}
    result = engine.run("host", ["sh", "-c", script], rm=True, ulimit=["nofile=10000:10000", "core=0"], **raw)
    assert result.stdout.decode().splitlines() == podman.run(*flags, script=script).splitlines()


def test_the_file_systems_of_a_container_are_mounted_as_podmans(engine: Engine, podman: Podman) -> None:
    def options(text: str) -> dict[str, set[str]]:
        rows = [line.split() for line in text.splitlines()]
        wanted = ("/proc", "/dev", "/dev/pts", "/dev/mqueue", "/sys")
        return {row[4]: set(row[5].split(",")) - {"relatime"} for row in rows if row[4] in wanted}

    theirs = options(podman.run(script="cat /proc/self/mountinfo"))
    mine = options(ours(engine, "cat /proc/self/mountinfo"))
    theirs["/dev"].discard("noexec")  # podman's own addition
    assert mine == theirs


def test_no_path_that_podman_masks_or_locks_can_be_read_or_written_here(engine: Engine, podman: Podman) -> None:
    spec = podman.spec()["linux"]
    paths = [*spec["maskedPaths"], *spec["readonlyPaths"]]
    docker_leaves_open = {"/sys/fs/selinux", "/sys/dev/block"}
    script = "; ".join(
        f"test ! -e {path} || {{ test -d {path} && test -z \"$(ls -A {path})\"; }} || test ! -s {path} || "
        f"grep -q ' {path} ro' /proc/mounts || echo {path}"
        for path in paths
        if path not in docker_leaves_open
    )  # fmt: skip
    assert ours(engine, script) == ""


def test_our_seccomp_profile_differs_from_debians_only_where_the_newer_one_learned_more(podman: Podman) -> None:
    def allowed(filter: dict[str, Any]) -> set[str]:
        allow = [rule for rule in filter["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW"]
        return {name for rule in allow for name in rule["names"]}

    spec = podman.spec(*(f"--cap-add={name}" for name in SAME_CAPABILITIES))
    held = frozenset(spec["process"]["capabilities"]["bounding"])
    theirs, mine = allowed(spec["linux"]["seccomp"]), allowed(seccomp.default(held, "x86_64", (6, 18)))
    # Podman answers some calls by errno rather than by default, lists names that no kernel has had for long, and lets
    # namespaces and mounts be made by who has no capability for them; docker does not.
    assert theirs - mine <= {
        "clone3", "fsconfig", "fsmount", "fsopen", "fspick", "get_mempolicy", "keyctl", "mbind", "mount",
        "mount_setattr", "move_mount", "open_tree", "pidfd_getfd", "pivot_root", "readdir", "reboot", "set_mempolicy",
        "setns", "sigaction", "signal", "sigpending", "sigsuspend", "syscall", "syslog", "timerfd", "umount", "umount2",
        "unshare",
    }  # fmt: skip
    assert {"read", "execve", "openat2", "clone"} <= mine & theirs
