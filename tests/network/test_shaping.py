"""Shaping, judged by iperf3 between network namespaces that stand for containers; ip and tc see nothing left."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ringfence.linux import namespaces
from ringfence.linux.namespaces import Clone
from ringfence.linux.traffic import TrafficConnection
from ringfence.network import shaping
from ringfence.network.shaping import Limits
from tests import needs
from tests.linux import child
from tests.network import iperf

M = 1_000_000


class Host:
    """A network namespace with others beside it, each at the other end of a veth link of ours."""

    def __init__(self, connection: TrafficConnection, directory: Path) -> None:
        self.connection = connection
        self.directory = str(directory)
        self._others: list[subprocess.Popen[bytes]] = []
        self.links: list[int] = []

    def add(self) -> int:
        """The index of our end; the address over there is 10.0.N.2."""
        number = len(self.links)
        other = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        self._others.append(other)
        while namespaces.same_as_host(other.pid)["network"]:
            time.sleep(0.001)
        with namespaces.open(other.pid, "network") as there:
            self.connection.new_veth(f"host{number}", "eth0", there)
            with TrafficConnection(there) as inside:
                index = inside.link("eth0").index
                inside.new_address(index, f"10.0.{number}.2", 24)
                inside.set_up(index)
        link = self.connection.link(f"host{number}").index
        self.connection.new_address(link, f"10.0.{number}.1", 24)
        self.connection.set_up(link)
        self.links.append(link)
        return int(link)

    def test(self, direction: str, number: int) -> iperf.Test:
        return direction, self._others[number].pid, f"10.0.{number}.2"

    def close(self) -> None:
        for other in self._others:
            other.kill()
            other.wait()


def on_host(directory: Path, work: Callable[[Host], None]) -> None:
    needs.root()
    needs.program("iperf3", "tc")

    def run() -> None:
        with TrafficConnection() as connection:
            host = Host(connection, directory)
            try:
                work(host)
            finally:
                host.close()

    child.run(run, Clone.NEWNET)


def test_several_share_what_their_group_has_and_keep_limits_of_their_own(tmp_path: Path) -> None:
    def work(host: Host) -> None:
        for number in range(3):
            own = Limits(10 * M) if number == 2 else Limits()
            line = [("gold", Limits(60 * M, 80 * M)), (f"box{number}", own)]
            shaping.shape(host.connection, host.directory, line, [host.add()])
        iperf.has(60, *[host.test("egress", number) for number in range(3)], each=10)
        iperf.has(80, *[host.test("ingress", number) for number in range(3)])

    on_host(tmp_path, work)


def test_a_group_inside_another_has_no_more_than_both(tmp_path: Path) -> None:
    def work(host: Host) -> None:
        gold, silver = ("gold", Limits(60 * M)), ("silver", Limits(20 * M))
        shaping.shape(host.connection, host.directory, [gold, ("box0", Limits())], [host.add()])
        shaping.shape(host.connection, host.directory, [gold, silver, ("box1", Limits())], [host.add()])
        iperf.has(20, host.test("egress", 1))
        iperf.has(60, host.test("egress", 0), host.test("egress", 1))

    on_host(tmp_path, work)


def test_what_is_not_limited_has_no_pipe_and_the_last_to_go_takes_it_along(tmp_path: Path) -> None:
    def work(host: Host) -> None:
        first, second = host.add(), host.add()
        before = seen()
        shaping.shape(host.connection, host.directory, [("gold", Limits()), ("box0", Limits())], [first])
        assert seen() == before

        gold = ("gold", Limits(M, M))
        shaping.shape(host.connection, host.directory, [gold, ("box0", Limits())], [first])
        shaping.shape(host.connection, host.directory, [gold, ("box1", Limits())], [second])
        shaping.forget(host.connection, host.directory, "gold", {"gold", "box1"})
        pipe = host.connection.link(shaping.pipe_name("gold", "egress")).index
        assert len(host.connection.classes(pipe)) == 2
        shaping.shape(host.connection, host.directory, [gold, ("box2", Limits())], [first])
        assert len(host.connection.classes(pipe)) == 3
        shaping.forget(host.connection, host.directory, "gold", set())
        for link in (first, second):
            host.connection.delete_clsact(link)
        assert seen() == before
        assert os.listdir(host.directory) == []

    on_host(tmp_path, work)


def test_a_pipe_that_a_kill_left_half_made_is_finished(tmp_path: Path) -> None:
    def work(host: Host) -> None:
        link = host.add()
        host.connection.new_link(shaping.pipe_name("box", "egress"), "ifb")
        shaping.shape(host.connection, host.directory, [("box", Limits(30 * M))], [link])
        iperf.has(30, host.test("egress", 0))

    on_host(tmp_path, work)


def seen() -> str:
    """The names of all links, their qdiscs and filters, as iproute2 tells them."""
    commands = ["ip -o link | cut -d: -f2", "tc qdisc", "for n in 0 1; do tc filter show dev host$n ingress; done"]
    return subprocess.run(["sh", "-c", "; ".join(commands)], capture_output=True, text=True, check=True).stdout
