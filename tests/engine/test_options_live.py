"""What options do to a real container: each row runs a program of the host image and compares what it sees."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ringfence import Engine


def see(engine: Engine, script: str, **options: Any) -> str:
    """What the script prints, in one line."""
    result = engine.run("host", ["sh", "-c", script], rm=True, **options)
    assert (result.exit_code, result.stderr) == (0, b""), result.stderr
    return " ".join(result.stdout.decode().split())


@pytest.mark.parametrize(
    ("options", "script", "seen"),
    [
        ({"env": ["A=1"], "workdir": "/made/here"}, "echo $A; pwd", "1 /made/here"),
        ({"hostname": "web", "domainname": "ex.org"}, "hostname; cat /etc/hostname /proc/sys/kernel/domainname; echo "
                                                      "$HOSTNAME", "web web ex.org web"),
        ({"user": "1:2", "group_add": ["3", "4"]}, "id -u; id -g; id -G", "1 2 2 3 4"),
        ({"ulimit": "nofile=77:88"}, "ulimit -n; ulimit -Hn", "77 88"),
        ({"sysctl": "net.core.somaxconn=99"}, "cat /proc/sys/net/core/somaxconn", "99"),
        ({}, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range", "0 0 2147483647"),
        ({"shm_size": "1m"}, "stat -f -c '%b %S' /dev/shm", "256 4096"),
        ({"ipc": "none"}, "grep -c ' /dev/shm ' /proc/mounts || true", "0"),
        ({"tmpfs": "/t:size=64k,mode=700,exec"}, "stat -c %a /t; grep -o ' /t .*mode=700' /proc/mounts",
         "700 /t tmpfs rw,nosuid,nodev,relatime,size=64k,mode=700"),
        ({"read_only": True, "tmpfs": "/run"}, "touch /x 2>/dev/null || echo no; touch /run/x && echo yes", "no yes"),
        ({"add_host": ["db:10.0.0.1"]}, "grep -w db /etc/hosts", "10.0.0.1 db"),
        ({"dns": ["9.9.9.9"], "dns_search": "."}, "cat /etc/resolv.conf", "nameserver 9.9.9.9"),
        ({"oom_score_adj": 321}, "cat /proc/self/oom_score_adj", "321"),
        ({"security_opt": "mask=/etc/passwd"}, "cat /etc/passwd", ""),
        ({"privileged": True}, "grep -c '^Seccomp:.0' /proc/self/status; test -w /proc/sys/kernel/msgmax && echo w",
         "1 w"),
        ({"entrypoint": ["echo", "entry"]}, "x", "entry sh -c x"),
        ({"device": "/dev/fuse:/dev/mine:r"}, "stat -c '%t:%T' /dev/mine", "a:e5"),
        ({"init": True}, "test $$ != 1 && echo init", "init"),
        ({"pid": "host"}, "test $(echo /proc/[0-9]* | wc -w) -gt 5 && echo many", "many"),
        ({"network": "host"}, "test -s /etc/hosts && echo ok", "ok"),
    ],
)  # fmt: skip
def test_a_container_sees_what_its_options_say(
    engine: Engine, options: dict[str, Any], script: str, seen: str
) -> None:
    assert see(engine, script, **options) == seen


def test_user_names_are_those_of_the_container(engine: Engine) -> None:
    assert see(engine, "id -un", user="nobody") == "nobody"


def test_userns_auto_gives_ids_that_are_not_the_hosts(engine: Engine) -> None:
    uid_map = see(engine, "cat /proc/self/uid_map; id -u", userns="auto:size=1000").split()
    assert (uid_map[0], uid_map[2], uid_map[3]) == ("0", "1000", "0")
    assert int(uid_map[1]) > 0


def test_a_volume_outlives_its_container_and_is_filled_from_the_image(engine: Engine) -> None:
    first = see(engine, "cat /etc/passwd | head -n 1; echo changed > /etc/mine", volume="conf:/etc")
    assert first.startswith("root:")
    assert see(engine, "cat /conf/mine", volume="conf:/conf:ro") == "changed"


def test_a_read_only_volume_cannot_be_written_even_below_another_mount(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    script = "touch /v/new 2>/dev/null || echo no; touch /v/file 2>/dev/null || echo no"
    assert see(engine, script, volume=f"{tmp_path}:/v:ro") == "no no"


def test_the_missing_source_of_a_bind_is_made(engine: Engine, tmp_path: Path) -> None:
    see(engine, "touch /v/made", volume=f"{tmp_path}/a/b:/v")
    assert os.path.exists(tmp_path / "a/b/made")


def test_containers_with_user_namespaces_of_their_own_share_a_volume(engine: Engine) -> None:
    see(engine, "echo hi > /v/file; chown 5:6 /v/file", volume="shared:/v", userns="auto")
    assert see(engine, "stat -c '%u %g' /v/file; cat /v/file", volume="shared:/v", userns="auto") == "5 6 hi"
    assert see(engine, "stat -c '%u %g' /v/file", volume="shared:/v") == "5 6"


def test_limits_are_written_into_the_cgroups(engine: Engine) -> None:
    options: dict[str, Any] = {"memory": "64m", "pids_limit": 30, "cpus": "0.5"}
    with_limits = engine.run("host", ["sleep", "60"], detach=True, **options)
    try:
        host_config = with_limits.inspect()["HostConfig"]
        assert (host_config["Memory"], host_config["PidsLimit"]) == (64 << 20, 30)
        stats = engine.runtime.stats(with_limits.id)
        assert (stats["memory"]["limit"], stats["pids"]["limit"]) == (64 << 20, 30)
    finally:
        with_limits.remove(force=True)


def test_a_second_container_may_share_namespaces_of_a_first(engine: Engine) -> None:
    first = engine.run("host", ["sleep", "60"], detach=True, name="first")
    try:
        script = "readlink /proc/1/ns/net /proc/self/ns/net | uniq | wc -l; cat /proc/1/comm"
        joined: dict[str, Any] = {"network": "container:first", "pid": "container:first", "cap_add": "SYS_PTRACE"}
        assert see(engine, script, **joined) == "1 sleep"
    finally:
        first.remove(force=True)


def test_a_second_container_may_share_the_memory_of_a_first(engine: Engine) -> None:
    first = engine.run("host", ["sh", "-c", "echo hi > /dev/shm/x; sleep 60"], detach=True, shm_size="1m")
    try:
        script = "until test -s /dev/shm/x; do sleep 0.1; done; cat /dev/shm/x; stat -f -c %b /dev/shm"
        assert see(engine, script, ipc=f"container:{first.id}") == "hi 256"
    finally:
        first.remove(force=True)
