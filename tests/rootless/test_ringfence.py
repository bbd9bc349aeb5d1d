"""The engine's command line as an ordinary user types it: no daemon, and no privilege but newuidmap's."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time

import pytest

from tests import needs
from tests.rootless.people import COUNT, FIRST, Person


def test_the_user_is_root_inside_and_subordinate_ids_are_the_others(alice: Person) -> None:
    script = "id -u; touch /a; chown 1000:1000 /a; stat -c %u:%g /a; cat /proc/self/uid_map"

    uid, owner, own, others = alice.run("host", "sh", "-c", script).splitlines()

    assert (uid, owner) == ("0", "1000:1000")
    assert own.split() == ["0", str(alice.uid), "1"]
    assert others.split() == ["1", str(FIRST), str(COUNT)]


def test_files_are_the_users_own_outside(alice: Person) -> None:
    shared = alice.home / "shared"
    alice("mkdir", shared)
    script = "touch /shared/root; install -o 1 /dev/null /shared/daemon"
    alice.run("-v", f"{shared}:/shared", "host", "sh", "-c", script)

    assert (shared / "root").stat().st_uid == alice.uid
    assert (shared / "daemon").stat().st_uid == FIRST


def test_its_files_are_where_xdg_says(alice: Person) -> None:
    info = json.loads(alice.ringfence("info", "--format", "json").stdout)
    assert info["Rootless"] is True
    assert info["RootDir"] == f"{alice.home}/.local/share/ringfence"
    assert info["StateDir"] == f"{alice.home}/run/ringfence"

    elsewhere = {"XDG_DATA_HOME": str(alice.home / "data")}
    assert f"{alice.home}/data/ringfence\n" in alice.ringfence("info", environment=elsewhere).stdout


def test_layers_are_an_overlay_in_the_user_namespace(alice: Person) -> None:
    needs.file("/sys/module/overlay/parameters/metacopy")
    assert json.loads(alice.ringfence("info", "--format", "json").stdout)["Driver"] == "overlay"
    assert "userxattr" in alice.run("host", "sh", "-c", "grep ' / ' /proc/mounts")


def test_top_shows_the_processes(alice: Person) -> None:
    needs.ps()
    alice.ringfence("run", "-d", "--name", "web", "host", "sleep", "100")
    assert "sleep 100" in alice.ringfence("top", "web").stdout


def test_a_container_lives_its_whole_life(alice: Person) -> None:
    """create, start, ps, exec, logs, cp, diff, restart, stop, wait, rm: all as for root."""
    said = alice.ringfence
    id = said("run", "-d", "--name", "web", "host", "sh", "-c", "echo up; exec sleep 100").stdout.strip()
    assert "web" in said("ps").stdout
    assert said("exec", "web", "id", "-u").stdout == "0\n"
    assert said("exec", "-u", "1000:1000", "web", "id").stdout == "uid=1000 gid=1000 groups=1000\n"
    assert said("logs", "web").stdout == "up\n"
    (alice.home / "note").write_text("from outside")
    assert said("cp", alice.home / "note", "web:/note").returncode == 0
    assert said("exec", "web", "cat", "/note").stdout == "from outside"
    assert said("cp", "web:/note", alice.home / "back").returncode == 0
    assert (alice.home / "back").stat().st_uid == alice.uid
    assert said("diff", "web").stdout == "A /note\n"
    assert said("stats", "--no-stream", "web").returncode == 0
    assert said("restart", "-t", "0", "web").returncode == 0
    assert said("stop", "-t", "0", "web").stdout == "web\n"
    assert said("wait", "web").stdout == "137\n"
    assert said("rm", "web").returncode == 0
    assert said("inspect", id).returncode == 1


def test_an_image_is_committed_saved_removed_loaded_and_run(alice: Person) -> None:
    """What was deleted stays deleted, and an opaque directory hides: the marks are user.* attributes here."""
    archive = alice.home / "image.tar"
    change = "rm /etc/os-release; rm -r /home; mkdir /home; touch /home/new; chown 7:8 /home/new"
    alice.ringfence("run", "--name", "changed", "host", "sh", "-c", change)
    assert alice.ringfence("commit", "changed", "mine").returncode == 0
    look = ("--rm", "mine", "sh", "-c", "ls /etc/os-release; ls -n /home")
    before = alice.ringfence("run", *look).stdout
    assert before.split()[-1] == "new"
    assert " 7 8 " in before
    for words in (["save", "-o", archive, "mine"], ["rmi", "mine"], ["load", "-i", archive]):
        assert alice.ringfence(*words).returncode == 0
    assert alice.ringfence("run", *look).stdout == before
    alice.ringfence("rm", "changed")
    alice.ringfence("rmi", "mine")


def test_a_volume_keeps_its_owners_from_one_container_to_the_next(alice: Person) -> None:
    alice.run("-v", "data:/data", "host", "sh", "-c", "echo kept >/data/file; chown 33:33 /data/file")
    again = ("-v", "data:/data", "-u", "33:33", "host", "sh", "-c", "cat /data/file; echo >/data/file")
    assert alice.run(*again) == "kept\n"
    assert alice.ringfence("volume", "rm", "data").returncode == 0


def test_a_terminal(alice: Person) -> None:
    master, slave = pty.openpty()
    try:
        os.fchown(slave, alice.uid, -1)
        argv = [*alice.argv("ringfence"), "run", "-it", "--rm", "host", "sh", "-c", "tty; read line; echo got $line"]
        with subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, **alice.identity()) as command:
            os.close(slave)
            os.write(master, b"typed\n")
            said = b""
            while b"got typed" not in said:
                said += os.read(master, 1000)
            assert command.wait(20) == 0
        assert b"/dev/pts/0" in said
    finally:
        os.close(master)


def test_a_container_shares_the_namespaces_of_another(alice: Person) -> None:
    alice.ringfence("run", "-d", "--name", "one", "--ipc", "shareable", "host", "sleep", "100")
    script = "readlink /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/ipc; cat /proc/1/comm"
    wanted = alice.ringfence("exec", "one", "sh", "-c", script)
    assert (wanted.returncode, wanted.stderr) == (0, "")

    joined = alice.run("--network", "container:one", "--pid", "container:one", "--ipc", "container:one", "host",
                       "sh", "-c", script)  # fmt: skip

    assert joined == wanted.stdout
    assert joined.endswith("sleep\n")
    assert alice.ringfence("rm", "-f", "one").returncode == 0


@pytest.mark.parametrize("kind", ["network", "pid", "ipc", "uts"])
def test_a_container_shares_the_namespaces_of_the_machine_and_steers_nothing_there(alice: Person, kind: str) -> None:
    proc = {"network": "net"}.get(kind, kind)
    tries = "for at in /sys/kernel /proc/sys/kernel /sys/fs/cgroup; do mkdir $at/x 2>/dev/null && echo made $at; done"
    writable = "find /sys /proc/sys -type f -writable 2>/dev/null | head -3"
    shown = alice.run(f"--{kind}", "host", "host", "sh", "-c", f"readlink /proc/self/ns/{proc}; {tries}; {writable}")
    assert shown == os.readlink(f"/proc/self/ns/{proc}") + "\n"


def test_a_removed_container_leaves_no_file_of_any_owner(alice: Person) -> None:
    script = "mkdir -p /deep/er; touch /deep/er/file; chown -R 1000:1000 /deep; chmod 0 /deep/er /deep"
    alice.run("host", "sh", "-c", script)
    assert alice.ringfence("system", "prune", "-f").returncode == 0
    trees = alice.home / ".local/share/ringfence/snapshots/overlay"
    assert list((trees / "active").iterdir()) == []
    assert len(list((trees / "l").iterdir())) == 1


def test_a_container_started_by_one_command_is_reached_by_all_later_ones_from_other_sessions(alice: Person) -> None:
    alice.ringfence("run", "-d", "--name", "web", "host", "sleep", "100", start_new_session=True)
    assert alice.ringfence("exec", "web", "echo", "reached", start_new_session=True).stdout == "reached\n"
    assert alice.ringfence("kill", "web").returncode == 0


def test_a_restart_policy_works_without_any_command_of_the_user(alice: Person) -> None:
    alice.ringfence("run", "-d", "--name", "again", "--restart", "on-failure:2", "host", "sh", "-c", "echo run; exit 3")
    deadline = time.monotonic() + 20
    while alice.ringfence("logs", "again").stdout != "run\nrun\nrun\n":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_ids_that_are_not_mapped_are_refused_with_a_reason(alice: Person) -> None:
    done = alice.ringfence("run", "--rm", "-u", "100000", "host", "id")
    assert done.returncode == 125
    assert done.stderr == (
        "ringfence: become user 100000, group 0: set user id 100000, which the user namespace does not map: "
        "invalid argument\n"
    )


def test_userns_auto_is_refused(alice: Person) -> None:
    done = alice.ringfence("run", "--rm", "--userns", "auto", "host", "id")
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert "--userns auto: needs root" in done.stderr


def test_containers_of_two_users_are_each_ones_own(alice: Person, bob: Person) -> None:
    alice.ringfence("run", "-d", "--name", "web", "host", "sleep", "100")
    assert "web" not in bob.ringfence("ps", "-a").stdout
    directories = ("--root", alice.home / ".local/share/ringfence", "--state", alice.home / "run/ringfence")
    stolen = bob.ringfence(*directories, "ps")
    assert stolen.returncode != 0


# Without subordinate ids ----------------------------------------------------------------------------------------------


def test_without_subordinate_ids_there_is_root_alone(bob: Person) -> None:
    script = "id -u; id -g; cat /proc/self/uid_map; touch /file; stat -c %u:%g /file /etc/passwd"
    uid, gid, row, *owners = bob.run("host", "sh", "-c", script).splitlines()
    assert (uid, gid, owners) == ("0", "0", ["0:0", "0:0"])
    assert row.split() == ["0", str(bob.uid), "1"]


def test_without_subordinate_ids_one_line_says_so_when_the_namespace_is_made(bob: Person) -> None:
    (holder,) = bob.pids()
    os.kill(holder, 9)
    done = bob.ringfence("run", "--rm", "host", "true")
    expected = f"WARNING: /etc/subuid has no subordinate ids for {bob.name}: containers have no user but root\n"
    assert (done.returncode, done.stderr) == (0, expected)
    assert bob.run("host", "true") == ""


def test_without_subordinate_ids_all_verbs_work_but_other_users(bob: Person) -> None:
    bob.ringfence("run", "-d", "--name", "web", "host", "sh", "-c", "echo up; exec sleep 100")
    assert bob.ringfence("exec", "web", "id").stdout == "uid=0(root) gid=0(root) groups=0(root)\n"
    assert bob.ringfence("logs", "web").stdout == "up\n"
    assert bob.ringfence("commit", "web", "mine").returncode == 0
    assert bob.run("mine", "echo", "hi") == "hi\n"
    assert bob.ringfence("rmi", "mine").returncode == 0
    assert "does not map" in bob.ringfence("run", "--rm", "-u", "1", "host", "id").stderr
    assert "subordinate ids" in bob.ringfence("run", "--rm", "--group-add", "5", "host", "id").stderr


def test_owners_of_an_image_that_are_not_mapped_become_the_user(bob: Person, alice: Person) -> None:
    archive = alice.home / "image.tar"
    alice.ringfence("run", "--name", "changed", "host", "sh", "-c", "touch /of-daemon; chown 1:1 /of-daemon")
    alice.ringfence("commit", "changed", "mine")
    assert alice.ringfence("save", "-o", archive, "mine").returncode == 0
    archive.chmod(0o644)
    assert bob.ringfence("load", "-i", archive).returncode == 0
    assert bob.run("mine", "stat", "-c", "%u:%g", "/of-daemon") == "0:0\n"
    for person in (alice, bob):
        person.ringfence("rm", "changed")
        person.ringfence("rmi", "mine")
