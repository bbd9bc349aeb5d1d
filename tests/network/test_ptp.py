"""The driver `ptp`: what every driver does, and what only a cable to the host has."""

from __future__ import annotations

from typing import Any

import pytest

from ringfence.errors import Conflict, InvalidInput
from ringfence.network.ptp import Ptp
from ringfence.network.values import Network, Subnet
from tests.network.suite import FOUR, SIX, Bench, Suite


class TestPtp(Suite):
    next_hops = (FOUR.gateway, SIX.gateway)

    def driver(self) -> Ptp:
        return Ptp()

    def network(self, name: str, subnets: list[Subnet], **fields: Any) -> Network:
        return Network(name, f"id-of-{name}", "ptp", "", subnets=subnets, **fields)

    def test_each_cable_has_the_gateways_and_the_host_routes_to_each_container(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            for number in (5, 6):
                box, attachment = bench.join(network, number)
                assert bench.lab.host.addresses(attachment.host_link) == ["10.78.0.1/32", "fd00:78::1/128"]
                index = bench.lab.host.links()[attachment.host_link].index
                ways = [one for one in bench.lab.connection.routes() if (one.link, one.protocol) == (index, 4)]
                assert [(one.destination, one.prefix) for one in ways] == [
                    (f"10.78.0.{number}", 32),
                    (f"fd00:78::{number}", 128),
                ]
                near = {(one.destination, one.prefix, one.gateway) for one in box.routes()}
                assert ("10.78.0.0", 16, "10.78.0.1") in near and ("fd00:78::", 64, "fd00:78::1") in near
                assert ("10.78.0.0", 16, "") not in near

        self.on(work)

    def test_a_subnet_without_a_gateway_is_refused(self) -> None:
        def work(bench: Bench) -> None:
            with pytest.raises(InvalidInput, match=r"10\.78\.0\.0/16 has no gateway"):
                bench.network(Subnet("10.78.0.0/16"))

        self.on(work)

    def test_a_route_by_a_neighbour_is_refused(self) -> None:
        def work(bench: Bench) -> None:
            with pytest.raises(InvalidInput, match=r"route 198\.51\.100\.0/24 by 10\.78\.0\.9"):
                bench.network(routes=[("198.51.100.0/24", "10.78.0.9")])

        self.on(work)

    def test_a_subnet_that_another_link_has_is_refused(self) -> None:
        def work(bench: Bench) -> None:
            bench.lab.connection.new_address(bench.lab.connection.link("lan").index, "10.78.5.1", 24)
            with pytest.raises(Conflict, match=r"10\.78\.0\.0/16 overlaps with 10\.78\.5\.0/24 of lan"):
                bench.network(FOUR, SIX)

        self.on(work)
