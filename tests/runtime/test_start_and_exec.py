"""Starting and entering: what the program inherits, what interrupts a start, whom an exec finds, and --init."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ringfence.errors import CannotExecute, Conflict, Failed, InvalidInput
from ringfence.linux import processes
from ringfence.linux.mounts import Mount
from ringfence.runtime import claim, exec, kill, state
from ringfence.runtime.compile_process import INIT_ANNOTATION
from ringfence.runtime.facts import PID_FILE
from ringfence.runtime.interface import Launch, Monitoring
from ringfence.runtime.native import OciRuntime
from tests.bundles import Bundle, exec_in
from tests.leaks import Census
from tests.runtime.monitored import Monitored, alive, eventually

#: starts the bundle `sys.argv[1]` as the container `sys.argv[2]`, with log and exit record beside it
LAUNCHER = """
import json, sys
from ringfence.runtime.interface import Launch, Log, Monitoring
from ringfence.runtime.native import OciRuntime
bundle, id, directory = sys.argv[1:]
monitoring = Monitoring(log=Log("k8s-file", f"{directory}/{id}.log"), exit_file=f"{directory}/{id}.exit")
launch = Launch(id, json.load(open(f"{bundle}/config.json")), bundle, monitoring=monitoring)
print("starting", flush=True)
started = OciRuntime(f"{directory}/state").start(launch)
print("started", flush=True)
while started.control.recv(40000)[:1] != b"X":
    pass
print("ended", flush=True)
"""


def launcher(bundle: Bundle, id: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LAUNCHER, str(bundle.write()), id, str(bundle.path.parent)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root)


@pytest.mark.timeout(120)
def test_a_container_that_is_recorded_while_one_looks_is_not_told_as_stopped(tmp_path: Path) -> None:
    """Between the reading of its record and the question create goes on (crun's start-command)."""
    me = os.getpid()
    (tmp_path / "c1").mkdir()
    claim.write(f"{tmp_path}/c1", {"creator": [me, processes.start_time(me)]}, "{}")
    before = state.load(str(tmp_path), "c1")
    (tmp_path / "c1" / PID_FILE).write_text(f"{me} {processes.start_time(me)} 0 0\n")

    assert (before.status(), state.load(str(tmp_path), "c1").status()) == (state.CREATING, state.RUNNING)


def test_a_launcher_that_is_killed_at_any_instant_loses_neither_lines_nor_exit_code(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    """Either the program never ran, or all of what it printed is in the log and its exit code in the record."""
    bundle.shell("for n in 1 2 3 4 5 6 7 8 9; do echo $n; sleep 0.01; done; exit 7")
    chance = random.Random(4)
    ran = 0
    for turn in range(25):
        id = f"{bundle.id}-{turn}"
        process = launcher(bundle, id)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.09 if turn % 2 else 0.01))
        process.kill()
        process.communicate()
        log, exit_record = short_directory / f"{id}.log", short_directory / f"{id}.exit"
        record = state.load(runtime.root, id) if id in state.identifiers(runtime.root) else None
        if record is not None:
            eventually(lambda id=id: state.load(runtime.root, id).monitor_pid == 0)  # type: ignore[misc]
        if exit_record.exists():
            ran += 1
            assert json.loads(exit_record.read_text())["exit_code"] == 7
            assert [line.split()[3] for line in log.read_text().splitlines()] == list("123456789")
        else:
            assert not log.exists() or log.read_text() == ""
        runtime.delete(id, force=True)
    assert ran > 0


def test_a_start_that_is_interrupted_leaves_nothing(bundle: Bundle, runtime: OciRuntime, short_directory: Path) -> None:
    """Ctrl-C while the helper works: what it then starts is killed again, for nobody would know of it."""
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"touch {short_directory}/hook; sleep 0.5"]}
    bundle.shell(f"echo >{short_directory}/ran; exec sleep 60")
    bundle.spec["hooks"] = {"createRuntime": [hook]}
    before = Census.take(short_directory)
    process = launcher(bundle, bundle.id)
    eventually((short_directory / "hook").exists)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert output == "starting\n"
    assert state.identifiers(runtime.root) == []
    left = [line for line in Census.take(short_directory).since(before) if bundle.id in line and "files:" not in line]
    assert left == []


def test_closed_standard_streams_and_ignored_children_do_no_harm(bundle: Bundle, short_directory: Path) -> None:
    """A careless caller, such as a daemon: descriptors 0 to 2 free, SIGCHLD ignored, signals blocked."""
    bundle.shell("grep -E 'SigBlk|SigIgn' /proc/self/status; ls /proc/self/fd | wc -l; exit 6").write()
    out = short_directory / "out"
    careless = f"""
import os, signal, sys
sys.argv[1:] = {[str(bundle.path), bundle.id, str(short_directory)]!r}
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD}})
for number in range(3):
    os.close(number)
sys.stdout = open({str(out)!r}, "w", opener=lambda path, flags: os.dup2(os.open(path, flags, 0o600), 50))
os.close(0)
{LAUNCHER}"""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", careless], cwd=root, timeout=30, check=True)
    assert out.read_text() == "starting\nstarted\nended\n"
    assert json.loads((short_directory / f"{bundle.id}.exit").read_text())["exit_code"] == 6
    lines = [line.split(" ", 3)[3] for line in (short_directory / f"{bundle.id}.log").read_text().splitlines()]
    assert lines == ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "4"]


# ---- bounds


def test_hundreds_of_mounts_are_no_problem(bundle: Bundle, runtime: OciRuntime, short_directory: Path) -> None:
    source = short_directory / "source"
    source.mkdir()
    for number in range(600):
        bundle.mount(f"/mounts/{number}", "bind", source, "bind")
    assert bundle.shell("grep -c ' /mounts/' /proc/self/mounts").run(runtime).stdout == "600\n"


def test_long_arguments_and_environments_arrive(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["process"]["env"] += [f"V{number}={'x' * 1000}" for number in range(500)]
    bundle.spec["process"]["args"] = ["sh", "-c", "env | wc -c; echo ${#1}", "sh", "y" * 100_000]
    size, argument = bundle.run(runtime).stdout.split()
    assert int(size) > 500_000 and argument == "100000"


@pytest.mark.parametrize("path", ["/" + "x" * 300, "/x" * 2500, "x" * 5000])
def test_paths_that_are_too_long_are_an_error_and_no_crash(bundle: Bundle, runtime: OciRuntime, path: str) -> None:
    for key, value in (("cwd", f"/{path.lstrip('/')}"), ("args", [path])):
        process = dict(bundle.spec["process"])
        bundle.spec["process"] |= {key: value}
        with pytest.raises(Failed, match="too long"):
            bundle.shell("true").run(runtime) if key == "cwd" else bundle.run(runtime)
        bundle.spec["process"] = process
    bundle.spec["process"]["args"] = ["true"]
    bundle.mount(f"/{path.lstrip('/')}", "tmpfs", "tmpfs")
    with pytest.raises(Failed, match="too long"):
        bundle.run(runtime)


def test_an_element_of_path_that_is_too_long_is_passed_over(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["process"]["env"] = [f"PATH=/{'x/' * 3000}:/usr/bin:/bin"]
    bundle.spec["process"]["args"] = ["echo", "found"]
    assert bundle.run(runtime).stdout == "found\n"


def test_an_overlay_of_many_layers_with_long_paths(bundle: Bundle, runtime: OciRuntime, short_directory: Path) -> None:
    lowers = []
    for number in range(60):
        layer = short_directory / ("l" * 100) / str(number)
        (layer / f"layer{number}").mkdir(parents=True)
        lowers.append(str(layer))
    lowers.append(str(bundle.rootfs))
    options = [f"lowerdir={':'.join(lowers)}"]
    for name in ("upper", "work"):
        (short_directory / name).mkdir()
        options.append(f"{name}dir={short_directory / name}")
    bundle.shell("ls -d /layer* | wc -l; touch /written")
    result = bundle.run(runtime, root=[Mount("overlay", "overlay", options)])
    assert result.stdout == "60\n"
    assert (short_directory / "upper" / "written").exists()


# ---- hooks


def test_a_hook_that_does_not_read_its_state_holds_nothing_up(bundle: Bundle, runtime: OciRuntime) -> None:
    """The state may be longer than a pipe; the time-out counts all the same."""
    bundle.spec["annotations"] = {"big": "x" * 200_000}
    bundle.spec["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}]}
    begun = time.monotonic()
    with pytest.raises(Failed, match="createRuntime"):
        bundle.shell("true").run(runtime)
    assert time.monotonic() - begun < 10


def test_a_hook_gets_the_whole_state_and_the_caller_s_mask(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    told = short_directory / "told"
    bundle.spec["annotations"] = {"big": "x" * 200_000}
    script = f"umask >{told}.mask; cat >{told}"
    bundle.spec["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    before = os.umask(0o027)
    try:
        bundle.shell("true").run(runtime)
    finally:
        os.umask(before)
    assert json.loads(told.read_text())["annotations"] == bundle.spec["annotations"]
    assert Path(f"{told}.mask").read_text() == "0027\n"


# ---- cgroups


@pytest.mark.parametrize("path", ["/", "//", ".", "/./", "///."])
def test_the_root_of_the_cgroups_is_nobody_s_own(bundle: Bundle, runtime: OciRuntime, path: str) -> None:
    """To delete such a container would be to kill every process of the machine."""
    bundle.spec["linux"]["cgroupsPath"] = path
    with pytest.raises(InvalidInput, match="cgroupsPath"):
        runtime.plan(Launch(bundle.id, bundle.spec, str(bundle.path), monitoring=Monitoring()))


def test_a_cgroup_that_others_are_in_is_refused_and_they_live(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.shell("exec sleep 60").start(runtime)
    first = runtime.processes(bundle.id)
    bundle.spec["linux"]["cgroupsPath"] = f"/ringrun/{bundle.id}"
    launch = Launch(f"{bundle.id}-other", bundle.spec, str(bundle.path), monitoring=Monitoring())
    with pytest.raises(Conflict, match="cgroupsPath"):
        runtime.start(launch)
    assert runtime.processes(bundle.id) == first
    assert state.identifiers(runtime.root) == [bundle.id]


# ---- exec and kill


def test_a_record_whose_pid_is_another_process_s_now_is_stopped(bundle: Bundle, runtime: OciRuntime) -> None:
    """Neither is the stranger killed nor is anything executed in its namespaces, which are the host's."""
    bundle.shell("exec sleep 60").start(runtime)
    time.sleep(0.05)  # start times count in hundredths of a second
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        record = state.load(runtime.root, bundle.id)
        own = record.pid
        assert own
        record.pid = stranger.pid  # as if it had been given to the stranger since the record was read
        with pytest.raises(Conflict, match="stopped"):
            exec.exec(record, {**bundle.spec["process"], "args": ["true"]}, Monitoring())
        with pytest.raises(Conflict, match="stopped"):
            kill.kill(record, signal.SIGKILL, runtime.driver)
        assert stranger.poll() is None and alive(own)
    finally:
        stranger.kill()
        stranger.wait()


def test_exec_into_a_user_namespace_has_its_users_and_no_more(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    ids = [{"containerID": 0, "hostID": 1_000_000, "size": 65536}]
    bundle.spec["linux"] |= {"uidMappings": ids, "gidMappings": ids}
    bundle.spec["linux"]["namespaces"].append({"type": "user"})
    short_directory.chmod(0o755)
    subprocess.run(["chown", "-R", "1000000:1000000", bundle.rootfs], check=True)
    bundle.shell("exec sleep 60").start(runtime)
    assert exec_in(runtime, bundle, ["sh", "-c", "id -u; cat /proc/self/uid_map; touch /owned"]).stdout.split() == [
        *("0", "0", "1000000", "65536"),
    ]
    assert (bundle.rootfs / "owned").stat().st_uid == 1_000_000
    user = {"uid": 7, "gid": 8, "additionalGids": [9]}
    assert exec_in(runtime, bundle, ["sh", "-c", "id -u; id -g; id -G"], user=user).stdout == "7\n8\n8 9\n"
    terminal = exec_in(runtime, bundle, ["sh", "-c", "tty; stat -c %u $(tty)"], user=user, terminal=True)
    assert terminal.stdout == "/dev/pts/0\r\n7\r\n"


def test_exec_in_a_stopped_container_is_refused(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("true"), runtime)
    container.run()
    with pytest.raises(Conflict):
        exec_in(runtime, bundle, ["true"])
    with pytest.raises(Conflict):
        runtime.kill(bundle.id, signal.SIGTERM, all=True)


def test_home_is_found_before_a_filter_forbids_to_look(bundle: Bundle, runtime: OciRuntime) -> None:
    """openat2 is younger than many a profile."""
    with (bundle.rootfs / "etc/passwd").open("a") as file:
        file.write("x:x:1234:1234::/home/of/x:/bin/sh\n")
    bundle.spec["process"] |= {"user": {"uid": 1234, "gid": 1234}, "cwd": "/"}
    bundle.spec["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["openat2"], "action": "SCMP_ACT_ERRNO"}],
    }
    for no_new_privileges in (True, False):
        bundle.spec["process"]["noNewPrivileges"] = no_new_privileges
        assert bundle.shell("echo $HOME").run(runtime).stdout == "/home/of/x\n"


# ---- --init


@pytest.fixture
def initiated(bundle: Bundle) -> Bundle:
    """A bundle whose pid 1 is ringinit."""
    bundle.spec["annotations"] = {INIT_ANNOTATION: "true"}
    return bundle


def test_init_is_pid_1_reaps_orphans_and_ends_with_the_program(initiated: Bundle, runtime: OciRuntime) -> None:
    script = "cat /proc/1/comm; (true & exec true) & sleep 0.2; grep -l 'State:.Z' /proc/[0-9]*/status; exit 9"
    result = initiated.shell(script).run(runtime)
    assert (result.exit_code, result.stdout) == (9, "ringinit\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, 37, 64])
def test_init_forwards_signals(initiated: Bundle, runtime: OciRuntime, number: int) -> None:
    initiated.shell(f"trap 'echo told; exit 5' {int(number)}; echo ready; while :; do sleep 0.02; done")
    container = Monitored(initiated, runtime)
    container.owner.until(b"ready\n")
    runtime.kill(initiated.id, number)
    assert container.run() == 5
    assert container.owner.output == b"ready\ntold\n"


def test_init_tells_which_signal_ended_the_program(initiated: Bundle, runtime: OciRuntime) -> None:
    assert initiated.shell("kill -TERM $$").run(runtime).exit_code == 143


def test_a_container_with_init_outlives_its_monitor_like_any_other(initiated: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(initiated.shell("echo ready; exec sleep 60"), runtime)
    container.owner.until(b"ready\n")
    os.kill(container.monitor_pid, signal.SIGKILL)
    time.sleep(0.2)
    assert alive(container.pid)
    container.owner.close()


def test_init_gives_the_terminal_to_the_program(initiated: Bundle, runtime: OciRuntime) -> None:
    """Else its first read would stop it, and Ctrl-C reach nobody."""
    script = "read line; echo got $line; echo ready; while :; do sleep 0.02; done"
    initiated.shell(f"trap 'echo interrupted; exit 3' INT; {script}")
    container = Monitored(initiated, runtime, terminal=True, stdin=True)
    container.owner.send(b"I", b"hello\n")
    container.owner.until(b"ready")
    assert b"got hello" in container.owner.output
    container.owner.send(b"I", b"\x03")
    assert container.run() == 3


def test_a_program_that_init_cannot_execute_is_an_error_of_the_start(initiated: Bundle, runtime: OciRuntime) -> None:
    (initiated.rootfs / "broken").write_bytes(b"\x7fELFnothing")
    (initiated.rootfs / "broken").chmod(0o755)
    initiated.spec["process"]["args"] = ["/broken"]
    with pytest.raises(CannotExecute, match="broken"):
        initiated.run(runtime)
    assert state.identifiers(runtime.root) == []
