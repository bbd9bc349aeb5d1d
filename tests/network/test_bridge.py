"""The driver `bridge`: what every driver does, and what only a bridge has."""

from __future__ import annotations

import os
from typing import Any

import pytest

from ringfence.errors import Conflict, Denied
from ringfence.linux import mounts, rtlink, sysctl
from ringfence.linux.namespaces import Clone
from ringfence.network import forwarding, naming
from ringfence.network.bridge import Bridge
from ringfence.network.values import Network, Subnet
from tests import needs
from tests.linux import child
from tests.network.lab import BEYOND, Lab, is_cut_off, reaches
from tests.network.suite import FOUR, SIX, Bench, Suite, fork


class TestBridge(Suite):
    def driver(self) -> Bridge:
        return Bridge()

    def network(self, name: str, subnets: list[Subnet], **fields: Any) -> Network:
        return Network(name, f"id-of-{name}", "bridge", f"rf-{name}", subnets=subnets, **fields)

    def test_the_bridge_has_gateways_a_mac_of_its_own_that_stays_and_a_mark(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            made = bench.lab.host.links()["rf-net"]
            assert (made.kind, made.up, made.alias) == ("bridge", True, "ringfence id-of-net")
            assert made.mac == naming.bridge_mac(network)
            assert bench.lab.host.addresses("rf-net") == ["10.78.0.1/16", "fd00:78::1/64"]
            joined = [bench.join(network, number, mac=f"02:00:00:00:00:0{number}") for number in (5, 6)]
            assert bench.lab.host.links()["rf-net"].mac == made.mac
            for box, attachment in joined:
                bench.driver.disconnect(network, attachment, box.namespace)
            bench.driver.close(network)
            bench.driver.open(network)
            assert bench.lab.host.links()["rf-net"].mac == made.mac

        self.on(work)

    def test_without_an_mtu_it_carries_what_this_hosts_way_out_carries(self) -> None:
        def work(bench: Bench) -> None:
            wan = bench.lab.host.links()["wan"]
            bench.lab.connection.send(rtlink.change(wan.index, mtu=1420))
            box, _ = bench.join(bench.network(), 5)
            assert (box.links()["eth0"].mtu, bench.lab.host.links()["rf-net"].mtu) == (1420, 1420)

        self.on(work)

    def test_its_mtu_stays_when_the_last_container_has_gone(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network(mtu=1300)
            box, attachment = bench.join(network, 5)
            bench.driver.disconnect(network, attachment, box.namespace)
            assert bench.lab.host.links()["rf-net"].mtu == 1300

        self.on(work)

    def test_ports_send_back_and_have_no_ipv6_of_their_own(self) -> None:
        def work(bench: Bench) -> None:
            _, attachment = bench.join(bench.network(), 5)
            assert port(attachment.host_link, "hairpin_mode") == "1"
            assert port(attachment.host_link, "isolated") == "0"
            assert bench.lab.host.addresses(attachment.host_link) == []

        self.on_with_sys(work)

    def test_without_icc_containers_reach_the_gateway_alone(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network(options={"icc": "false"})
            box, _ = bench.join(network, 5)
            other, _ = bench.join(network, 6)
            assert reaches(box, bench.lab.host, "10.78.0.1")
            assert reaches(box, bench.lab.beyond, BEYOND)
            assert is_cut_off(box, other, "10.78.0.6")

        self.on(work)

    def test_forwarding_is_switched_on_for_the_networks_families_and_not_for_an_internal_one(self) -> None:
        def work(bench: Bench) -> None:
            bench.network(internal=True)
            assert forwarded() == ("0", "0")
            bench.network(Subnet("10.79.0.0/16", "10.79.0.1"), name="four")
            assert forwarded() == ("1", "0")
            bench.network(Subnet("fd00:79::/64", "fd00:79::1"), name="six")
            assert forwarded() == ("1", "1")

        self.on(work)

    @pytest.mark.parametrize(
        ("address", "prefix", "route"),
        [("10.78.5.1", 24, False), ("10.1.2.3", 8, False), ("10.78.0.0", 16, True), ("10.78.128.0", 17, True)],
    )
    def test_a_subnet_that_another_link_has_is_refused(self, address: str, prefix: int, route: bool) -> None:
        def work(bench: Bench) -> None:
            lan = bench.lab.connection.link("lan").index
            if route:
                bench.lab.connection.new_route(address, prefix, link=lan)
            else:
                bench.lab.connection.new_address(lan, address, prefix)
            before = bench.lab.seen()
            with pytest.raises(Conflict, match=r"10\.78\.0\.0/16 overlaps with .* of lan"):
                bench.network()
            assert bench.lab.seen() == before

        self.on(work)

    def test_a_wider_route_is_no_reason_to_refuse(self) -> None:
        def work(bench: Bench) -> None:
            bench.lab.connection.new_route("10.0.0.0", 8, gateway="192.0.2.1")
            box, _ = bench.join(bench.network(), 5)
            assert reaches(box, bench.lab.host, "10.78.0.1")

        self.on(work)

    def test_a_link_that_is_not_the_networks_is_left_alone(self) -> None:
        def work(bench: Bench) -> None:
            network = self.network("net", [FOUR, SIX])
            for kind, word in (("bridge", "another one's"), ("ifb", "no bridge but ifb")):
                bench.lab.connection.new_link("rf-net", kind)
                before = bench.lab.seen()
                with pytest.raises(Conflict, match=word):
                    bench.driver.open(network)
                bench.driver.close(network)
                assert bench.lab.seen() == before
                bench.lab.connection.delete_link(bench.lab.connection.link("rf-net").index)

        self.on(work)

    def test_what_a_kill_left_of_the_bridge_is_completed(self) -> None:
        def work(bench: Bench) -> None:
            network = self.network("net", [FOUR, SIX])
            mark = rtlink.change("rf-net", alias=naming.mark(network))
            assert bench.lab.connection.request_all([rtlink.new("rf-net", "bridge"), mark]) == [None, None]
            bench.driver.open(network)
            box, _ = bench.join(network, 5)
            assert reaches(box, bench.lab.beyond, BEYOND)

        self.on(work)

    def test_many_open_it_at_once(self) -> None:
        def work(bench: Bench) -> None:
            network = self.network("net", [FOUR, SIX])
            children = [fork(lambda: Bridge().open(network)) for _ in range(16)]
            assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 16
            assert bench.lab.host.addresses("rf-net") == ["10.78.0.1/16", "fd00:78::1/64"]
            assert bench.lab.host.links()["rf-net"].up

        self.on(work)

    def test_forwarding_that_may_not_be_switched_on_is_said_with_the_remedy(self) -> None:
        def within() -> None:
            laboratory = Lab()
            mounts.mount("/proc/sys", "/proc/sys", None, mounts.MountFlag.BIND)
            flags = mounts.MountFlag.BIND | mounts.MountFlag.REMOUNT | mounts.MountFlag.RDONLY
            mounts.mount(None, "/proc/sys", None, flags)
            network = self.network("net", [FOUR])
            with pytest.raises(Denied, match=r"net\.ipv4\.ip_forward is 0.*sysctl -w net\.ipv4\.ip_forward=1"):
                forwarding.enable(laboratory.connection, network)

        needs.root()
        child.run(within, Clone.NEWNET | Clone.NEWNS)

    def on_with_sys(self, work: Any) -> None:
        """With a /sys that shows the laboratory's links."""

        def within() -> None:
            laboratory = Lab()
            mounts.mount("sys", "/sys", "sysfs", 0)
            work(Bench(self, laboratory))

        needs.root()
        child.run(within, Clone.NEWNET | Clone.NEWNS)


def port(link: str, name: str) -> str:
    with open(f"/sys/class/net/{link}/brport/{name}") as stream:
        return stream.read().strip()


def forwarded() -> tuple[str | None, str | None]:
    return sysctl.read("net", "ipv4", "ip_forward"), sysctl.read("net", "ipv6", "conf", "all", "forwarding")
