"""The driver `ipvlan`: what every driver does where the kernel has it, and the one line where it has not."""

from __future__ import annotations

from typing import Any

import pytest

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux import rtlink
from ringfence.network.ipvlan import Ipvlan
from ringfence.network.values import Network, Subnet
from tests import needs
from tests.network import lab
from tests.network.lab import Lab, reaches
from tests.network.suite import Bench
from tests.network.test_macvlan import OnLan


def supported() -> bool:
    found = []

    def work(laboratory: Lab) -> None:
        lan = laboratory.connection.link("lan").index
        [error] = laboratory.connection.request_all([rtlink.new("i", "ipvlan", parent=lan, data=rtlink.ipvlan("l2"))])
        found.append(error)
        assert error is None

    try:
        lab.run(work)
    except AssertionError:
        return False
    return True


class TestIpvlan(OnLan):
    kind = "ipvlan"
    own_mac = False

    @pytest.fixture(autouse=True)
    def _needed(self, request: pytest.FixtureRequest) -> None:
        needs.root()
        if "kernel_lacks" not in request.node.name and not supported():
            needs.missing("ipvlan")

    def driver(self) -> Ipvlan:
        return Ipvlan()

    def network(self, name: str, subnets: list[Subnet], **fields: Any) -> Network:
        return Network(name, f"id-of-{name}", "ipvlan", "lan", subnets=subnets, **fields)

    @pytest.mark.parametrize("mode", ["l3", "l3s"])
    def test_in_mode_l3_there_is_no_gateway(self, mode: str) -> None:
        def work(bench: Bench) -> None:
            network = bench.network(options={"ipvlan_mode": mode})
            box, _ = bench.join(network, 5)
            other, _ = bench.join(network, 6)
            assert box.defaults() == [("", "eth0"), ("", "eth0")]
            assert reaches(box, other, "10.78.0.6")

        self.on(work)

    def test_a_mac_address_is_refused(self) -> None:
        def work(bench: Bench) -> None:
            with pytest.raises(InvalidInput, match=r"02:00:00:00:00:2a cannot be.*driver macvlan"):
                bench.join(bench.network(), 5, mac="02:00:00:00:00:2a")

        self.on(work)

    def test_a_kernel_lacks_it_or_makes_it(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            before = bench.lab.seen()
            try:
                bench.join(network, 5)
            except Unsupported as error:
                assert "modprobe ipvlan" in str(error) and "\n" not in str(error)
                assert bench.lab.seen() == before

        self.on(work)
