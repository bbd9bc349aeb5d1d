"""The process of a container: its user, powers, limits, place on the processors, terminal (conformance, C)."""

from __future__ import annotations

import array
import os
import pty
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import RingfenceError
from ringfence.linux import capabilities
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle
from tests.runtime.peers import Command

SETS = {"bounding": "CapBnd", "effective": "CapEff", "inheritable": "CapInh", "permitted": "CapPrm",
        "ambient": "CapAmb"}  # fmt: skip
LIMITS = {"RLIMIT_AS": "Max address space", "RLIMIT_CORE": "Max core file size", "RLIMIT_CPU": "Max cpu time",
          "RLIMIT_DATA": "Max data size", "RLIMIT_FSIZE": "Max file size", "RLIMIT_LOCKS": "Max file locks",
          "RLIMIT_MEMLOCK": "Max locked memory", "RLIMIT_MSGQUEUE": "Max msgqueue size",
          "RLIMIT_NICE": "Max nice priority",
          "RLIMIT_NOFILE": "Max open files", "RLIMIT_NPROC": "Max processes", "RLIMIT_RSS": "Max resident set",
          "RLIMIT_RTPRIO": "Max realtime priority", "RLIMIT_RTTIME": "Max realtime timeout",
          "RLIMIT_SIGPENDING": "Max pending signals", "RLIMIT_STACK": "Max stack size"}  # fmt: skip


def status(bundle: Bundle, runtime: OciRuntime) -> dict[str, str]:
    """/proc/self/status of the program."""
    lines = bundle.shell("exec cat /proc/self/status").run(runtime).stdout.splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


# ---- directory, environment, user


def test_a_missing_working_directory_is_made(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["process"]["cwd"] = "/made/for/it"
    assert bundle.shell("pwd; stat -c %a:%u .").run(runtime).stdout == "/made/for/it\n755:0\n"


def test_a_working_directory_is_entered_as_root(bundle: Bundle, runtime: OciRuntime) -> None:
    (bundle.rootfs / "closed").mkdir(0o700)
    bundle.spec["process"] |= {"cwd": "/closed", "user": {"uid": 1000, "gid": 1000}}
    assert bundle.shell("pwd; ls . 2>&1 | grep -c denied").run(runtime).stdout == "/closed\n1\n"


def test_home_comes_from_passwd_and_of_duplicates_the_last_counts(bundle: Bundle, runtime: OciRuntime) -> None:
    (bundle.rootfs / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv/web:/bin/sh\n")
    process = bundle.spec["process"]
    process["env"] = ["PATH=/usr/bin:/bin", "A=1", "EMPTY=", "A=2"]
    bundle.shell("echo $HOME $A [$EMPTY]")
    for uid, home in ((33, "/srv/web"), (77, "/"), (0, "/root")):
        process["user"] = {"uid": uid, "gid": uid}
        assert bundle.run(runtime).stdout == f"{home} 2 []\n"
    process["env"].append("HOME=/mine")
    assert bundle.run(runtime).stdout == "/mine 2 []\n"


@pytest.mark.parametrize(("mask", "printed"), [(None, "0022"), (0, "0000"), (0o27, "0027")])
def test_the_file_mode_mask(bundle: Bundle, runtime: OciRuntime, mask: int | None, printed: str) -> None:
    bundle.spec["process"]["user"] = {"uid": 0, "gid": 0} | ({"umask": mask} if mask is not None else {})
    assert bundle.shell("umask").run(runtime).stdout == f"{printed}\n"


def test_an_id_that_the_user_namespace_does_not_map_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        bundle.spec["linux"][kind] = [{"containerID": 0, "hostID": 100_000, "size": 10}]
    subprocess.run(["chown", "100000:100000", bundle.rootfs], check=True)
    for mount in bundle.spec["mounts"]:
        mount["options"] = [word for word in mount.get("options", []) if word != "gid=5"]
    bundle.spec["process"]["user"] = {"uid": 9, "gid": 9}
    assert bundle.shell("id -u").run(runtime).stdout == "9\n"
    bundle.spec["process"]["user"] = {"uid": 10, "gid": 9}
    with pytest.raises(RingfenceError, match="user id 10, which the user namespace does not map"):
        bundle.run(runtime)


def test_the_groups_of_the_caller_stay_if_podman_asks_for_it(ringrun: Command, bundle: Bundle) -> None:
    bundle.spec["annotations"] = {"run.oci.keep_original_groups": "1"}
    bundle.shell("id -G").write()
    done = ringrun("run", "--bundle", str(bundle.path), "c1", extra_groups=[5, 77])
    assert sorted(done.stdout.split()) == ["0", "5", "77"]


# ---- powers


@pytest.mark.parametrize("kind", SETS)
def test_each_set_of_capabilities(bundle: Bundle, runtime: OciRuntime, kind: str) -> None:
    sets: dict[str, list[str]] = {"bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
                                  "inheritable": ["CAP_KILL"], "effective": ["CAP_CHOWN"], "ambient": []}  # fmt: skip
    user = {"uid": 1000, "gid": 1000}
    if kind == "ambient":
        sets["ambient"], sets["effective"] = ["CAP_KILL"], ["CAP_CHOWN", "CAP_KILL"]
    elif kind != "inheritable":
        user = {"uid": 0, "gid": 0}
    bundle.spec["process"] |= {"capabilities": sets, "user": user}
    seen = int(status(bundle, runtime)[SETS[kind]], 16)
    # after execve, of root the bounding and inheritable sets decide, of another user the ambient one
    expected = {"effective": ["CAP_CHOWN", "CAP_KILL"]}.get(kind, sets[kind])
    assert capabilities.names(seen) == expected


def test_an_ambient_capability_that_is_not_inheritable_is_not_granted(bundle: Bundle, runtime: OciRuntime) -> None:
    sets = {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"], "ambient": ["CAP_KILL"]}
    bundle.spec["process"] |= {"capabilities": sets, "user": {"uid": 1000, "gid": 1000}}
    assert int(status(bundle, runtime)["CapAmb"], 16) == 0


def test_unknown_capabilities_and_those_that_we_lack_are_left_out(bundle: Bundle, runtime: OciRuntime) -> None:
    lacking = sorted(set(capabilities.NAMES) - set(capabilities.names(capabilities.of("self")["permitted"])))
    names = ["CAP_KILL", "CAP_NO_SUCH", *lacking]
    bundle.spec["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), names)
    assert capabilities.names(int(status(bundle, runtime)["CapEff"], 16)) == ["CAP_KILL"]


def test_the_oom_score_stays_unless_it_is_set(bundle: Bundle, ringrun: Command) -> None:
    path = str(bundle.shell("cat /proc/self/oom_score_adj").write())
    command = f"echo 77 >/proc/self/oom_score_adj; exec {' '.join(ringrun.argv)} run --bundle {path} c1"
    assert subprocess.run(["sh", "-c", command], capture_output=True, text=True).stdout == "77\n"


@pytest.mark.parametrize(
    ("field", "file"), [("apparmorProfile", "/sys/module/apparmor"), ("selinuxLabel", "/sys/fs/selinux")]
)
def test_a_security_module_that_is_off_is_an_error(
    bundle: Bundle, runtime: OciRuntime, field: str, file: str
) -> None:
    if os.path.exists(f"{file}/enforce") or os.path.exists(f"{file}/parameters/enabled"):
        needs.missing(f"a kernel without {field}")
    bundle.spec["process"][field] = "profile"
    with pytest.raises(RingfenceError, match=f"process.{field}"):
        bundle.run(runtime)


# ---- limits and scheduling


@pytest.mark.parametrize("type", LIMITS)
def test_each_resource_limit_is_exact(bundle: Bundle, runtime: OciRuntime, type: str) -> None:
    import resource

    hard = resource.getrlimit(getattr(resource, type, resource.RLIMIT_AS))[1]
    most = {"RLIMIT_AS": 1 << 34, "RLIMIT_STACK": 1 << 26, "RLIMIT_DATA": 1 << 34, "RLIMIT_NICE": 0, "RLIMIT_RTPRIO": 0}
    value = most.get(type, 4000)
    if 0 <= hard < value:
        needs.missing(f"a hard limit of {type} above {value}")
    soft = max(0, value - 10)
    bundle.spec["process"]["rlimits"] = [{"type": type, "soft": soft, "hard": value}]
    line = bundle.shell(f"grep '{LIMITS[type]}' /proc/self/limits").run(runtime).stdout
    assert line.removeprefix(LIMITS[type]).split()[:2] == [str(soft), str(value)]


# What /proc/self/sched and chrt call them; real-time policies need a budget of the CPU controller in some kernels.
SCHEDULERS: list[tuple[dict[str, Any], str, str]] = [
    ({"policy": "SCHED_OTHER", "nice": 5}, "SCHED_OTHER", "5"),
    ({"policy": "SCHED_BATCH", "nice": 7}, "SCHED_BATCH", "7"),
    ({"policy": "SCHED_IDLE"}, "SCHED_IDLE", "0"),
]


@pytest.mark.parametrize(("scheduler", "policy", "nice"), SCHEDULERS)
def test_the_scheduling_policy_and_the_nice_value(
    bundle: Bundle, runtime: OciRuntime, scheduler: dict[str, Any], policy: str, nice: str
) -> None:
    bundle.spec["process"]["scheduler"] = scheduler
    bundle.shell("sleep 30").start(runtime)
    pid = runtime.status(bundle.id)["pid"]
    names = {0: "SCHED_OTHER", 3: "SCHED_BATCH", 5: "SCHED_IDLE", 1: "SCHED_FIFO"}
    assert names[os.sched_getscheduler(pid)] == policy and str(os.getpriority(os.PRIO_PROCESS, pid)) == nice


def test_flags_of_the_scheduler_reach_the_kernel(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["process"]["scheduler"] = {"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    bundle.shell("sleep 29 & exec sleep 30").start(runtime)
    pid = runtime.status(bundle.id)["pid"]
    assert os.sched_getscheduler(pid) == os.SCHED_BATCH | os.SCHED_RESET_ON_FORK


def real_time_budget() -> bool:
    """Whether new cgroups may run real-time processes: with CONFIG_RT_GROUP_SCHED v1 gives them none."""
    return not Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists()


@pytest.mark.parametrize(
    "scheduler",
    [
        {"policy": "SCHED_FIFO", "priority": 10},
        {"policy": "SCHED_RR", "priority": 3},
        {"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 50_000_000, "period": 100_000_000},
    ],
)
def test_real_time_policies_are_set_or_the_kernel_s_refusal_is_told(
    bundle: Bundle, runtime: OciRuntime, scheduler: dict[str, Any]
) -> None:
    bundle.spec["process"]["scheduler"] = scheduler
    bundle.shell("sleep 30")
    try:
        pid = bundle.start(runtime)
    except RingfenceError as error:
        # without a budget for the cgroup, or in a cpuset that is not the root: sched_setattr(2), EPERM and EBUSY
        assert "sched_setattr" in str(error) and (not real_time_budget() or scheduler["policy"] == "SCHED_DEADLINE")
        return
    number = {"SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_DEADLINE": 6}[scheduler["policy"]]
    assert os.sched_getscheduler(pid) == number


@pytest.mark.parametrize(("kind", "value"), [("IOPRIO_CLASS_BE", 2 << 13 | 6), ("IOPRIO_CLASS_IDLE", 3 << 13 | 6)])
def test_the_io_priority(bundle: Bundle, runtime: OciRuntime, kind: str, value: int) -> None:
    import ctypes
    import platform

    bundle.spec["process"]["ioPriority"] = {"class": kind, "priority": 6}
    pid = bundle.shell("sleep 30").start(runtime)
    number = {"x86_64": 252}.get(platform.machine(), 31)
    assert ctypes.CDLL(None).syscall(number, 1, pid) == value


def test_the_processors_of_an_exec_alone(bundle: Bundle, runtime: OciRuntime) -> None:
    from tests.bundles import exec_in

    processors = sorted(os.sched_getaffinity(0))
    look = ["sh", "-c", "grep Cpus_allowed_list /proc/self/status"]
    bundle.spec["process"]["execCPUAffinity"] = {"initial": str(processors[0]), "final": str(processors[-1])}
    bundle.shell("grep Cpus_allowed_list /proc/self/status; sleep 30").start(runtime)

    assert exec_in(runtime, bundle, look).stdout.split() == ["Cpus_allowed_list:", str(processors[-1])]
    assert os.sched_getaffinity(runtime.status(bundle.id)["pid"]) == set(processors)


# ---- terminals


def receive_terminal(listener: socket.socket) -> int:
    with listener.accept()[0] as connection:
        _, ancillary, _, _ = connection.recvmsg(100, 100)
    return int(array.array("i", ancillary[0][2])[0])


def read_until(master: int, text: bytes) -> bytes:
    output = b""
    while text not in output:
        output += os.read(master, 1000)
    return output


def test_a_terminal_is_the_container_s_and_has_its_size(
    ringrun: Command, bundle: Bundle, short_directory: Path
) -> None:
    """Its own devpts, the controlling terminal of a session, and /dev/console."""
    bundle.spec["process"] |= {"terminal": True, "consoleSize": {"height": 33, "width": 77}}
    bundle.shell(
        "readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2; stty size; echo x >/dev/tty; "
        "grep -c ' /dev/console devpts' /proc/self/mounts; cut -d' ' -f6 /proc/$$/stat; echo .; sleep 30"
    )
    path = short_directory / "console"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        done = ringrun("create", "--console-socket", str(path), "--bundle", str(bundle.write()), "c1")
        assert done.returncode == 0, done.stderr
        master = receive_terminal(listener)
    assert ringrun("start", "c1").returncode == 0
    output = read_until(master, b"\r\n.\r\n").decode().replace("\r", "").splitlines()
    os.close(master)

    assert output[:5] == ["/dev/pts/0"] * 3 + ["33 77", "x"]
    assert output[5:7] == ["1", "1"], "the console is the terminal, the session begins with pid 1"


def test_without_a_terminal_the_session_and_its_process_group_are_the_program_s_as_well(
    ringrun: Command, sleeping: Bundle, bundle: Bundle
) -> None:
    """In the caller's, kill(0) would end what the host runs there. As under runc (crun's exec-getpgrp)."""
    script = "trap '' TERM; kill -TERM 0; echo $$ $(cut -d' ' -f5,6 /proc/$$/stat)"
    executed = ringrun("exec", sleeping.id, "sh", "-c", script, start_new_session=True)
    pid, group, session = executed.stdout.split()
    assert (group, session) == (pid, pid)

    bundle.shell(script).write()
    assert ringrun("run", "--bundle", str(bundle.path), "c1", start_new_session=True).stdout == "1 1 1\n"


def test_a_container_without_a_terminal_has_not_its_caller_s(ringrun: Command, bundle: Bundle) -> None:
    """By /dev/tty and TIOCSTI it could type there."""
    bundle.shell("(: </dev/tty) 2>/dev/null && echo a terminal; echo .").write()
    pid, master = pty.fork()
    if pid == 0:
        os.execv(ringrun.argv[0], [*ringrun.argv, "run", "--bundle", str(bundle.path), "c1"])
    output = read_until(master, b".\r\n")
    os.waitpid(pid, 0)
    os.close(master)
    assert output == b".\r\n"


def test_a_detached_terminal_needs_somebody_who_takes_it(ringrun: Command, bundle: Bundle) -> None:
    bundle.spec["process"]["terminal"] = True
    path = str(bundle.write())
    assert "--console-socket" in ringrun("create", "--bundle", path, "c1").stderr
    assert "--console-socket" in ringrun("run", "--detach", "--bundle", path, "c1").stderr
    bundle.spec["process"]["terminal"] = False
    done = ringrun("create", "--console-socket", "/no/such", "--bundle", str(bundle.write()), "c1")
    assert "--console-socket" in done.stderr and done.returncode == 1
    assert ringrun("list", "-q").stdout == ""


def test_the_size_of_a_terminal_that_there_is_not_is_ignored(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["process"]["consoleSize"] = {"height": 5, "width": 6}
    assert bundle.shell("test -t 0; echo $?").run(runtime).stdout == "1\n"


def test_an_exec_has_a_terminal_of_its_own(ringrun: Command, sleeping: Bundle, short_directory: Path) -> None:
    path = short_directory / "console"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        flags = ["-d", "-t", "--console-socket", str(path)]
        argv = [*ringrun.argv, "exec", *flags, sleeping.id, "sh", "-c", "tty; sleep 9"]
        with (short_directory / "exec").open("w") as out:
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True)
        master = receive_terminal(listener)
    assert b"/dev/pts/0" in read_until(master, b"\n")
    os.close(master)
    time.sleep(0.05)
