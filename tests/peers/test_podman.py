"""podman --runtime ringrun: containers, exec, pods, health checks, pause, stats, update, terminals, build; as runc."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.peers.conftest import RUNTIMES, Engine

# Without CAP_SYS_RESOURCE podman's own default limits would be above what is allowed.
SETTINGS = """\
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=10000:10000"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@pytest.fixture(scope="module")
def podmans(place: Path, archive: Path) -> Iterator[Callable[[str], Engine]]:
    needs.program("podman", "conmon", "script")
    (place / "containers.conf").write_text(SETTINGS)
    environment = {"CONTAINERS_CONF": f"{place}/containers.conf"}
    storage = [f"--root={place}/storage", f"--runroot={place}/run", f"--tmpdir={place}/tmp"]

    def podman(runtime: str) -> Engine:
        return Engine(["podman", *storage, f"--runtime={RUNTIMES[runtime]}"], environment)

    podman("runc").ok("load", "--quiet", "--input", str(archive))
    yield podman
    podman("runc").ok("system", "reset", "--force")


@pytest.fixture
def podman(podmans: Callable[[str], Engine], runtime: str) -> Iterator[Engine]:
    engine = podmans(runtime)
    yield engine
    engine.ok("rm", "--all", "--force", "--time", "0")


def test_run_gives_output_and_exit_codes(podman: Engine) -> None:
    done = podman("run", "--rm", "host", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.status, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert podman("run", "--rm", "host", "nosuchprogram").status == 127
    assert podman("run", "--rm", "host", "/etc/passwd").status == 126
    assert podman("run", "--rm", "--network=host", "host", "cat", "/proc/net/dev").stdout.count("\n") > 2


def test_flags_of_run_reach_the_process(podman: Engine) -> None:
    script = "id -u; pwd; grep -E 'CapBnd|NoNewPrivs' /proc/self/status; echo $A; cat /hn; touch /y || touch z && ls"
    flags = ["--user=1000:1000", "--read-only", "--tmpfs=/x", "--workdir=/x", "--volume=/etc/hostname:/hn:ro",
             "--cap-drop=all", "--security-opt=no-new-privileges", "--env=A=b"]  # fmt: skip
    assert podman("run", "--rm", *flags, "host", "sh", "-c", script).lines == [
        *("1000", "/x", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "b", Path("/etc/hostname").read_text().strip()),
        "z",
    ]


def test_a_detached_container_lives_through_exec_pause_stats_update_and_stop(podman: Engine) -> None:
    podman.ok("run", "--detach", "--name=c1", "host", "sh", "-c", "echo logged; exec sleep 1000")

    done = podman("exec", "--user=1000", "--env=A=b", "--workdir=/tmp", "c1", "sh", "-c", "id -u; pwd; echo $A; exit 3")
    assert (done.status, done.lines) == (3, ["1000", "/tmp", "b"])
    assert podman.ok("top", "c1", "args").splitlines() == ["COMMAND", "sleep 1000"]
    stats = json.loads(podman.ok("stats", "--no-stream", "--format=json", "c1"))[0]
    assert stats["pids"] == "1" and stats["mem_usage"].split(" / ")[0] != "0B"
    podman.ok("pause", "c1")
    assert podman.ok("inspect", "--format={{.State.Status}}", "c1") == "paused"
    podman.ok("unpause", "c1")
    podman.ok("update", "--memory=100m", "--cpus=0.5", "c1")
    assert podman.ok("exec", "c1", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes") == str(100 << 20)
    assert podman.ok("logs", "c1") == "logged"
    podman.ok("kill", "--signal=KILL", "c1")
    assert podman.ok("wait", "c1") == "137"
    podman.ok("start", "c1")
    podman.ok("stop", "--time=0", "c1")
    assert podman.ok("inspect", "--format={{.State.Status}} {{.State.ExitCode}}", "c1") == "exited 137"


def test_a_pod_shares_its_namespaces(podman: Engine) -> None:
    podman.ok("pod", "create", "--name=p1", "--network=none", "--infra-image=host", "--infra-command=sleep 1000")
    try:
        podman.ok("run", "--detach", "--pod=p1", "--name=c1", "host", "sleep", "1000")
        namespaces = ["readlink", *(f"/proc/1/ns/{kind}" for kind in ("net", "ipc", "uts"))]
        other = podman.ok("run", "--rm", "--pod=p1", "host", *namespaces)
        assert other == podman.ok("exec", "c1", *namespaces)
        podman.ok("pod", "pause", "p1")
        podman.ok("pod", "unpause", "p1")
        assert podman.ok("pod", "ps", "--format={{.Status}} {{.NumberOfContainers}}") == "Running 2"
    finally:
        podman.ok("pod", "rm", "--force", "--time=0", "p1")


def test_a_health_check_is_executed_in_the_container(podman: Engine) -> None:
    podman.ok("run", "--detach", "--name=c1", "--health-cmd=test -e /ok", "--health-interval=disable",
              "--health-retries=1", "host", "sleep", "1000")  # fmt: skip
    assert podman("healthcheck", "run", "c1").status == 1
    podman.ok("exec", "c1", "touch", "/ok")
    assert podman("healthcheck", "run", "c1").status == 0


def test_a_terminal_is_one_and_has_its_size(podman: Engine) -> None:
    assert "/dev/pts/0\n30 99\n" in podman.on_a_terminal("run", "-it", "--rm", "host", "sh", "-c", "'tty; stty size'")
    podman.ok("run", "--detach", "--name=c1", "host", "sleep", "1000")
    assert "/dev/pts/0\n" in podman.on_a_terminal("exec", "-it", "c1", "tty")


def test_build_runs_the_commands_of_a_dockerfile(podman: Engine, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM host\nRUN echo built >/file && id -u\nRUN test -s /file\nCMD cat /file\n"
    )
    podman.ok("build", "--no-cache", "--network=none", "--tag=built", str(tmp_path))
    assert podman.ok("run", "--rm", "built") == "built"
    podman.ok("rmi", "built")


def test_ids_are_mapped_and_init_is_pid_1(podman: Engine) -> None:
    mapped = podman(
        "run", "--rm", "--uidmap=0:100000:1000", "--gidmap=0:100000:1000", "host", "cat", "/proc/self/uid_map"
    )
    assert mapped.stdout.split() == ["0", "100000", "1000"]
    assert podman("run", "--rm", "--init", "host", "sh", "-c", "cat /proc/1/comm").lines == ["podman-init"]
    assert podman("run", "--rm", "--privileged", "host", "sh", "-c", "ls /dev | wc -l").status == 0
