"""Each verb against real containers: its output, as docker's looks."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cli.driver import COMMAND, Command, eventually


@pytest.fixture
def box(command: Command) -> str:
    """The name of a running container that writes two lines and sleeps."""
    command.ok("run", "-d", "--name", "box", "--label", "tier=front", "--network", "none", "host", "sh", "-c",
               "echo one; echo two >&2; sleep 1000")  # fmt: skip
    eventually(lambda: "two" in command.run("logs", "box").err, "the container's second line")
    return "box"


def test_ps_has_docker_s_columns(command: Command, box: str) -> None:
    heading, row = command.ok("ps").splitlines()

    assert heading.split("  ")[0] == "CONTAINER ID"
    assert re.split(r" {2,}", heading) == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert re.fullmatch(
        r'[0-9a-f]{12}   host +"sh -c \'?echo one; ech?…"   (Less than a second|\d+ seconds?) ago +Up .+ +box', row
    ), row


def test_ps_filters_formats_and_counts(command: Command, box: str) -> None:
    command.ok("create", "--name", "other", "--network", "none", "host", "true")

    assert command.ok("ps", "--format", "{{.Names}} {{.State}} {{.Label \"tier\"}}") == "box running front"
    assert command.ok("ps", "-a", "--format", "{{.Names}}").split() == ["other", "box"]
    assert command.ok("ps", "-a", "--filter", "status=created", "--format", "{{.Names}}") == "other"
    assert command.ok("ps", "-n", "1", "--format", "{{.Names}}") == "other"
    assert command.ok("ps", "-l", "--format", "{{.Names}}") == "other"
    assert command.ok("ps", "-q", "--no-trunc") == command.ok("inspect", "-f", "{{.Id}}", "box")
    assert json.loads(command.ok("ps", "--format", "json"))["Labels"] == "tier=front"
    assert re.search(r"\d.*B \(virtual \d.*B\)", command.ok("ps", "--size"))


def test_logs_come_back_on_the_stream_they_were_written_to(command: Command, box: str) -> None:
    done = command.run("logs", box)

    assert (done.out, done.err) == ("one\n", "two\n")
    assert re.fullmatch(r"2\d{3}-\d\d-\d\dT\S+Z one", command.ok("logs", "-t", box))
    assert command.run("logs", "-n", "1", box).out == ""


def test_logs_follow_until_the_end(command: Command) -> None:
    command.ok("run", "-d", "--name", "slow", "--network", "none", "host", "sh", "-c",
               "for i in 1 2 3; do echo $i; sleep 0.2; done")  # fmt: skip

    assert command.ok("logs", "-f", "slow").split() == ["1", "2", "3"]


def test_inspect_prints_a_json_list(command: Command, box: str) -> None:
    (found,) = json.loads(command.ok("inspect", box))

    assert found["Name"] == "/box"
    assert found["State"]["Running"] is True
    assert command.ok("container", "inspect", "-f", "{{.Config.Labels.tier}}", box) == "front"
    assert json.loads(command.ok("inspect", "--type", "image", "host"))[0]["Id"].startswith("sha256:")


def test_inspect_tells_what_it_found_and_what_not(command: Command, box: str) -> None:
    done = command.run("inspect", box, "nosuch")

    assert done.status == 1
    assert [found["Name"] for found in json.loads(done.out)] == ["/box"]
    assert "nosuch" in done.err and done.err.count("\n") == 1


def test_start_and_stop_take_all_that_pass_a_filter(command: Command) -> None:
    ids = [command.ok("create", "--label", f"n={n}", "host", "sleep", "60") for n in (1, 2, 3)]
    assert command.ok("start", "--filter", "label=n=1").split() == ids[:1]
    assert command.ok("start", "--all").split() == ids
    assert command.ok("stop", "-a", "-t", "0", "-f", "label=n=2").split() == [ids[1]]
    assert command.ok("ps", "-q", "--no-trunc", "--filter", "restart-policy=no").split() == [ids[2], ids[0]]


def test_stop_kill_restart_start_and_wait_print_names(command: Command, box: str) -> None:
    assert command.ok("restart", "-t", "0", box) == box
    assert command.ok("stop", "--time", "0", box) == box
    assert command.ok("wait", box) == "137"
    assert command.ok("start", box) == box
    assert command.ok("kill", "-s", "KILL", box) == box
    assert command.ok("wait", box) == "137"
    done = command.run("kill", box, "none")
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 2)


def test_an_unknown_signal_is_named(command: Command, box: str) -> None:
    done = command.run("kill", "--signal", "FROB", box)

    assert done.status == 1
    assert "FROB" in done.err


def test_pause_and_unpause(command: Command, box: str) -> None:
    assert command.ok("pause", box) == box
    assert "(Paused)" in command.ok("ps")
    assert command.ok("unpause", box) == box
    assert "(Paused)" not in command.ok("ps")


def test_rm_prints_names_and_force_kills(command: Command, box: str) -> None:
    done = command.run("rm", box)
    assert done.status == 1 and box in done.err

    assert command.ok("rm", "-f", box) == box
    done = command.run("rm", "-f", box)
    assert done.status == 0 and box in done.err


def test_rename(command: Command, box: str) -> None:
    command.ok("rename", box, "crate")

    assert command.ok("ps", "--format", "{{.Names}}") == "crate"


def test_update_changes_a_live_limit(command: Command, box: str) -> None:
    assert command.ok("update", "--memory", "64m", "--memory-swap", "128m", box) == box
    assert command.ok("inspect", "-f", "{{.HostConfig.Memory}}", box) == str(64 << 20)


def test_top_lists_processes(command: Command, box: str) -> None:
    heading, *rows = command.ok("top", box).splitlines()

    assert heading.split()[:2] == ["UID", "PID"]
    assert any("sleep 1000" in row for row in rows)
    assert command.ok("top", box, "-o", "pid,comm").split()[:2] == ["PID", "COMMAND"]


def test_stats_shows_one_measurement(command: Command, box: str) -> None:
    heading, row = command.ok("stats", "--no-stream").splitlines()

    assert re.split(r" {2,}", heading) == [
        "CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS",
    ]  # fmt: skip
    assert re.search(r"box +\d+\.\d\d% ", row)
    assert command.ok("stats", "--no-stream", "--format", "{{.Name}}", box) == "box"


def test_diff_lists_what_changed(command: Command, box: str) -> None:
    command.ok("exec", box, "sh", "-c", "echo x > /added; rm /etc/os-release; echo y >> /etc/passwd")

    assert set(command.ok("diff", box).splitlines()) >= {"A /added", "D /etc/os-release", "C /etc/passwd"}


def test_cp_goes_both_ways_and_through_a_pipe(command: Command, box: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("hello")

    command.ok("cp", str(tmp_path / "in"), f"{box}:/tmp/there")
    command.ok("cp", f"{box}:/tmp/there", str(tmp_path / "back"))

    assert command.ok("exec", box, "cat", "/tmp/there") == "hello"
    assert (tmp_path / "back").read_text() == "hello"
    process = command.start("cp", f"{box}:/tmp/there", "-")
    out, _ = process.communicate(timeout=30)
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        assert tar.getnames() == ["there"]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(tmp_path / "in", "piped")
    command.ok("cp", "-", f"{box}:/tmp", input=archive.getvalue())
    assert command.ok("exec", box, "cat", "/tmp/piped") == "hello"


def test_export_and_import_move_a_tree(command: Command, box: str, tmp_path: Path) -> None:
    command.ok("exec", box, "touch", "/marked")
    command.ok("export", "-o", str(tmp_path / "tree.tar"), box)

    id = command.ok("import", "-c", 'CMD ["ls", "/marked"]', str(tmp_path / "tree.tar"), "moved:1")

    assert re.fullmatch(r"sha256:[0-9a-f]{64}", id)
    assert command.ok("run", "--rm", "--network", "none", "moved:1") == "/marked"


def test_commit_makes_an_image(command: Command, box: str) -> None:
    command.ok("exec", box, "touch", "/kept")

    id = command.ok("commit", "-m", "why", "-a", "me", box, "copy:1")

    assert command.ok("run", "--rm", "--network", "none", "copy:1", "ls", "/kept") == "/kept"
    assert command.ok("images", "-q", "--no-trunc", "copy:1") == id
    assert "why" in command.ok("history", "copy:1")


def test_images_have_docker_s_columns(command: Command) -> None:
    command.ok("tag", "host", "other:2")

    lines = command.ok("images").splitlines()

    assert re.split(r" {2,}", lines[0]) == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    assert any(re.fullmatch(r"other +2 +[0-9a-f]{12} +.+ago +[\d.]+MB", line) for line in lines), lines
    assert "DIGEST" in command.ok("images", "--digests").splitlines()[0]
    assert "other:2" in command.ok("images", "other", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert command.ok("rmi", "other:2") == "Untagged: other:2"


def test_save_and_load_an_image(command: Command, tmp_path: Path) -> None:
    command.ok("tag", "host", "travels:1")
    command.ok("save", "-o", str(tmp_path / "image.tar"), "travels:1")
    command.ok("rmi", "travels:1")

    assert command.ok("load", "-i", str(tmp_path / "image.tar")) == "Loaded image: travels:1"
    command.ok("save", "--format", "oci-dir", "-o", str(tmp_path / "layout"), "travels:1")
    assert (tmp_path / "layout" / "oci-layout").exists()
    assert "travels:1" in command.ok("load", "-i", str(tmp_path / "layout"))
    process = command.start("save", "travels:1")
    archive, _ = process.communicate(timeout=60)
    assert command.ok("load", input=archive) == "Loaded image: travels:1"


def test_a_save_that_fails_leaves_no_file(command: Command, tmp_path: Path) -> None:
    assert command.run("save", "-o", str(tmp_path / "image.tar"), "none").status == 1
    assert list(tmp_path.iterdir()) == []


def test_events_tell_what_happened(command: Command) -> None:
    command.run("run", "--name", "short", "--network", "none", "host", "sh", "-c", "exit 3")

    lines = command.ok("events", "--since", "10m", "--until", "0s", "--filter", "container=short").splitlines()

    actions = [line.split(" ")[2] for line in lines]
    assert actions[:2] == ["create", "start"] and "die" in actions
    assert any(re.search(r"container die [0-9a-f]{64} \(.*exitCode=3.*image=.*name=short", line) for line in lines)
    one = command.ok("events", "--since", "10m", "--until", "0s", "--format", "json").splitlines()[0]
    assert json.loads(one)["Type"]


def test_volumes(command: Command) -> None:
    assert command.ok("volume", "create", "--label", "a=b", "data") == "data"
    assert command.ok("volume", "ls").splitlines() == ["DRIVER    VOLUME NAME", "local     data"]
    assert command.ok("volume", "ls", "-q") == "data"
    command.ok("run", "--rm", "--network", "none", "-v", "data:/d", "host", "touch", "/d/file")
    mountpoint = command.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "data")
    assert (Path(mountpoint) / "file").exists()
    assert command.ok("volume", "rm", "data") == "data"
    command.ok("volume", "create", "unused")
    assert "unused" in command.ok("volume", "prune", "-af")


def test_groups(command: Command) -> None:
    limits = ("--cpus", "1", "--memory", "1g", "--pids", "500", "--network-ingress", "50mbit")
    assert command.ok("group", "create", *limits, "--label", "a=b", "gold") == "gold"
    assert command.ok("group", "create", "--cpu-shares", "512", "gold/silver") == "gold/silver"
    command.ok("run", "-d", "--network", "none", "--name", "box", "--group", "gold/silver", "host", "sleep", "600")
    assert command.ok("group", "ls").splitlines() == [
        "NAME          CONTAINERS   CPUS      CPU SHARES   MEMORY    PIDS      EGRESS    INGRESS",
        "gold          1            1         -            1GiB      500       -         50Mbit",
        "gold/silver   1            -         512          -         -         -         -",
    ]
    assert command.ok("group", "ls", "-q", "--filter", "label=a").splitlines() == ["gold"]
    assert command.ok("group", "ls", "--format", "{{.Name}} {{.Labels}}", "-f", "name=gold/").strip() == "gold/silver"
    assert command.ok("group", "update", "--pids", "400", "gold") == "gold"
    assert command.ok("group", "inspect", "-f", "{{.Limits.PidsLimit}} {{len .Containers}}", "gold") == "400 1"
    assert command.ok("inspect", "-f", "{{.HostConfig.Group}}", "box") == "gold/silver"
    assert command.ok("group", "stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "gold") == "gold 1"
    refused = command.run("group", "rm", "gold/silver", "none")
    assert (refused.status, len(refused.err.splitlines())) == (1, 2)
    command.ok("rm", "-f", "box")
    assert command.ok("group", "rm", "gold/silver", "gold").splitlines() == ["gold/silver", "gold"]


def test_system(command: Command, box: str) -> None:
    assert "ContainersRunning: 1" in command.ok("info").splitlines()
    assert command.ok("info", "-f", "{{.ContainersRunning}}") == "1"
    assert command.ok("version", "-f", "{{.Server.Version}}") == command.ok("--version").split()[-1]
    heading, *rows = command.ok("system", "df").splitlines()
    assert re.split(r" {2,}", heading) == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert [row.split("  ")[0] for row in rows] == ["Images", "Containers", "Local Volumes", "Build Cache"]
    assert "Containers space usage:" in command.ok("system", "df", "-v")


def test_prune_removes_stopped_containers(command: Command, box: str) -> None:
    id = command.ok("create", "--network", "none", "host", "true")

    out = command.ok("container", "prune", "--force")

    assert out.splitlines()[:2] == ["Deleted Containers:", id]
    assert out.splitlines()[-1].startswith("Total reclaimed space: ")
    assert command.ok("ps", "-a", "--format", "{{.Names}}") == box
    assert "Total reclaimed space" in command.ok("system", "prune", "-f", "--volumes")


def test_explain_tells_how_a_container_is_made(command: Command, box: str) -> None:
    assert json.loads(command.ok("explain", "--json", box))
    assert "pid" in command.ok("explain", box)
    assert command.ok("explain", "run", "--network", "none", "host", "true")
    assert command.ok("ps", "-aq").count("\n") == 0


def test_group_forms_are_the_same_verbs(command: Command, box: str) -> None:
    assert command.ok("container", "ls", "-q") == command.ok("ps", "-q")
    assert command.ok("image", "ls", "-q") == command.ok("images", "-q")
    assert command.ok("container", "stop", "-t", "0", box) == box
    assert command.ok("container", "rm", box) == box


def test_debug_shows_where_an_error_arose(command: Command) -> None:
    done = command.run("--debug", "rm", "none")
    assert done.err.startswith("ringfence: ")
    assert "Traceback" in command.run("--debug", "history", "none").err
    assert "Traceback" not in command.run("history", "none").err


def test_a_reader_that_leaves_is_no_error_worth_a_traceback(command: Command) -> None:
    pipeline = f"{shlex.join(COMMAND)} --help | head -1"
    done = subprocess.run(pipeline, shell=True, env=command.environment, capture_output=True, text=True)

    assert done.stderr == ""
