"""The monitor: what a program prints arrives whole and in order, in the log and at every client; so does its end."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ringfence.engine.logs import PARSERS
from ringfence.runtime.interface import Monitoring
from ringfence.runtime.native import OciRuntime
from tests.bundles import Bundle, exec_in
from tests.runtime.monitored import Client, Monitored, alive, eventually, processor_time, pss

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


def logged_bytes(log: Path, driver: str) -> bytes:
    """All that a log holds, put together again."""
    with log.open("rb") as file:
        return b"".join(PARSERS[driver](line).data for line in file)


# ---- the log


def test_k8s_file_has_the_time_the_stream_and_whether_the_line_is_whole(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.shell("echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three")
    assert Monitored(bundle, runtime, driver="k8s-file").run() == 0
    lines = (bundle.path.parent / "container.log").read_text().splitlines()
    expected = ["stdout F one", "stderr F two", "stdout P three"]
    assert [re.sub(f"^{STAMP} ", "", line) for line in lines] == expected
    assert all(re.match(f"{STAMP} ", line) for line in lines)


def test_json_file_has_docker_s_fields_and_loses_no_byte(bundle: Bundle, runtime: OciRuntime) -> None:
    every = bytes(range(1, 256)) + "é€𝄞".encode() + b'\xed\xa0\x80\xf0\x80\x80\xaf\xc3"\\'
    (bundle.rootfs / "bytes").write_bytes(every)
    container = Monitored(bundle.shell("cat /bytes"), runtime, driver="json-file")
    assert container.run() == 0
    entries = [json.loads(line) for line in container.log.read_text().splitlines()]
    assert all(set(entry) == {"log", "stream", "time"} for entry in entries)
    assert all(re.fullmatch(STAMP, entry["time"]) for entry in entries)
    assert "".join(entry["log"] for entry in entries).encode("utf-8", "surrogateescape") == every


@pytest.mark.parametrize("driver", ["k8s-file", "json-file"])
def test_a_long_line_is_logged_in_pieces_that_make_the_line(bundle: Bundle, runtime: OciRuntime, driver: str) -> None:
    text = ("ä" * 3999 + "€" * 30_000 + "\n").encode()
    (bundle.rootfs / "text").write_bytes(text)
    container = Monitored(bundle.shell("cat /text"), runtime, driver=driver)
    assert container.run() == 0
    assert logged_bytes(container.log, driver) == text
    assert container.log.read_bytes().count(b"\n") > 20


@pytest.mark.parametrize("driver", ["k8s-file", "json-file"])
def test_rotation_keeps_the_newest_lines_in_files_of_limited_size(
    bundle: Bundle, runtime: OciRuntime, driver: str
) -> None:
    bundle.shell("seq 1 5000")
    container = Monitored(bundle, runtime, driver=driver, max_size=20_000, max_file=3)
    assert container.run() == 0
    files = [Path(f"{container.log}.2"), Path(f"{container.log}.1"), container.log]
    assert sorted(container.log.parent.glob("container.log*")) == sorted(files)
    assert all(20_000 <= file.stat().st_size < 20_200 for file in files[:2])
    kept = b"".join(logged_bytes(file, driver) for file in files)
    numbers = [int(number) for number in kept.split()[1:]]  # of the first the beginning may be lost
    assert numbers == list(range(numbers[0], 5001))
    assert len(numbers) > 500


def test_one_file_only_starts_again_when_it_is_full(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("seq 1 5000"), runtime, driver="k8s-file", max_size=20_000, max_file=1)
    assert container.run() == 0
    assert container.log.stat().st_size < 20_200
    assert list(container.log.parent.glob("container.log*")) == [container.log]


def test_a_log_that_was_moved_away_is_reopened_on_demand(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("echo before; read x; echo after"), runtime, driver="k8s-file", stdin=True)
    container.owner.until(b"before\n")
    moved = container.log.rename(container.log.with_suffix(".moved"))
    container.owner.send(b"L")
    container.owner.send(b"I", b"\n")
    assert container.run() == 0
    assert "before" in moved.read_text()
    assert container.log.read_text().endswith("F after\n")


# ---- nothing is lost


def test_fifty_megabytes_reach_a_slow_reader_whole_in_bounded_memory(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.shell("yes $(head -c 2000 /dev/zero | tr '\\0' x) | head -n 25000 | nl -ba -w 6 -s ' '")
    container = Monitored(bundle, runtime, driver="k8s-file", stdin=True)
    most, messages, size, number, rest = 0, 0, 0, 0, b""
    while container.owner.receive() not in (b"X", b""):
        messages += 1
        if messages % 50 == 0:
            time.sleep(0.005)
            most = max(most, pss(container.monitor_pid))
        size += len(container.owner.output)
        *lines, rest = (rest + container.owner.output).split(b"\n")
        container.owner.output = b""
        for line in lines:
            number += 1
            assert int(line[:6]) == number and len(line) == 2007
    assert (number, size, rest) == (25_000, 25_000 * 2008, b"")
    assert 0 < most < 300, "kB while 50 MB went through"
    container.owner.close()
    container.gone()
    assert logged_bytes(container.log, "k8s-file") == b"".join(b"%6d %s\n" % (n, b"x" * 2000) for n in range(1, 25_001))


def test_a_monitor_without_work_is_small(bundle: Bundle, runtime: OciRuntime) -> None:
    """The limit is for one among others, whose text is one copy: alone it would be charged all of it."""
    container = Monitored(bundle.shell("seq 1 500000; read x"), runtime, driver="k8s-file", stdin=True)
    container.owner.until(b"\n500000\n")
    for _ in range(2):
        runtime.exec(bundle.id, {**bundle.spec["process"], "args": ["sleep", "30"]}, Monitoring()).control.close()
    eventually(lambda: pss(container.monitor_pid) < 150)
    container.owner.close()


@pytest.mark.parametrize("count", [1, 100_000])
def test_what_is_written_right_before_the_exit_is_there(bundle: Bundle, runtime: OciRuntime, count: int) -> None:
    """Both at the client and, when the exit record appears, in the log."""
    bundle.shell(f"seq 1 {count}; exec sh -c 'echo last; exit 3'")
    container = Monitored(bundle, runtime, driver="k8s-file")
    assert container.owner.end() == 3
    assert container.owner.output == b"".join(b"%d\n" % n for n in range(1, count + 1)) + b"last\n"
    assert container.log.read_text().endswith(" stdout F last\n")
    container.owner.close()


def test_an_exit_does_not_wait_for_whoever_does_not_read(bundle: Bundle, runtime: OciRuntime) -> None:
    """The log, the exit record and the cgroups at once; an attached client may keep the monitor for a while only."""
    container = Monitored(bundle.shell("seq 1 100000; exec yes"), runtime, driver="k8s-file")
    stalled = container.attach()
    container.owner.until(b"\n100\n")
    container.owner.close()
    time.sleep(0.3)  # the yes fills the client's socket, then its pipe
    written = container.log.stat().st_size
    runtime.kill(bundle.id, signal.SIGKILL)
    eventually(container.exit_file.exists, 2)
    assert json.loads(container.exit_file.read_text())["exit_code"] == 137
    assert container.log.stat().st_size > written + 30_000, "the pipe was full"
    cgroups = [path for path in runtime.driver.directories(f"/ringrun/{bundle.id}") if path.endswith(bundle.id)]
    eventually(lambda: not any(map(os.path.exists, cgroups)), 4)
    assert alive(container.monitor_pid)
    container.gone(15)
    stalled.close()


def test_a_slow_owner_gets_everything_even_after_the_exit(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("seq 1 60000; exit 5"), runtime)  # more than the socket, less than with the pipe
    time.sleep(0.5)
    assert container.run() == 5
    assert container.owner.output.endswith(b"\n60000\n")
    assert len(container.owner.output) == sum(len(str(n)) + 1 for n in range(1, 60001))


# ---- the end


@pytest.mark.parametrize("rest", ["sleep 60", "exec yes", "exec yes >&2"])
def test_what_a_program_leaves_behind_does_not_keep_its_session(bundle: Bundle, runtime: OciRuntime, rest: str) -> None:
    """It holds the pipes open, and may even go on writing to them."""
    bundle.shell("exec sleep 60").start(runtime)
    begun = time.monotonic()
    result = exec_in(runtime, bundle, ["sh", "-c", f"({rest}) & echo done; exit 4"])
    assert result.exit_code == 4
    assert "done\n" in result.stdout
    assert time.monotonic() - begun < 5


def test_input_that_nobody_read_does_not_cost_the_exit_record(bundle: Bundle, runtime: OciRuntime) -> None:
    for _ in range(20):
        container = Monitored(bundle.shell("head -c 5; exit 6"), runtime, stdin=True)
        with suppress(BrokenPipeError):  # it has ended already
            for _ in range(6):
                container.owner.send(b"I", b"x" * 32768)
        assert container.owner.end() == 6
        assert container.owner.output == b"xxxxx"
        container.owner.close()
        container.gone()
        runtime.delete(bundle.id)


def test_the_time_out_kills(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("exec sleep 60"), runtime, timeout=1)
    assert container.run() == 137
    assert container.owner.record["signal"] == 9


def test_the_exit_record_and_the_events_tell_how_it_began_and_ended(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    events = short_directory / "events.jsonl"
    event = '","Actor":{"ID":"x","Attributes":{"label":"%s"' % ("y" * 10_000)
    container = Monitored(bundle.shell("exit 9"), runtime, event_file=str(events), event=event)
    pid, begun = container.pid, time.time_ns()
    assert container.run() == 9
    record = json.loads(container.exit_file.read_text())
    assert record == container.owner.record
    assert (record["exit_code"], record["signal"], record["oom_killed"], record["pid"]) == (9, 0, False, pid)
    assert begun - 2e9 < record["started_at"] <= record["finished_at"] <= time.time_ns()
    start, die = map(json.loads, events.read_text().splitlines())
    assert (start["Action"], die["Action"]) == ("start", "die")
    assert start["Actor"]["Attributes"] == {"label": "y" * 10_000}
    assert die["Actor"]["Attributes"] == {"label": "y" * 10_000, "exitCode": "9"}
    assert (start["timeNano"], die["timeNano"]) == (record["started_at"], record["finished_at"])


def test_the_exit_command_runs_when_the_owner_has_gone_as_the_caller_would_run_it(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    """Not with what the monitor made of itself: its file mode mask, its protection from the OOM killer, its signals."""
    told = short_directory / "told"
    script = "umask; cat /proc/self/oom_score_adj; grep SigBlk /proc/self/status; ls /proc/self/fd | wc -l"
    command = ["/bin/sh", "-c", f"({script}) >{told}.new; mv {told}.new {told}"]
    before = os.umask(0o027)
    try:
        container = Monitored(bundle.shell("read x"), runtime, exit_command=command, stdin=True)
    finally:
        os.umask(before)
    container.owner.close()
    client = container.attach()
    client.send(b"C")
    client.end()
    client.close()
    eventually(told.exists)
    own = Path("/proc/self/oom_score_adj").read_text().strip()
    assert told.read_text().split() == ["0027", own, "SigBlk:", "0000000000000000", "4"]


def test_the_exit_command_does_not_run_when_the_owner_has_cleaned_up(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    told = short_directory / "told"
    container = Monitored(bundle.shell("true"), runtime, exit_command=["/bin/sh", "-c", f"echo >{told}"])
    container.owner.end()
    assert alive(container.monitor_pid)
    container.owner.send(b"D")
    container.owner.close()
    container.gone()
    assert not told.exists()


def test_a_health_check_never_runs_twice_at_a_time(bundle: Bundle, runtime: OciRuntime, short_directory: Path) -> None:
    told = short_directory / "told"
    check = ["/bin/sh", "-c", f"echo begin >>{told}; sleep 0.5; echo end >>{told}"]
    container = Monitored(bundle.shell("exec sleep 60"), runtime, health=(50, check))
    eventually(lambda: told.exists() and told.read_text().count("end") >= 2)
    runtime.kill(bundle.id, signal.SIGKILL)
    container.run()
    words = told.read_text().split()
    assert words[:4] == ["begin", "end", "begin", "end"]
    time.sleep(0.6)  # the last one


# ---- clients


def test_clients_come_and_go_while_it_runs(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell('while read x; do echo "got $x"; done; exit 8'), runtime, stdin=True)
    container.owner.send(b"I", b"one\n")
    container.owner.until(b"got one\n")
    first, second = container.attach(), container.attach()
    container.owner.close()
    first.send(b"I", b"two\n")
    assert (first.until(b"two\n"), second.until(b"two\n")) == (b"got two\n", b"got two\n")
    first.close()
    assert runtime.status(bundle.id)["status"] == "running"
    second.send(b"I", b"three\n")
    assert second.until(b"three\n") == b"got two\ngot three\n"
    second.send(b"C")
    assert second.end() == 8
    second.close()


def test_a_client_waits_while_the_monitor_has_no_descriptor_for_him(bundle: Bundle, runtime: OciRuntime) -> None:
    """And costs no processor time meanwhile, while what the program prints arrives."""
    container = Monitored(bundle.shell("read line; echo $line; read line; echo $line"), runtime, stdin=True)
    pid, most = container.monitor_pid, 22  # as many as it polls
    enough = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, enough[1]))
    clients = [container.attach() for _ in range(most - len(os.listdir(f"/proc/{pid}/fd")))]
    eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) == most)
    waiting = container.attach()
    before = processor_time(pid)
    time.sleep(0.5)
    assert processor_time(pid) - before <= 2  # hundredths of a second
    container.owner.send(b"I", b"one\n")
    for client in (container.owner, *clients):
        client.until(b"one\n")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, enough)
    waiting.send(b"I", b"two\n")
    assert waiting.until(b"two\n") == b"two\n"
    for client in (*clients, waiting):
        assert client.end() == 0
        client.close()
    assert container.run() == 0


def test_input_of_a_client_that_leaves_at_once_arrives(bundle: Bundle, runtime: OciRuntime) -> None:
    """Although the program is slow to take it and has written meanwhile what this client never read."""
    container = Monitored(bundle.shell("seq 1 1000; sleep 0.5; wc -c"), runtime, stdin=True)
    container.owner.until(b"\n1000\n")
    client = container.attach()
    for _ in range(5):
        client.send(b"I", b"x" * 30_000)
    client.send(b"C")
    client.close()
    assert container.owner.end() == 0
    assert container.owner.output.endswith(b"\n150000\n")
    container.owner.close()


def test_input_of_two_clients_is_not_lost_when_the_program_is_slow(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("sleep 0.5; head -c 400000 | tr -d '\\n' | wc -c"), runtime, stdin=True)
    other = container.attach()
    for client in (container.owner, other):
        for _ in range(5):
            client.send(b"I", b"x" * 30_000)
    for client in (container.owner, other):
        client.send(b"I", b"x" * 30_000)
    container.owner.send(b"I", b"x" * 40)
    time.sleep(0.7)
    other.send(b"C")
    assert container.owner.end() == 0
    assert container.owner.output == b"360040\n"
    other.close()
    container.owner.close()


def test_the_end_of_stdin_arrives_after_all_of_it(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("wc -c"), runtime, stdin=True)
    for _ in range(100):
        container.owner.send(b"I", b"x" * 32768)
    container.owner.send(b"C")
    assert container.run() == 0
    assert container.owner.output == b"3276800\n"


def test_without_stdin_the_program_reads_the_container_s_own_dev_null(bundle: Bundle, runtime: OciRuntime) -> None:
    """The host's, of which its root could change the mode and the owner, stays with the host."""
    before = os.stat("/dev/null")
    bundle.spec["process"]["user"] = {"uid": 1000, "gid": 1000}
    result = bundle.shell("stat -L -c %d:%i /dev/null /proc/self/fd/0; read x; echo $?").run(runtime)
    inside, opened, read = result.stdout.split()
    assert (opened, read) == (inside, "1")
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)


def test_nobody_else_may_attach(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("exec sleep 60"), runtime)
    assert container.attach_socket.stat().st_mode & 0o777 == 0o600
    runtime.kill(bundle.id, signal.SIGKILL)
    container.run()
    assert not container.attach_socket.exists()


def test_a_socket_may_have_a_long_path(bundle: Bundle, runtime: OciRuntime, short_directory: Path) -> None:
    from ringfence.runtime.interface import Launch

    directory = short_directory / ("d" * 200)
    directory.mkdir()
    monitoring = Monitoring(attach_socket=str(directory / "attach.sock"))
    bundle.shell("exec sleep 60")
    started = runtime.start(Launch(bundle.id, bundle.spec, str(bundle.path), monitoring=monitoring))
    short = short_directory / "short"
    short.symlink_to(directory)
    client = Client.attach(short / "attach.sock")
    runtime.kill(bundle.id, signal.SIGKILL)
    assert client.end() == 137
    client.close()
    started.control.close()


# ---- terminals


def test_a_terminal_has_one_stream_and_its_last_words_arrive(bundle: Bundle, runtime: OciRuntime) -> None:
    for count in (1, 3000):
        bundle.shell(f"tty; seq 1 {count}; echo last >&2; exit 3")
        container = Monitored(bundle, runtime, terminal=True, stdin=True, driver="k8s-file")
        assert container.run() == 3
        numbers = b"".join(b"%d\r\n" % n for n in range(1, count + 1))
        assert container.owner.output == b"/dev/pts/0\r\n" + numbers + b"last\r\n"
        assert container.log.read_bytes().endswith(b" stdout F last\r\n")
        container.log.unlink()
        runtime.delete(bundle.id)


def test_a_terminal_is_resized_and_the_program_told(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.shell("trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done")
    container = Monitored(bundle, runtime, terminal=True, stdin=True, window=(24, 80))
    container.owner.until(b"ready")
    container.owner.resize(50, 132)
    container.owner.until(b"50 132")
    runtime.kill(bundle.id, signal.SIGKILL)
    assert container.run() == 137


def test_a_terminal_has_its_window_from_the_start(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("stty size"), runtime, terminal=True, window=(33, 111))
    assert container.run() == 0
    assert container.owner.output == b"33 111\r\n"


def test_a_program_may_close_its_terminal_and_open_it_again(bundle: Bundle, runtime: OciRuntime) -> None:
    """To the last close the kernel answers with EIO: that is no end, and no reason to hang up."""
    bundle.shell("echo here; exec <&- >&- 2>&-; sleep 0.3; exec >/dev/tty; echo again; exit 4")
    container = Monitored(bundle, runtime, terminal=True, stdin=True)
    assert container.run() == 4
    assert container.owner.output == b"here\r\nagain\r\n"


def test_keys_of_a_terminal_make_signals_and_ends(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.shell("trap 'echo interrupted' INT; echo ready; cat; echo end; cat; exit 2")
    container = Monitored(bundle, runtime, terminal=True, stdin=True)
    container.owner.until(b"ready")
    container.owner.send(b"I", b"echoed\n")
    container.owner.until(b"echoed\r\nechoed")  # by the terminal, and then by cat
    container.owner.send(b"I", b"\x03")
    container.owner.until(b"interrupted")
    container.owner.until(b"end")
    container.owner.send(b"I", b"\x04")
    assert container.run() == 2


def test_a_terminal_takes_a_lot_of_input_from_a_client_that_reads(bundle: Bundle, runtime: OciRuntime) -> None:
    container = Monitored(bundle.shell("stty -echo raw; echo ready; head -c 500000 | wc -c"), runtime, terminal=True)
    container.owner.until(b"ready")
    for _ in range(50):
        container.owner.send(b"I", b"x" * 10_000)
    container.owner.until(b"500000")
    assert container.run() == 0
