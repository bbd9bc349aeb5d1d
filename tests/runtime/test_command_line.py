"""ringrun's command line, as the engines that call runtimes use it (docs/conformance/oci-runtime.md, A, F, N)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ringfence.runtime.ringrun import VERBS
from tests import needs
from tests.bundles import Bundle
from tests.runtime.monitored import alive
from tests.runtime.peers import RINGRUN, Command


def line_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that an error is."""
    assert done.returncode != 0 and done.stdout == "", done
    assert done.stderr.startswith("ringrun: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


# ---- bundles and ids


def test_the_bundle_is_the_working_directory_or_named(ringrun: Command, bundle: Bundle) -> None:
    bundle.shell("echo here").write()

    assert ringrun("run", "c1", cwd=bundle.path).stdout == "here\n"
    assert ringrun("run", "--bundle", str(bundle.path), "c2").stdout == "here\n"
    assert ringrun("run", "-b", bundle.path.name, "c3", cwd=bundle.path.parent).stdout == "here\n"


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0+dev", "1.3.0", "1.99.0-rc.1"])
def test_every_version_one_is_accepted(ringrun: Command, bundle: Bundle, version: str) -> None:
    bundle.spec["ociVersion"] = version
    assert ringrun("run", "--bundle", str(bundle.shell("echo ran").write()), "c1").stdout == "ran\n"


@pytest.mark.parametrize("version", ["0.2.0", "2.0.0"])
def test_another_major_version_is_refused(ringrun: Command, bundle: Bundle, version: str) -> None:
    bundle.spec["ociVersion"] = version
    assert "ociVersion" in line_of(ringrun("run", "--bundle", str(bundle.write()), "c1"))


def test_a_warning_is_told_and_changes_nothing(ringrun: Command, bundle: Bundle, short_directory: Path) -> None:
    """Of a capability that is none, of one that cannot be ambient, of a destination without a slash."""
    bundle.spec["process"]["capabilities"] = {"bounding": ["CAP_KILL", "CAP_X"], "ambient": ["CAP_CHOWN"]}
    bundle.mount("relative", "tmpfs", "tmpfs")
    bundle.shell("grep CapBnd /proc/self/status; grep -c ' /relative ' /proc/self/mounts; exit 7")
    log = short_directory / "log"

    done = ringrun("--log", str(log), "--log-format", "json", "run", "--bundle", str(bundle.write()), "c1")

    assert (done.returncode, done.stdout, done.stderr) == (7, f"CapBnd:\t{1 << 5:016x}\n1\n", "")
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["level"] for line in told] == ["warning"] * 3
    words = " ".join(line["msg"] for line in told)
    assert "CAP_X" in words and "CAP_CHOWN" in words and "relative" in words


@pytest.mark.parametrize("verb", ["create", "run", "start", "state", "kill", "delete", "exec", "pause", "ps", "events"])
def test_a_container_must_be_named(ringrun: Command, verb: str) -> None:
    assert "CONTAINER" in line_of(ringrun(verb))


@pytest.mark.parametrize(
    "verb", ["start", "state", "kill", "delete", "exec", "pause", "resume", "ps", "update", "events"]
)
def test_an_unknown_container_is_an_error(ringrun: Command, verb: str) -> None:
    assert "does not exist" in line_of(ringrun(verb, "nobody", *(["true"] if verb == "exec" else [])))


def test_create_needs_a_bundle_that_is_there(ringrun: Command, short_directory: Path) -> None:
    assert "/no/such/config.json" in line_of(ringrun("create", "--bundle", "/no/such", "c1"))
    assert ringrun("list", "--quiet").stdout == ""


def test_the_state_is_what_the_specification_says(ringrun: Command, sleeping: Bundle) -> None:
    state = ringrun.state(sleeping.id)

    assert {key: state[key] for key in ("ociVersion", "id", "status", "bundle")} == {
        "ociVersion": "1.3.0", "id": sleeping.id, "status": "running", "bundle": str(sleeping.path),
    }  # fmt: skip
    assert Path(f"/proc/{state['pid']}/root/proc").exists() and "annotations" not in state
    ringrun("kill", sleeping.id, "KILL")
    assert not ringrun.wait_for(sleeping.id, "stopped").get("pid")  # containerd wants the field, runc says 0


def test_annotations_are_part_of_the_state(ringrun: Command, bundle: Bundle, short_directory: Path) -> None:
    bundle.spec["annotations"] = {"a": "b", "c.d/e": ""}
    ringrun.detached("create", "--bundle", str(bundle.write()), "c1", output=short_directory / "out")

    assert ringrun.state("c1")["annotations"] == {"a": "b", "c.d/e": ""}


# ---- the life of a container


def test_create_does_everything_but_run_the_program(
    ringrun: Command, bundle: Bundle, short_directory: Path
) -> None:
    bundle.spec["process"]["oomScoreAdj"] = 300
    bundle.spec["hostname"] = "made"
    bundle.shell("echo ran >/ran; sleep 30")
    ringrun.detached("create", "--bundle", str(bundle.write()), "c1", output=short_directory / "out")
    pid = ringrun.state("c1")["pid"]

    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "300\n"
    seen = subprocess.run(["nsenter", "-t", str(pid), "-u", "hostname"], capture_output=True, text=True)
    assert seen.stdout == "made\n" and Path(f"/proc/{pid}/root/dev/null").exists()
    assert not (bundle.rootfs / "ran").exists()


def test_a_container_without_a_process_is_created_and_cannot_start(
    ringrun: Command, bundle: Bundle, short_directory: Path
) -> None:
    del bundle.spec["process"]
    path = str(bundle.write())

    assert ringrun.detached("create", "--bundle", path, "c1", output=short_directory / "out") == 0
    assert "no process" in line_of(ringrun("start", "c1"))
    assert ringrun.state("c1")["status"] == "created"
    assert "process" in line_of(ringrun("run", "--bundle", path, "c2"))


@pytest.mark.parametrize("words", [[], ["TERM"], ["SIGTERM"], ["15"], ["term"]])
def test_kill_takes_names_and_numbers_and_means_term(
    ringrun: Command, sleeping: Bundle, short_directory: Path, words: list[str]
) -> None:
    time.sleep(0.1)  # until the trap is set
    pid = ringrun.state(sleeping.id)["pid"]
    assert ringrun("kill", sleeping.id, *words).returncode == 0
    ringrun.wait_for(sleeping.id, "stopped")
    assert not alive(pid)


def test_kill_refuses_what_is_no_signal(ringrun: Command, sleeping: Bundle) -> None:
    assert "NOSUCH" in line_of(ringrun("kill", sleeping.id, "NOSUCH"))
    assert ringrun.state(sleeping.id)["status"] == "running"


def test_without_a_pid_namespace_kill_ends_all_processes(
    ringrun: Command, bundle: Bundle, short_directory: Path
) -> None:
    bundle.spec["linux"]["namespaces"] = [{"type": kind} for kind in ("mount", "cgroup")]
    bundle.spec.pop("hostname")
    bundle.spec["mounts"] = [one for one in bundle.spec["mounts"] if one["type"] not in ("sysfs", "mqueue")]
    bundle.shell("setsid sleep 97 & echo $! >/left; sleep 98")
    ringrun.detached("run", "-d", "--bundle", str(bundle.write()), "c1", output=short_directory / "out")
    left = bundle.rootfs / "left"
    while not left.exists() or not left.read_text():
        time.sleep(0.01)

    assert ringrun("kill", "c1", "KILL").returncode == 0
    ringrun.wait_for("c1", "stopped")
    time.sleep(0.1)
    assert not alive(int(left.read_text()))


def test_a_created_container_can_be_deleted_as_every_engine_does(
    ringrun: Command, bundle: Bundle, short_directory: Path
) -> None:
    ringrun.detached("create", "--bundle", str(bundle.write()), "c1", output=short_directory / "out")
    pid = ringrun.state("c1")["pid"]

    assert ringrun("delete", "c1").returncode == 0
    assert not alive(pid) and "does not exist" in line_of(ringrun("state", "c1"))


def test_delete_removes_what_create_made_and_nothing_else_and_the_id_is_free(
    ringrun: Command, bundle: Bundle, short_directory: Path
) -> None:
    """The cgroup that was there before stays, as do files of the root filesystem and of a volume."""
    needs.controller("pids")
    above = next(Path("/sys/fs/cgroup").glob("*/pids.max"), Path("/sys/fs/cgroup/x")).parent
    hierarchy = next((path for path in Path("/sys/fs/cgroup").iterdir() if (path / "ringrun").is_dir()), above)
    volume = short_directory / "volume"
    volume.mkdir()
    bundle.spec["linux"]["cgroupsPath"] = f"/ringrun/{bundle.id}"
    bundle.mount("/volume", "bind", volume, "bind")
    bundle.shell("echo kept >/volume/kept; echo kept >/kept")
    for _ in range(2):
        path = str(bundle.write())
        assert ringrun.detached("create", "--bundle", path, "c1", output=short_directory / "out") == 0
        assert (hierarchy / "ringrun" / bundle.id).is_dir()
        assert ringrun("start", "c1").returncode == 0
        ringrun.wait_for("c1", "stopped")
        assert ringrun("delete", "c1").returncode == 0
        assert not (hierarchy / "ringrun" / bundle.id).exists() and not (ringrun.root / "c1").exists()

    assert (volume / "kept").read_text() == (bundle.rootfs / "kept").read_text() == "kept\n"


def test_a_forced_delete_kills_and_takes_an_unknown_id(ringrun: Command, sleeping: Bundle) -> None:
    pid = ringrun.state(sleeping.id)["pid"]

    assert "running" in line_of(ringrun("delete", sleeping.id))
    assert ringrun("delete", "--force", sleeping.id).returncode == 0
    assert not alive(pid)
    assert ringrun("delete", "--force", "nobody").returncode == 0


def test_a_container_that_another_has_frozen_is_deleted_all_the_same(ringrun: Command, sleeping: Bundle) -> None:
    """By v1's freezer, where SIGKILL waits: moved into a cgroup of somebody's, or in one below its own."""
    needs.file("/sys/fs/cgroup/freezer/tasks")
    pid = ringrun.state(sleeping.id)["pid"]
    foreign = Path(f"/sys/fs/cgroup/freezer/{sleeping.id}")
    foreign.mkdir()
    try:
        (foreign / "cgroup.procs").write_text(str(pid))
        (foreign / "freezer.state").write_text("FROZEN")

        assert ringrun("delete", "--force", sleeping.id).returncode == 0
        assert not alive(pid)
    finally:
        (foreign / "freezer.state").write_text("THAWED")
        foreign.rmdir()


def test_a_pattern_names_several(ringrun: Command, bundle: Bundle, short_directory: Path) -> None:
    path = str(bundle.shell("sleep 30").write())
    for id in ("web-1", "web-2", "db"):
        ringrun.detached("run", "-d", "--bundle", path, id, output=short_directory / "out")

    assert ringrun("kill", "--regex", "web-*", "KILL").returncode == 0
    ringrun.wait_for("web-1", "stopped"), ringrun.wait_for("web-2", "stopped")
    assert ringrun.state("db")["status"] == "running"
    assert ringrun("delete", "--regex", "^web").returncode == 0
    assert ringrun("list", "-q").stdout == "db\n"


# ---- global flags


def test_errors_go_to_the_log_as_well_in_its_format(ringrun: Command, short_directory: Path) -> None:
    text, log = short_directory / "text", short_directory / "json"

    said = line_of(ringrun("--log", str(text), "state", "nobody"))
    ringrun("--log", str(log), "--log-format", "json", "state", "nobody")

    assert said.removeprefix("ringrun: ").strip() in text.read_text()
    document = json.loads(log.read_text())
    assert document["level"] == "error" and document["msg"] == said.removeprefix("ringrun: ").strip()
    assert "none of text, json" in line_of(ringrun("--log-format", "xml", "list"))


def test_debug_tells_where_in_the_code(ringrun: Command) -> None:
    assert "Traceback" in ringrun("--debug", "state", "nobody").stderr
    assert "Traceback" in ringrun("--log-level", "debug", "state", "nobody").stderr


def test_containers_are_below_the_root(ringrun: Command, sleeping: Bundle, short_directory: Path) -> None:
    other = subprocess.run([*RINGRUN, "--root", str(short_directory / "other"), "list", "-q"], capture_output=True)
    assert other.stdout == b"" and ringrun("list", "-q").stdout == f"{sleeping.id}\n"


def test_without_a_cgroup_manager_a_container_stays_where_its_caller_is(ringrun: Command, bundle: Bundle) -> None:
    bundle.spec["linux"]["namespaces"] = [one for one in bundle.spec["linux"]["namespaces"] if one["type"] != "cgroup"]
    bundle.shell("cat /proc/self/cgroup; ls -A /sys/fs/cgroup")
    bundle.write()

    done = ringrun("--cgroup-manager", "disabled", "run", "--bundle", str(bundle.path), "c1")
    assert done.stdout == Path("/proc/self/cgroup").read_text(), done.stderr
    bundle.spec["linux"]["resources"]["pids"] = {"limit": 5}
    assert "linux.resources.pids" in line_of(
        ringrun("--cgroup-manager", "disabled", "run", "--bundle", str(bundle.write()), "c1")
    )


def test_another_config_is_read_with_the_flag_of_crun(ringrun: Command, bundle: Bundle) -> None:
    bundle.shell("echo other").write().joinpath("config.json").rename(bundle.path / "other.json")
    assert ringrun("run", "--bundle", str(bundle.path), "--config", "other.json", "c1").stdout == "other\n"


@pytest.mark.parametrize("flag", ["--cgroup-manager=x", "--rootless=maybe", "--log-format=x", "--nosuch"])
def test_a_wrong_global_flag_is_one_line(ringrun: Command, flag: str) -> None:
    line_of(ringrun(flag, "list"))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_its_usage(ringrun: Command, verb: str) -> None:
    done = ringrun(verb, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: ringrun [OPTIONS] {verb} [OPTIONS]")


# ---- run


def test_run_keeps_a_container_only_if_asked(ringrun: Command, bundle: Bundle) -> None:
    path = str(bundle.shell("exit 5").write())

    assert ringrun("run", "--bundle", path, "c1").returncode == 5
    assert ringrun("list", "-q").stdout == ""
    assert ringrun("run", "--keep", "--bundle", path, "c1").returncode == 5
    assert ringrun.state("c1")["status"] == "stopped"


def test_the_pid_file_is_there_when_the_command_returns(
    ringrun: Command, bundle: Bundle, short_directory: Path
) -> None:
    path, file, out = str(bundle.shell("sleep 30").write()), short_directory / "pid", short_directory / "out"
    for verb in (["create"], ["run", "-d"]):
        ringrun.detached(*verb, "--pid-file", str(file), "--bundle", path, verb[0], output=out)
        assert int(file.read_text()) == ringrun.state(verb[0])["pid"]
        file.unlink()
    ringrun.detached("exec", "-d", "--pid-file", str(file), "run", "sleep", "20", output=out)
    assert Path(f"/proc/{file.read_text()}/cmdline").read_bytes() == b"sleep\0" + b"20\0"


def test_a_pidfd_is_sent_to_whoever_asked(ringrun: Command, bundle: Bundle, short_directory: Path) -> None:
    import array
    import socket

    path = short_directory / "pidfd"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        bundle.shell("sleep 30").write()
        ringrun.detached(
            "run", "-d", "--pidfd-socket", str(path), "--bundle", str(bundle.path), "c1", output=short_directory / "out"
        )
        with listener.accept()[0] as connection:
            _, ancillary, _, _ = connection.recvmsg(100, 100)
    descriptor = array.array("i", ancillary[0][2])[0]
    told = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    os.close(descriptor)
    assert f"Pid:\t{ringrun.state('c1')['pid']}" in told


def test_descriptors_that_are_open_are_kept_and_the_others_are_not_there(ringrun: Command, bundle: Bundle) -> None:
    """3 and 5 are the caller's, 4 is not open; the 90 after them are not either. As under crun."""
    bundle.shell("ls /proc/self/fd | head -c 8; cat <&3; cat <&5; echo $LISTEN_FDS $LISTEN_PID")
    given = "exec 3<<A 5<<B\nthree\nA\nfive\nB\n"
    command = " ".join(ringrun.argv)
    words = f"--bundle {bundle.write()} c1"

    kept = subprocess.run(
        ["sh", "-c", f"{given} exec {command} run --preserve-fds 93 {words}"], capture_output=True, text=True
    )
    active = subprocess.run(
        ["sh", "-c", f"{given} LISTEN_FDS=3 exec {command} run {words}"], capture_output=True, text=True
    )

    assert kept.stdout == "0\n1\n2\n3\nthree\nfive\n\n", kept.stderr
    assert active.stdout == "0\n1\n2\n3\nthree\nfive\n3 1\n", active.stderr


# ---- exec


def test_exec_changes_what_its_flags_say(ringrun: Command, sleeping: Bundle) -> None:
    script = "id -u; id -g; id -G; pwd; echo $A; grep -E 'CapEff|NoNewPrivs' /proc/self/status"
    plain = ringrun("exec", sleeping.id, "sh", "-c", script)
    changed = ringrun("exec", "--user", "5:6", "-g", "7", "--cwd", "/tmp", "-e", "A=b", "--cap", "CAP_SYS_TIME",
                      "--no-new-privs=false", sleeping.id, "sh", "-c", script)  # fmt: skip

    usual = 1 << 29 | 1 << 5 | 1 << 10
    assert plain.stdout == f"0\n0\n0\n/\n\nCapEff:\t{usual:016x}\nNoNewPrivs:\t1\n"
    assert changed.stdout == "5\n6\n6 7\n/tmp\nb\nCapEff:\t0000000000000000\nNoNewPrivs:\t0\n", changed.stderr
    as_root = ringrun("exec", "--cap", "CAP_SYS_TIME", sleeping.id, "grep", "CapEff", "/proc/self/status")
    assert as_root.stdout == f"CapEff:\t{usual | 1 << 25:016x}\n"


def test_exec_takes_a_process_object(ringrun: Command, sleeping: Bundle, short_directory: Path) -> None:
    file = short_directory / "process.json"
    process = {"args": ["sh", "-c", "echo $A; pwd; exit 9"], "cwd": "/tmp", "env": ["A=b", "PATH=/bin"]}
    file.write_text(json.dumps(process))

    done = ringrun("exec", "--process", str(file), sleeping.id)

    assert (done.returncode, done.stdout) == (9, "b\n/tmp\n")


def test_exec_fails_with_the_codes_of_runc(ringrun: Command, sleeping: Bundle) -> None:
    assert ringrun("exec", sleeping.id, "/no/such").returncode == 255
    assert ringrun("exec", sleeping.id, "sh", "-c", "kill -9 $$").returncode == 137


def test_exec_in_a_paused_container_is_refused_unless_told(ringrun: Command, sleeping: Bundle) -> None:
    ringrun("pause", sleeping.id)
    assert "paused" in line_of(ringrun("exec", sleeping.id, "true"))
    argv = [*ringrun.argv, "exec", "--ignore-paused", sleeping.id, "echo", "went on"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as waiting:
        time.sleep(0.3)
        assert waiting.poll() is None, "it stands still with the container"
        ringrun("resume", sleeping.id)
        assert waiting.communicate(timeout=20)[0] == "went on\n"


# ---- looking and changing


def test_list_tells_of_all_in_each_format(ringrun: Command, sleeping: Bundle, short_directory: Path) -> None:
    ringrun.detached("create", "--bundle", str(sleeping.path), "other", output=short_directory / "out2")

    head, *rows = ringrun("list").stdout.splitlines()
    assert head.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert sorted(row.split()[0] + row.split()[2] for row in rows) == sorted([f"{sleeping.id}running", "othercreated"])
    documents = json.loads(ringrun("list", "--format", "json").stdout)
    assert {one["id"]: one["status"] for one in documents} == {sleeping.id: "running", "other": "created"}
    assert sorted(ringrun("list", "--quiet").stdout.split()) == sorted([sleeping.id, "other"])


def test_ps_lists_the_processes_as_a_table_or_as_pids(ringrun: Command, sleeping: Bundle) -> None:
    needs.ps()
    pid = ringrun.state(sleeping.id)["pid"]
    pids = json.loads(ringrun("ps", "--format", "json", sleeping.id).stdout)
    head, *rows = ringrun("ps", sleeping.id).stdout.splitlines()

    assert pid in pids
    assert "PID" in head.split() and any(str(pid) == row.split()[1] for row in rows)
    named = ringrun("ps", sleeping.id, "-o", "pid,comm").stdout.splitlines()
    assert named[0].split() == ["PID", "COMMAND"] and any(row.split() == [str(pid), "sh"] for row in named)


def test_pause_and_resume_are_refused_at_the_wrong_time(ringrun: Command, sleeping: Bundle) -> None:
    assert "running" in line_of(ringrun("resume", sleeping.id))
    assert ringrun("pause", sleeping.id).returncode == 0
    assert ringrun.state(sleeping.id)["status"] == "paused"
    assert "paused" in line_of(ringrun("pause", sleeping.id))
    assert ringrun("resume", sleeping.id).returncode == 0
    assert ringrun.state(sleeping.id)["status"] == "running"


def test_update_takes_flags_and_files(ringrun: Command, sleeping: Bundle, short_directory: Path) -> None:
    needs.controller("pids")
    file = short_directory / "resources.json"
    file.write_text('{"pids": {"limit": 33}}')
    look = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null"

    def limit() -> str:
        return ringrun("exec", sleeping.id, "sh", "-c", look).stdout

    assert ringrun("update", "--pids-limit", "44", sleeping.id).returncode == 0
    assert limit() == "44\n"
    assert ringrun("update", "-r", str(file), sleeping.id).returncode == 0
    assert limit() == "33\n"
    with file.open() as stream:
        argv = [*ringrun.argv, "update", "--resources", "-", sleeping.id]
        assert subprocess.run(argv, stdin=stream, check=False).returncode == 0
    assert "--memory" in line_of(ringrun("update", "--memory", "12x", sleeping.id))


def test_spec_writes_a_config_that_runs(ringrun: Command, bundle: Bundle) -> None:
    assert ringrun("spec", "--bundle", str(bundle.path)).returncode == 0
    spec = json.loads((bundle.path / "config.json").read_text())
    assert spec["process"]["args"] == ["sh"] and spec["ociVersion"] == "1.3.0"
    assert "exists" in line_of(ringrun("spec", "--bundle", str(bundle.path)))
    assert ringrun("spec", "--rootless", "--file", "rootless.json", cwd=bundle.path).returncode == 0
    assert json.loads((bundle.path / "rootless.json").read_text())["linux"]["uidMappings"]
    spec["process"] |= {"terminal": False, "args": ["echo", "spec"]}
    (bundle.path / "config.json").write_text(json.dumps(spec))
    assert ringrun("run", "--bundle", str(bundle.path), "c1").stdout == "spec\n"


@pytest.mark.parametrize("verb", ["checkpoint", "restore"])
def test_checkpoints_are_refused_and_harm_nobody(ringrun: Command, sleeping: Bundle, verb: str) -> None:
    assert "not built yet" in line_of(ringrun(verb, sleeping.id))
    assert ringrun.state(sleeping.id)["status"] == "running"


def test_the_version_names_the_specification_and_what_is_built_in(ringrun: Command) -> None:
    first, second, third = ringrun("--version").stdout.splitlines()
    assert first.startswith("ringrun version ") and second == "spec: 1.3.0" and "+SECCOMP" in third.split()


def test_signals_reach_the_program_in_the_foreground(ringrun: Command, bundle: Bundle) -> None:
    bundle.shell("trap 'exit 4' USR1; echo ready; while :; do sleep 0.05; done").write()
    argv = [*ringrun.argv, "run", "--bundle", str(bundle.path), "c1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.wait(20) == 4
