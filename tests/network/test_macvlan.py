"""The driver `macvlan`: what every driver does, on a LAN with another host, and what parents are refused."""

from __future__ import annotations

from typing import Any

import pytest

from ringfence.errors import Conflict, Failed, InvalidInput, NotFound, Unsupported
from ringfence.linux import rtlink
from ringfence.network.macvlan import Macvlan
from ringfence.network.values import Network, Subnet
from tests.network.lab import Box, Lab, is_cut_off, reaches
from tests.network.suite import FOUR, Bench, Suite


class OnLan(Suite):
    """The gateway is another host, at the far end of the cable `lan`."""

    def prepare(self, laboratory: Lab, network: Network) -> None:
        with laboratory.beyond.network() as there:
            lan = there.link("lan").index
            for subnet in network.subnets:
                if subnet.gateway not in [one.address for one in there.addresses(lan)]:
                    there.new_address(lan, subnet.gateway, subnet.prefix)

    def gateway(self, laboratory: Lab) -> Box:
        return laboratory.beyond


class TestMacvlan(OnLan):
    kind = "macvlan"

    def driver(self) -> Macvlan:
        return Macvlan()

    def network(self, name: str, subnets: list[Subnet], **fields: Any) -> Network:
        return Network(name, f"id-of-{name}", "macvlan", fields.pop("interface", "lan"), subnets=subnets, **fields)

    @pytest.mark.parametrize("mode", rtlink.MACVLAN_MODES)
    def test_the_mode_is_the_networks(self, mode: str) -> None:
        def work(bench: Bench) -> None:
            box, attachment = bench.join(bench.network(options={"macvlan_mode": mode}), 5)
            link = box.links()["eth0"]
            assert (link.macvlan_mode, link.mac) == (rtlink.MACVLAN_MODES[mode], attachment.mac)
            assert reaches(box, bench.lab.beyond, "10.78.0.1")

        self.on(work)

    def test_in_mode_private_containers_do_not_see_each_other(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network(options={"mode": "private"})
            boxes = [bench.join(network, number)[0] for number in (5, 6)]
            assert is_cut_off(boxes[0], boxes[1], "10.78.0.6")

        self.on(work)

    @pytest.mark.parametrize(
        ("interface", "error", "words"),
        [
            ("", InvalidInput, "needs a parent interface"),
            ("lo", InvalidInput, "loopback"),
            ("nosuch0", NotFound, "parent nosuch0 does not exist"),
            ("nosuch0.7", NotFound, "nosuch0 to make it of does not either"),
            ("lan.5000", NotFound, r"parent lan\.5000 does not exist"),
            ("downlink", Failed, "is down.*ip link set downlink up"),
        ],
    )
    def test_a_parent_that_cannot_be_is_refused_in_one_line(self, interface: str, error: Any, words: str) -> None:
        def work(bench: Bench) -> None:
            bench.lab.connection.new_link("downlink", "bridge")
            network = self.network("net", [FOUR], interface=interface)
            with pytest.raises(error, match=words) as caught:
                bench.driver.open(network)
            assert "\n" not in str(caught.value)

        self.on(work)

    def test_a_parent_that_is_a_bridges_port_is_refused_with_the_reason(self) -> None:
        def work(bench: Bench) -> None:
            host = bench.lab.connection
            host.new_link("br0", "bridge")
            host.set_master(host.link("lan").index, host.link("br0").index)
            with pytest.raises(Conflict, match="lan is a bridge's port"):
                bench.join(bench.network(), 5)

        self.on(work)

    def test_a_larger_mtu_than_the_parents_is_refused(self) -> None:
        def work(bench: Bench) -> None:
            with pytest.raises(InvalidInput, match="lan carries 1500 bytes"):
                bench.network(mtu=9000)

        self.on(work)

    def test_a_vlan_that_is_missing_is_made_where_the_kernel_can_and_goes_with_the_network(self) -> None:
        def work(bench: Bench) -> None:
            before = bench.lab.seen()
            network = self.network("net", [FOUR], interface="lan.100")
            try:
                bench.driver.open(network)
            except Unsupported as error:
                assert "VLAN 100 of lan" in str(error) and "modprobe 8021q" in str(error)
                assert bench.lab.seen() == before
                return
            made = bench.lab.host.links()["lan.100"]
            assert (made.kind, made.vlan, made.up, made.alias) == ("vlan", 100, True, "ringfence id-of-net")
            with pytest.raises(Conflict, match="another network"):
                bench.driver.open(self.network("other", [FOUR], interface="lan.100"))
            bench.driver.close(network)
            assert bench.lab.seen() == before

        self.on(work)
