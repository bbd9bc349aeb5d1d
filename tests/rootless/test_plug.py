"""An ordinary user's `ringfence run` in the network: reached by its ports, told who to ask for names, gone with it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests import needs
from tests.linux import child
from tests.rootless.people import Person
from tests.rootless.test_network import Lan, on_lan, until


def test_a_container_is_reached_by_its_port_and_leaves_nothing(alice: Person, short_directory: Path) -> None:
    def work(lan: Lan) -> None:
        done = alice.ringfence("run", "-d", "--name", "web", "-p", "8080:80", "host", "sleep", "100")
        assert done.returncode == 0, done.stderr
        pid = json.loads(alice.ringfence("inspect", "web").stdout)[0]["State"]["Pid"]
        assert alice.ringfence("exec", "web", "ls", "/sys/class/net").stdout.split() == ["eth0", "lo"]
        assert "nameserver" in alice.ringfence("exec", "web", "cat", "/etc/resolv.conf").stdout
        lan.serve(pid, 80, "box")
        assert lan.ask(lan.other, "10.5.0.1", 8080) == "box"
        assert "8080->80/tcp" in alice.ringfence("ps").stdout
        taken = alice.ringfence("run", "--rm", "-p", "8080:81", "host", "true")
        assert taken.returncode == 125 and "8080" in taken.stderr and taken.stderr.count("\n") == 1
        assert alice.ringfence("rm", "-f", "web").returncode == 0
        until(lambda: lan.program() == [])
        assert lan.ask(0, "127.0.0.1", 8080) == ""
        assert alice.ringfence("run", "--rm", "host", "ls", "/sys/class/net").stdout.split() == ["eth0", "lo"]
        alice.ringfence("run", "-d", "--name", "short", "host", "true")
        until(lambda: lan.program() == [])

    needs.program("pasta", "slirp4netns")
    on_lan(alice, short_directory, ["pasta", "slirp4netns"], work)


def test_networks_of_ones_own_are_refused_in_one_line(alice: Person) -> None:
    for words in (["--network", "mine"], ["--network", "bridge:ip=10.0.0.9"]):
        done = alice.ringfence("run", "--rm", *words, "host", "true")
        assert done.returncode == 125 and done.stderr.count("\n") == 1
        assert "need root" in done.stderr or "cannot choose" in done.stderr
    assert alice.ringfence("network", "create", "mine").stderr == (
        "ringfence: network create: networks of one's own need root\n"
    )


def test_a_device_that_is_roots_alone_is_told_with_the_remedy(alice: Person, short_directory: Path) -> None:
    def work() -> None:
        tun = short_directory / "tun"
        script = f"mount -t tmpfs none {short_directory}; mknod -m 600 {tun} c 10 200; mount --bind {tun} /dev/net/tun"
        subprocess.run(["sh", "-ec", script], check=True)
        done = alice.ringfence("run", "--rm", "-p", "8080:80", "host", "true")
        assert done.returncode == 125 and done.stderr.count("\n") == 1
        assert "/dev/net/tun, which this user cannot open (" in done.stderr and "chmod 666" in done.stderr

    child.run(work)
