"""dockerd --add-runtime ringrun: run, exec, health, pause, stats, update, restart, terminals, build; as with runc."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.peers.conftest import RUNTIMES, Engine, wait_until

START = "ip link set lo up; exec dockerd --config-file={0}/daemon.json"  # in a network of its own: its rules stay there


@pytest.fixture(scope="module")
def dockers(place: Path, archive: Path) -> Iterator[Callable[[str], Engine]]:
    needs.program("dockerd", "docker", "script", "ip")
    settings = {
        "runtimes": {"ringrun": {"path": RUNTIMES["ringrun"]}},
        "default-runtime": "ringrun",
        "storage-driver": "overlay2",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "data-root": f"{place}/storage",
        "exec-root": f"{place}/run",
        "pidfile": f"{place}/pid",
        "hosts": [f"unix://{place}/d.sock"],
    }
    (place / "daemon.json").write_text(json.dumps(settings))
    with (place / "log").open("w") as log:
        daemon = subprocess.Popen(["unshare", "--net", "sh", "-c", START.format(place)], stdout=log, stderr=log)
    environment = {"DOCKER_HOST": f"unix://{place}/d.sock", "DOCKER_BUILDKIT": "0"}

    def docker(*words: str) -> Engine:
        return Engine(["docker", *words], environment)

    try:
        wait_until("dockerd answers", lambda: docker()("info").status == 0)
        docker().ok("load", "--input", str(archive))
        yield docker
    finally:
        daemon.terminate()
        daemon.wait(30)


@pytest.fixture
def docker(dockers: Callable[..., Engine]) -> Iterator[Engine]:
    yield dockers()
    dockers()("rm", "--force", "c1")


def test_run_gives_output_and_exit_codes(docker: Engine, runtime: str) -> None:
    run = ["run", "--rm", f"--runtime={runtime}", "--network=none"]
    bridged = ["run", "--rm", f"--runtime={runtime}", "host"]
    done = docker(*run, "host", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.status, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert docker(*run, "host", "nosuchprogram").status == 127
    assert docker(*run, "host", "/etc/passwd").status == 126
    assert docker(*run, "--init", "host", "cat", "/proc/1/comm").lines == ["docker-init"]
    assert docker.ok(*bridged, "cat", "/proc/net/dev").count("eth0") == 1


def test_flags_of_run_reach_the_process(docker: Engine, runtime: str) -> None:
    script = (
        "id -u; pwd; grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; touch /y || touch /dev/shm/z && echo $A"
    )
    flags = [f"--runtime={runtime}", "--network=none", "--user=1000:1000", "--read-only", "--workdir=/tmp", "--env=A=b",
             "--cap-drop=all", "--security-opt=no-new-privileges"]  # fmt: skip
    assert docker("run", "--rm", *flags, "host", "sh", "-c", script).lines == [
        *("1000", "/tmp", "NoNewPrivs:\t1", "Seccomp:\t2")[:2],
        *("CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "b"),
    ]


def test_a_detached_container_lives_through_exec_pause_update_and_stop(docker: Engine, runtime: str) -> None:
    health = ("--health-cmd=test -e /ok", "--health-interval=300ms", "--health-retries=1")
    run = ("run", "--detach", "--name=c1", f"--runtime={runtime}", "--network=none", *health)
    docker.ok(*run, "host", "sh", "-c", "echo logged; exec sleep 1000")
    done = docker("exec", "--user=1000", "--env=A=b", "--workdir=/tmp", "c1", "sh", "-c", "id -u; pwd; echo $A; exit 3")
    assert (done.status, done.lines) == (3, ["1000", "/tmp", "b"])
    assert docker.ok("top", "c1", "-o", "pid,args").splitlines()[1].split()[1:] == ["sleep", "1000"]
    assert docker.ok("stats", "--no-stream", "--format={{.Name}}", "c1") == "c1"
    docker.ok("pause", "c1")
    assert docker.ok("inspect", "--format={{.State.Status}}", "c1") == "paused"
    docker.ok("unpause", "c1")
    docker.ok("update", "--memory=100m", "--memory-swap=200m", "--cpus=0.5", "c1")
    assert docker.ok("exec", "c1", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes") == str(100 << 20)
    assert docker.ok("logs", "c1") == "logged"
    status = ("inspect", "--format={{.State.Health.Status}}", "c1")
    wait_until("the health check fails", lambda: docker.ok(*status) == "unhealthy")
    docker.ok("exec", "c1", "touch", "/ok")
    wait_until("the health check passes", lambda: docker.ok(*status) == "healthy")
    docker.ok("restart", "--time=0", "c1")
    assert docker.ok("exec", "c1", "ls", "/ok") == "/ok"
    docker.ok("stop", "--time=0", "c1")
    assert docker.ok("inspect", "--format={{.State.Status}} {{.State.ExitCode}}", "c1") == "exited 137"


def test_a_terminal_is_one_and_has_its_size(docker: Engine, runtime: str) -> None:
    run = ["run", "-it", f"--runtime={runtime}", "--network=none"]
    late = 'while [ "$(stty size)" = "0 0" ]; do sleep 0.05; done'  # the client sets it when it gets to it
    script = f"'tty; {late}; stty size'"
    assert "/dev/pts/0\n30 99\n" in docker.on_a_terminal(*run, "--rm", "host", "sh", "-c", script)


def test_build_runs_the_commands_of_a_dockerfile(docker: Engine, tmp_path: Path) -> None:
    """By the default runtime, which is ringrun."""
    (tmp_path / "Dockerfile").write_text(
        "FROM host\nRUN echo built >/file && id -u\nRUN test -s /file\nCMD cat /file\n"
    )
    docker.ok("build", "--no-cache", "--network=none", "--tag=built", str(tmp_path))
    assert docker.ok("run", "--rm", "--network=none", "built") == "built"
