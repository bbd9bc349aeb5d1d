"""One behaviour for every --runtime: ours, runc and crun are the same container to whoever uses the engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ringfence.engine import explain, places
from ringfence.errors import CannotExecute, Conflict, Failed, InvalidInput, NotFound
from ringfence.linux import processes
from tests import leaks, needs
from tests.runtime.peers import NAMES, program

if TYPE_CHECKING:
    from ringfence import Engine
    from ringfence.engine.session import Session

CGROUPS = Path("/sys/fs/cgroup")
FOR_EVER = ["sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"]


@pytest.fixture(params=NAMES)
def runtime(request: pytest.FixtureRequest, engine: Engine) -> str:
    needs.root()
    if request.param != "ringrun":
        needs.program(request.param)
    directory = Path(engine.root).parent
    directory.chmod(0o711)  # root of a user namespace has to reach its root filesystem
    return program(request.param, directory)


def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def read_until(session: Session, text: bytes) -> bytes:
    """What a session gives, up to `text`."""
    seen = b""
    while text not in seen:
        kind, payload = session.receive()
        assert kind, seen
        seen += payload if kind in "OE" else b""
    return seen


def logged(engine: Engine, name: str) -> bytes:
    return b"".join(line.data for line in engine.logs(name))


# ---- run


def test_output_input_and_exit_code_come_through(engine: Engine, runtime: str) -> None:
    result = engine.run("host", ["sh", "-c", "cat; echo err >&2; exit 7"], runtime=runtime, rm=True, input=b"in\n")

    assert (result.exit_code, result.stdout, result.stderr) == (7, b"in\n", b"err\n")
    assert engine.ps(all=True) == []
    assert os.listdir(f"{engine.state}/containers") == []


def test_a_program_that_a_signal_ends_exits_with_128_and_its_number(engine: Engine, runtime: str) -> None:
    container = engine.run("host", ["sleep", "60"], runtime=runtime, detach=True)
    container.kill()

    assert container.inspect()["State"]["ExitCode"] == 137


@pytest.mark.parametrize(("words", "code"), [("nosuch", 127), ("/no/such", 127), ("/etc/passwd", 126)])
def test_a_program_that_cannot_be_executed_is_told_in_one_line(
    engine: Engine, runtime: str, words: str, code: int
) -> None:
    with pytest.raises(CannotExecute) as caught:
        engine.run("host", [words], runtime=runtime, name="one")

    assert "\n" not in str(caught.value)
    assert engine.inspect("one")["State"]["ExitCode"] == code
    assert engine.inspect("one")["State"]["Status"] == "created"


def test_it_is_confined_alike(engine: Engine, runtime: str) -> None:
    script = (
        "hostname; id -u; id -G; pwd; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; ulimit -n;"
        "cat /proc/sys/net/ipv4/ip_forward; ls /dev | grep -v core; for f in cgroup ipc mnt net pid uts; do"
        " test $(readlink /proc/self/ns/$f) != $(cat /host-$f) && echo own $f; done; touch /tmp/x /y 2>&1;"
        "awk '{print $5}' /proc/self/mountinfo | grep -v -e /sys/fs/cgroup -e ^/proc/ -e ^/sys/ | sort -u"
    )
    options: dict[str, Any] = {
        "user": "1000:1001", "group_add": ["7"], "workdir": "/var", "cap_drop": ["CHOWN"], "read_only": True,
        "tmpfs": ["/tmp"], "ulimit": ["nofile=100:200"], "sysctl": ["net.ipv4.ip_forward=1"], "hostname": "h",
    }  # fmt: skip

    own = engine.run("host", ["sh", "-c", script], rm=True, **options)
    other = engine.run("host", ["sh", "-c", script], rm=True, runtime=runtime, **options)

    assert b"h\n1000\n1001 7\n/var\n" in own.stdout
    assert other.stdout == own.stdout


def test_a_user_namespace_of_its_own_maps_its_files(engine: Engine, runtime: str) -> None:
    script = "cat /proc/self/uid_map; touch /x; stat -c %u:%g / /x"

    result = engine.run("host", ["sh", "-c", script], runtime=runtime, rm=True, userns="auto")

    first, *owners = result.stdout.decode().splitlines()
    assert first.split()[0] == "0" and first.split()[1] != "0"
    assert owners == ["0:0", "0:0"]


def test_an_init_reaps_and_passes_the_exit_code_on(engine: Engine, runtime: str) -> None:
    result = engine.run("host", ["sh", "-c", "cat /proc/1/comm; exit 9"], runtime=runtime, rm=True, init=True)

    assert (result.exit_code, result.stdout) == (9, b"ringinit\n")


def test_a_memory_limit_bites(engine: Engine, runtime: str) -> None:
    script = "x=a; while :; do x=$x$x; done"

    container = engine.create("host", ["sh", "-c", script], runtime=runtime, memory="16m", memory_swap="16m")
    container.start()

    assert container.wait(timeout=30) == 137
    assert container.inspect()["State"]["OOMKilled"] is True


# ---- a terminal, attaching


def test_a_terminal_has_our_size_and_follows_it(engine: Engine, runtime: str) -> None:
    script = "stty size; read x; stty size; test -c /dev/console && exit 4"
    container = engine.create("host", ["sh", "-c", script], runtime=runtime, tty=True, interactive=True, rm=True)

    with engine.launch(container.id, window=(33, 99)) as session:
        read_until(session, b"33 99\r\n")
        session.resize(40, 111)
        session.send(b"\n")
        read_until(session, b"40 111\r\n")
        assert session.finish() == 4


def test_one_that_runs_detached_is_attached_to_and_its_log_is_kept(engine: Engine, runtime: str) -> None:
    container = engine.run("host", ["sh", "-c", "echo one; read x; echo got $x"], runtime=runtime, detach=True,
                           interactive=True)  # fmt: skip
    until(lambda: logged(engine, container.id) == b"one\n")

    with engine.attach(container.id) as session:
        session.send(b"two\n")
        read_until(session, b"got two\n")
        assert session.finish() == 0
    assert logged(engine, container.id) == b"one\ngot two\n"


# ---- exec


def test_exec_enters_it(engine: Engine, runtime: str) -> None:
    container = engine.run("host", FOR_EVER, runtime=runtime, detach=True, env=["A=container"])

    script = "cat; echo $A $B $(id -u) $(pwd) $(readlink /proc/self/ns/pid); exit 5"
    done = container.exec(["sh", "-c", script], input=b"in\n", env=["B=exec"], user="65534", workdir="/tmp")

    pid = container.inspect()["State"]["Pid"]
    assert done.stdout.decode() == f"in\ncontainer exec 65534 /tmp {os.readlink(f'/proc/{pid}/ns/pid')}\n"
    assert done.exit_code == 5
    for word, code in (("nosuch", "not found"), ("/etc/passwd", "denied")):
        with pytest.raises(CannotExecute, match=code):
            container.exec([word])


def test_exec_has_a_terminal(engine: Engine, runtime: str) -> None:
    container = engine.run("host", FOR_EVER, runtime=runtime, detach=True)

    with engine.exec_session(container.id, ["sh", "-c", "stty size; exit 6"], tty=True, window=(31, 71)) as session:
        code, output, _ = session.collect()

    assert (code, output) == (6, b"31 71\r\n")


# ---- its life


def test_stop_lets_it_end_by_itself_and_restart_starts_it_again(engine: Engine, runtime: str) -> None:
    container = engine.run("host", FOR_EVER, runtime=runtime, detach=True)
    until(lambda: logged(engine, container.id) == b"up\n")

    container.stop()
    assert container.inspect()["State"]["ExitCode"] == 5
    engine.restart(container.id)
    until(lambda: logged(engine, container.id) == b"up\nup\n")
    assert container.status == "running"
    with pytest.raises(Conflict):
        container.remove()


def test_a_paused_one_stands_still_and_can_be_killed(engine: Engine, runtime: str) -> None:
    container = engine.run("host", ["sh", "-c", "while :; do echo tick; sleep 0.02; done"], runtime=runtime,
                           detach=True)  # fmt: skip
    until(lambda: logged(engine, container.id))

    container.pause()
    assert container.status == "paused"
    before = len(logged(engine, container.id))
    time.sleep(0.2)
    assert len(logged(engine, container.id)) == before
    with pytest.raises(Conflict):
        container.exec(["true"])
    container.unpause()
    until(lambda: len(logged(engine, container.id)) > before)
    container.pause()
    container.kill()
    assert container.inspect()["State"]["ExitCode"] == 137


def test_a_policy_restarts_it(engine: Engine, runtime: str) -> None:
    container = engine.run("host", ["sh", "-c", "echo run; exit 3"], runtime=runtime, detach=True,
                           restart="on-failure:1")  # fmt: skip

    until(lambda: logged(engine, container.id) == b"run\nrun\n" and container.status == "exited")
    assert container.inspect()["RestartCount"] == 1


def test_one_that_goes_at_its_exit_goes_without_us(engine: Engine, runtime: str) -> None:
    engine.run("host", ["true"], runtime=runtime, detach=True, rm=True)

    until(lambda: engine.records.all() == [] and os.listdir(f"{engine.state}/containers") == [])


def test_an_ended_one_leaves_no_cgroup(engine: Engine, runtime: str) -> None:
    container = engine.create("host", ["true"], runtime=runtime)
    container.start()
    container.wait(timeout=10)

    until(lambda: not list(CGROUPS.glob(f"*/ringfence/{container.id}")))


# ---- looking


def test_numbers_processes_limits_and_changes_are_told(engine: Engine, runtime: str) -> None:
    container = engine.run("host", ["sh", "-c", "echo >/made; echo up; exec sleep 60"], runtime=runtime, detach=True,
                           memory="64m")  # fmt: skip
    until(lambda: logged(engine, container.id) == b"up\n")

    [numbers] = next(engine.stats([container.id], stream=False, interval=0.01))
    assert numbers["memory_stats"]["limit"] == 64 << 20 and numbers["pids_stats"]["current"] == 1
    assert [row[-1] for row in engine.top(container.id)["Processes"]] == ["sleep 60"]
    engine.update(container.id, memory="32m", memory_swap="64m")
    [numbers] = next(engine.stats([container.id], stream=False, interval=0.01))
    assert numbers["memory_stats"]["limit"] == 32 << 20
    assert container.inspect()["HostConfig"]["Runtime"] == runtime
    assert engine.diff(container.id) == [{"Path": "/made", "Kind": 1}]


def test_its_page_tells_what_is_done(engine: Engine, runtime: str) -> None:
    """The plan of a container that runs names the very files and mounts that the kernel has."""
    container = engine.run("host", FOR_EVER, runtime=runtime, detach=True)

    found = engine.explain(container.id)

    own = {row["kind"] for row in found["namespaces"] if not row["host"]}
    assert own >= {"cgroup", "ipc", "mnt", "net", "pid", "uts"} or own >= {"cgroup", "ipc", "mount", "network", "pid"}
    assert all(Path(row["directory"]).is_dir() for row in found["cgroups"])
    page = explain.text(found)
    if runtime != "ringrun":
        bundle = f"{places.runtime_state(engine, container.id)}/bundle"
        assert f"run {runtime}" in page.replace("/usr/sbin/", "") and f"attach the root filesystem at {bundle}" in page
        assert Path(bundle, "config.json").exists()
        mounted = Path(f"/proc/{container.inspect()['State']['Pid']}/mountinfo").read_text()
        assert engine.inspect(container.id)["GraphDriver"]["Data"]["UpperDir"].rpartition("/")[0] in mounted


# ---- errors, and kills


def test_a_runtime_must_be_known_and_there(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="unknown runtime kata"):
        engine.create("host", runtime="kata")
    with pytest.raises(NotFound, match="no program /no/such"):
        engine.create("host", runtime="/no/such")
    assert engine.ps(all=True) == []


def test_what_the_runtime_says_is_the_error(engine: Engine, runtime: str) -> None:
    """A bind of a directory over a file cannot be."""
    with pytest.raises(Failed) as caught:
        engine.run("host", ["true"], runtime=runtime, name="one", volume=["/tmp:/etc/passwd"])

    assert str(caught.value).count("\n") == 0 and "etc/passwd" in str(caught.value)
    assert engine.inspect("one")["State"]["Error"] == str(caught.value)


def test_a_program_that_is_no_runtime_is_told_of(engine: Engine) -> None:
    with pytest.raises(Failed, match="true: it left no process to watch"):
        engine.run("host", ["true"], runtime="/bin/true", rm=True)
    with pytest.raises(Failed, match="false: it failed and did not say why"):
        engine.run("host", ["true"], runtime="/bin/false", rm=True)


def test_a_container_can_be_removed_when_its_runtime_has_gone(engine: Engine) -> None:
    needs.program("runc")
    copy = Path(engine.root).parent / "gone"
    subprocess.run(["cp", "/usr/sbin/runc", copy], check=True)
    container = engine.run("host", ["sleep", "60"], runtime=str(copy), detach=True)

    copy.unlink()

    assert container.status == "running"
    container.remove(force=True)
    assert engine.ps(all=True) == []


def test_mounts_that_are_shared_stay_so(engine: Engine) -> None:
    """A volume that is to pass mounts on to the host does, though the root filesystem's mount stays private."""
    needs.program("runc")
    shared = Path(engine.root).parent / "shared"
    (shared / "inside").mkdir(parents=True)
    script = f"""
import subprocess, sys
from ringfence import Engine
run = subprocess.run
run(["mount", "--bind", {str(shared)!r}, {str(shared)!r}], check=True)
run(["mount", "--make-rshared", {str(shared)!r}], check=True)
with Engine({engine.root!r}, {engine.state!r}) as engine:
    engine.run("host", ["sh", "-c", "mount -t tmpfs none /v/inside; exec sleep 60"], detach=True, runtime="runc",
               privileged=True, name="sharing", volume=[{f"{shared}:/v:rshared"!r}])
    import time
    for _ in range(200):
        table = open("/proc/self/mountinfo").read()
        if {f"{shared}/inside"!r} in table:
            break
        time.sleep(0.02)
    print({f"{shared}/inside"!r} in table, {f"{engine.state}/containers"!r} in table)
    engine.rm("sharing", force=True)
"""
    argv = ["unshare", "--mount", "--propagation", "shared", sys.executable, "-c", script]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("True False\n", "")


@pytest.mark.parametrize("victim", ["command", "helper"])
def test_a_kill_while_it_is_being_started_leaves_nothing(engine: Engine, runtime: str, victim: str) -> None:
    """At many instants of a start the command, or also the helper that calls the runtime, is killed."""
    bystander = engine.run("host", ["sleep", "600"], runtime=runtime, detach=True)
    before = leaks.Census.take(Path(engine.root).parent)
    run = f"Engine({engine.root!r}, {engine.state!r}).run('host', ['true'], rm=True, runtime={runtime!r})"
    for number in range(12):
        _kill_at(engine, f"from ringfence import Engine\n{run}", 0.006 * number, with_helper=victim == "helper")
        until(lambda: _cleaned_up(engine, bystander.id))
    leaks.assert_nothing_left(before)
    assert bystander.status == "running"


def test_a_kill_while_something_is_executed_in_it_leaves_no_file(engine: Engine, runtime: str) -> None:
    container = engine.run("host", ["sleep", "600"], runtime=runtime, detach=True)
    before = leaks.Census.take(Path(engine.state))
    script = f"from ringfence import Engine\nEngine({engine.root!r}, {engine.state!r}).exec({container.id!r}, ['true'])"
    for number in range(8):
        command = subprocess.Popen([sys.executable, "-c", script])
        time.sleep(0.1 + 0.02 * number)
        command.kill()
        command.wait()
    leaks.assert_nothing_left(before)


def _cleaned_up(engine: Engine, bystander: str) -> bool:
    """As a person would; what its monitor is just removing itself is left to that one."""
    for other in engine.ps(all=True):
        if other["Id"] != bystander:
            with suppress(NotFound):
                engine.rm(other["Id"], force=True)
    engine.system_prune()
    return [record.id for record in engine.records.all()] == [bystander]


def _kill_at(engine: Engine, script: str, seconds: float, *, with_helper: bool) -> None:
    """Kill a command so many seconds after its start has begun, with or without the helper that it waits for."""
    command = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    until(lambda: len(os.listdir(f"{engine.state}/containers")) > 1 or command.poll() is not None)
    time.sleep(seconds)
    children = processes.children(command.pid) if with_helper and command.poll() is None else []
    for pid in (command.pid, *children):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    command.wait()
