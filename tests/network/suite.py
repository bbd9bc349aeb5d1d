"""What every driver does: one suite for all of them, on namespaces that stand for containers and for other hosts.

A driver's own test module derives a class `Test...` from `Suite` and says which driver it is and how its networks look.
"""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import Conflict, InvalidInput, RingfenceError
from ringfence.linux import sysctl
from ringfence.network.values import Attachment, Network, Subnet
from tests.network import lab
from tests.network.lab import BEYOND, BEYOND_SIX, Box, Lab, is_cut_off, reaches

FOUR = Subnet("10.78.0.0/16", "10.78.0.1")
SIX = Subnet("fd00:78::/64", "fd00:78::1")


class Bench:
    """A driver at work in a laboratory: containers are made, joined and left by short words."""

    def __init__(self, suite: Suite, laboratory: Lab) -> None:
        self.lab = laboratory
        self.driver = suite.driver()
        self._suite = suite

    def network(self, *subnets: Subnet, name: str = "net", **fields: Any) -> Network:
        """Opened, dual stack if nothing else is said."""
        made = self._suite.network(name, list(subnets or (FOUR, SIX)), **fields)
        self._suite.prepare(self.lab, made)
        self.driver.open(made)
        return made

    def join(self, network: Network, number: int, box: Box | None = None, **fields: Any) -> tuple[Box, Attachment]:
        """A container with the addresses of that number in the network's subnets."""
        box = box or self.lab.box()
        attachment = self.attachment(network, number, **fields)
        self.driver.connect(network, attachment, box.namespace)
        return box, attachment

    def attachment(self, network: Network, number: int, **fields: Any) -> Attachment:
        fields.setdefault("addresses", [address_of(subnet, number) for subnet in network.subnets])
        return Attachment(network.name, f"{number:064x}", fields.pop("interface", "eth0"), **fields)


def address_of(subnet: Subnet, number: int) -> str:
    start = subnet.cidr.partition("/")[0]
    head = start if subnet.ipv6 else start.rsplit(".", 1)[0] + "."
    return f"{head}{number:x}/{subnet.prefix}" if subnet.ipv6 else f"{head}{number}/{subnet.prefix}"


def churn(bench: Bench, network: Network, boxes: list[tuple[Box, Attachment]]) -> None:
    """Until somebody ends it."""
    while True:
        bench.driver.open(network)
        for box, attachment in boxes:
            bench.driver.connect(network, attachment, box.namespace)
        for box, attachment in boxes:
            bench.driver.disconnect(network, attachment, box.namespace)
        bench.driver.close(network)


def fork(work: Callable[[], None]) -> int:
    """A child process that exits with 1 if `work` fails."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def bare(address: str) -> str:
    return address.partition("/")[0]


class Suite:
    """`kind` is the link's in a container. `own_mac`: it can have a MAC address of its own."""

    kind = "veth"
    own_mac = True
    near_gateway = True
    """Whether a container's subnet is directly on its link, so that the default route names the gateway."""

    next_hops = ("10.78.0.9", "fd00:78::9")
    """Gateways of static routes."""

    def driver(self) -> Any:
        raise NotImplementedError

    def network(self, name: str, subnets: list[Subnet], **fields: Any) -> Network:
        raise NotImplementedError

    def prepare(self, laboratory: Lab, network: Network) -> None:
        """What an administrator has made for such a network beforehand."""

    def gateway(self, laboratory: Lab) -> Box:
        """Where the gateway's address is."""
        return laboratory.host

    def on(self, work: Callable[[Bench], None]) -> None:
        lab.run(lambda laboratory: work(Bench(self, laboratory)))

    def test_a_container_has_the_link_addresses_and_gateways_it_was_given(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            box, attachment = bench.join(network, 5)
            links = box.links()
            assert sorted(links) == ["eth0", "lo"]
            assert links["eth0"].up and links["lo"].up
            assert (links["eth0"].kind, links["eth0"].mac) == (self.kind, attachment.mac)
            if self.own_mac:
                assert attachment.mac == "02:42:0a:4e:00:05"
            assert [bare(one) for one in box.addresses("eth0")] == ["10.78.0.5", "fd00:78::5"]
            if self.near_gateway:
                assert box.defaults() == [("10.78.0.1", "eth0"), ("fd00:78::1", "eth0")]
            assert bool(attachment.host_link) == (attachment.host_link in bench.lab.host.links())

        self.on(work)

    def test_it_reaches_its_gateway_and_what_is_beyond_in_both_families(self) -> None:
        def work(bench: Bench) -> None:
            box, _ = bench.join(bench.network(), 5)
            for address, own in (("10.78.0.1", "10.78.0.5"), ("fd00:78::1", "fd00:78::5")):
                assert reaches(box, self.gateway(bench.lab), address) == own
            for address, own in ((BEYOND, "10.78.0.5"), (BEYOND_SIX, "fd00:78::5")):
                assert reaches(box, bench.lab.beyond, address) == own
                assert reaches(bench.lab.beyond, box, own)

        self.on(work)

    def test_neighbours_reach_each_other(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            boxes = {number: bench.join(network, number)[0] for number in (5, 6, 7)}
            for caller, server in ((5, 6), (6, 7), (7, 5)):
                assert reaches(boxes[caller], boxes[server], f"10.78.0.{server}") == f"10.78.0.{caller}"
                assert reaches(boxes[caller], boxes[server], f"fd00:78::{server}") == f"fd00:78::{caller}"

        self.on(work)

    def test_the_first_packet_arrives(self) -> None:
        """One that is lost, because the kernel has not noticed a carrier yet, is sent again after a second only."""

        def work(bench: Bench) -> None:
            for turn in range(8):
                network = bench.network()
                box, attachment = bench.join(network, 5)
                started = time.monotonic()
                if turn < 4:
                    reaches(box, self.gateway(bench.lab), network.subnets[turn % 2].gateway)
                else:
                    reaches(bench.lab.beyond, box, bare(attachment.addresses[turn % 2]))
                assert time.monotonic() - started < 0.9
                bench.driver.disconnect(network, attachment, box.namespace)
                bench.driver.close(network)

        self.on(work)

    def test_an_internal_network_has_no_way_out(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network(internal=True)
            box, _ = bench.join(network, 5)
            other, _ = bench.join(network, 6)
            assert box.defaults() == []
            assert reaches(box, other, "10.78.0.6") and reaches(box, other, "fd00:78::6")
            assert is_cut_off(box, bench.lab.beyond, BEYOND) and is_cut_off(box, bench.lab.beyond, BEYOND_SIX)

        self.on(work)

    def test_interfaces_have_the_names_and_the_order_of_their_connecting(self) -> None:
        def work(bench: Bench) -> None:
            networks = [
                bench.network(Subnet(f"10.{80 + n}.0.0/24", f"10.{80 + n}.0.1"), name=f"net{n}") for n in range(3)
            ]
            box = bench.lab.box()
            for network, interface in zip(networks, ("n3", "sig", "eth0"), strict=True):
                bench.join(network, 5, box, interface=interface, default=interface == "sig")
            links = sorted(box.links().values(), key=lambda link: link.index)
            assert [link.name for link in links] == ["lo", "n3", "sig", "eth0"]
            assert [(interface) for _, interface in box.defaults()] == ["sig"]
            assert [box.addresses(name)[0].partition("/")[0] for name in ("n3", "sig", "eth0")] == [
                "10.80.0.5",
                "10.81.0.5",
                "10.82.0.5",
            ]

        self.on(work)

    def test_the_mtu_is_the_networks(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network(mtu=1300)
            for number in (5, 6):
                box, attachment = bench.join(network, number)
                assert box.links()["eth0"].mtu == 1300
                if attachment.host_link:
                    assert bench.lab.host.links()[attachment.host_link].mtu == 1300
                bench.driver.disconnect(network, attachment, box.namespace)

        self.on(work)

    def test_a_mac_address_that_is_asked_for_is_given(self) -> None:
        if not self.own_mac:
            pytest.skip("this driver's links have the MAC address of their parent")

        def work(bench: Bench) -> None:
            network = bench.network()
            box, attachment = bench.join(network, 5, mac="02:00:00:00:00:2a")
            assert box.links()["eth0"].mac == attachment.mac == "02:00:00:00:00:2a"
            six = bench.network(Subnet("fd00:79::/64", "fd00:79::1"), name="six")
            first, second = (bench.join(six, number, interface="e1")[1].mac for number in (5, 6))
            assert first != second and first.startswith("02:42:")

        self.on(work)

    def test_a_network_without_ipv6_leaves_none_but_los(self) -> None:
        def work(bench: Bench) -> None:
            box, _ = bench.join(bench.network(FOUR), 5)
            with box.network() as connection:
                six = [one.address for one in connection.addresses() if ":" in one.address]
            assert six == ["::1"]
            assert reaches(box, box, "::1") == "::1"

        self.on(work)

    def test_no_neighbour_can_make_itself_a_router(self) -> None:
        """CVE-2020-13401."""

        def work(bench: Bench) -> None:
            box, _ = bench.join(bench.network(), 5)
            assert box.do(lambda: sysctl.read("net", "ipv6", "conf", "eth0", "accept_ra")) == "0"

        self.on(work)

    def test_static_routes_are_there(self) -> None:
        def work(bench: Bench) -> None:
            destinations = "198.51.100.0/24", "2001:db8:5::/48"
            network = bench.network(routes=list(zip(destinations, self.next_hops, strict=True)))
            box, _ = bench.join(network, 5, default=False)
            found = {(route.destination, route.prefix, route.gateway) for route in box.routes()}
            assert ("198.51.100.0", 24, self.next_hops[0]) in found
            assert ("2001:db8:5::", 48, self.next_hops[1]) in found
            assert box.defaults() == []

        self.on(work)

    def test_who_left_comes_back_with_another_address(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            other, _ = bench.join(network, 6)
            box, attachment = bench.join(network, 5)
            assert reaches(other, box, "10.78.0.5")
            bench.driver.disconnect(network, attachment, box.namespace)
            assert sorted(box.links()) == ["lo"]
            assert is_cut_off(other, box, "10.78.0.5")
            attachment.addresses = ["10.78.0.50/16", "fd00:78::50/64"]
            bench.driver.connect(network, attachment, box.namespace)
            assert reaches(other, box, "10.78.0.50") and reaches(other, box, "fd00:78::50")

        self.on(work)

    def test_an_address_goes_from_one_container_to_another(self) -> None:
        """Who has spoken with the first finds the second, though it has a MAC address of its own choice."""
        if not self.own_mac:
            pytest.skip("this driver's links have the MAC address of their parent")

        def work(bench: Bench) -> None:
            network = bench.network()
            other, _ = bench.join(network, 6)
            box, attachment = bench.join(network, 5)
            for caller in (other, self.gateway(bench.lab)):
                assert reaches(caller, box, "10.78.0.5") and reaches(caller, box, "fd00:78::5")
            bench.driver.disconnect(network, attachment, box.namespace)
            again, _ = bench.join(network, 5, mac="02:00:00:00:00:2a")
            for caller in (other, self.gateway(bench.lab)):
                for address in ("10.78.0.5", "fd00:78::5"):
                    assert reaches(caller, again, address, timeout=0.9)

        self.on(work)

    def test_everything_may_be_asked_again(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            box, attachment = bench.join(network, 5)
            before, inside = bench.lab.seen(), box.links()["eth0"].index
            for _ in range(3):
                bench.driver.open(network)
                bench.driver.connect(network, attachment, box.namespace)
            assert bench.lab.seen() == before
            assert box.links()["eth0"].index == inside
            assert reaches(box, self.gateway(bench.lab), "10.78.0.1")
            for _ in range(2):
                bench.driver.disconnect(network, attachment, box.namespace)
            for _ in range(2):
                bench.driver.close(network)

        self.on(work)

    def test_nothing_is_left_of_it(self) -> None:
        def work(bench: Bench) -> None:
            network = self.network("net", [FOUR, SIX])
            self.prepare(bench.lab, network)
            before = bench.lab.seen()
            for _ in range(3):
                bench.driver.open(network)
                joined = [bench.join(network, number) for number in (5, 6, 7)]
                for box, attachment in joined:
                    bench.driver.disconnect(network, attachment, box.namespace)
                bench.driver.close(network)
                assert bench.lab.seen() == before

        self.on(work)

    def test_a_container_that_has_gone_is_left_by_its_name_alone(self) -> None:
        def work(bench: Bench) -> None:
            network = self.network("net", [FOUR, SIX])
            self.prepare(bench.lab, network)
            before = bench.lab.seen()
            bench.driver.open(network)
            box, attachment = bench.join(network, 5)
            box.close()
            bench.driver.disconnect(network, attachment, None)
            bench.join(network, 5)  # started again at once
            bench.lab.boxes[-1].close()
            bench.driver.disconnect(network, Attachment.from_json(attachment.to_json()), None)
            bench.driver.close(network)
            bench.lab.becomes(before)
            bench.driver.disconnect(network, attachment, None)

        self.on(work)

    def test_kill_9_at_any_instant_leaves_nothing_that_the_next_call_does_not_clear(self) -> None:
        def work(bench: Bench) -> None:
            network = self.network("net", [FOUR, SIX])
            self.prepare(bench.lab, network)
            before = bench.lab.seen()
            boxes = [(bench.lab.box(), bench.attachment(network, number)) for number in (5, 6)]
            for _ in range(30):
                victim = fork(lambda: churn(bench, network, boxes))
                time.sleep(random.uniform(0, 0.03))
                os.kill(victim, signal.SIGKILL)
                os.waitpid(victim, 0)
                if random.random() < 0.5:
                    bench.driver.open(network)
                    for box, attachment in boxes:
                        bench.driver.connect(network, attachment, box.namespace)
                    assert reaches(boxes[0][0], boxes[1][0], "10.78.0.6")
                for box, attachment in boxes:
                    bench.driver.disconnect(network, attachment, box.namespace)
                    assert sorted(box.links()) == ["lo"]
                bench.driver.close(network)
                assert bench.lab.seen() == before

        self.on(work)

    def test_100_containers_are_joined_8_at_a_time(self) -> None:
        """Not all reach all here: the kernel keeps 1024 neighbours for all namespaces together (gc_thresh3, arp(7))."""

        def work(bench: Bench) -> None:
            network = self.network("net", [FOUR, SIX])
            self.prepare(bench.lab, network)
            before = bench.lab.seen()
            boxes = {number: bench.lab.box() for number in range(2, 102)}

            def some(first: int) -> None:
                for number in range(2 + first, 102, 8):
                    bench.driver.open(network)
                    bench.join(network, number, boxes[number])

            workers = [fork(lambda first=first: some(first)) for first in range(8)]  # type: ignore[misc]
            assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers] == [0] * 8
            addresses = [bare(address) for box in boxes.values() for address in box.addresses("eth0")]
            assert len(set(addresses)) == 200
            for number, box in boxes.items():
                after = 2 + (number - 1) % 100
                assert reaches(box, boxes[after], f"10.78.0.{after}") == f"10.78.0.{number}"
                assert reaches(box, self.gateway(bench.lab), "fd00:78::1") == f"fd00:78::{number:x}"
            for number, box in boxes.items():
                box.close()
                bench.driver.disconnect(network, bench.attachment(network, number), None)
            bench.driver.close(network)
            bench.lab.becomes(before)

        self.on(work)

    def test_a_name_that_is_taken_inside_is_refused_and_nothing_left(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            box = bench.lab.box()
            with box.network() as inside:
                inside.new_link("eth0", "bridge")
            before = bench.lab.seen()
            with pytest.raises(Conflict, match="eth0"):
                bench.join(network, 5, box)
            assert bench.lab.seen() == before
            assert box.links()["eth0"].kind == "bridge"

        self.on(work)

    def test_a_failure_inside_undoes_the_link(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            network.routes = [("198.51.100.0/24", "203.0.113.77")]  # by a gateway that nobody can reach
            before = bench.lab.seen()
            box = bench.lab.box()
            with pytest.raises(RingfenceError, match=r"198\.51\.100\.0/24"):
                bench.join(network, 5, box, default=False)
            assert bench.lab.seen() == before
            assert sorted(box.links()) == ["lo"]

        self.on(work)

    @pytest.mark.parametrize(
        ("fields", "word"),
        [
            ({"interface": "a-name-of-16-byt"}, "a-name-of-16-byt"),
            ({"interface": "a/b"}, "a/b"),
            ({"mac": "01:00:5e:00:00:01"}, "01:00:5e:00:00:01"),
            ({"mac": "nonsense"}, "nonsense"),
        ],
    )
    def test_an_attachment_that_cannot_be_is_refused_in_one_line(self, fields: dict[str, Any], word: str) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            before = bench.lab.seen()
            with pytest.raises(InvalidInput, match=word) as caught:
                bench.join(network, 5, **fields)
            assert "\n" not in str(caught.value)
            assert bench.lab.seen() == before

        self.on(work)

    @pytest.mark.parametrize(
        ("fields", "word"),
        [
            ({"options": {"nonsense": "1"}}, "nonsense"),
            ({"mtu": 60}, "60"),
            ({"mtu": 1279}, "1280"),
            ({"mtu": 1 << 20}, "1048576"),
        ],
    )
    def test_a_network_that_cannot_be_is_refused_in_one_line(self, fields: dict[str, Any], word: str) -> None:
        def work(bench: Bench) -> None:
            network = self.network("net", [FOUR, SIX], **fields)
            self.prepare(bench.lab, network)
            before = bench.lab.seen()
            with pytest.raises(InvalidInput, match=word) as caught:
                bench.driver.open(network)
            assert "\n" not in str(caught.value) and "net" in str(caught.value)
            assert bench.lab.seen() == before

        self.on(work)

    def test_no_descriptor_stays_open(self) -> None:
        def work(bench: Bench) -> None:
            network = bench.network()
            box, attachment = bench.join(network, 5)
            before = os.listdir("/proc/self/fd")
            for _ in range(3):
                bench.driver.connect(network, attachment, box.namespace)
            bench.driver.disconnect(network, attachment, box.namespace)
            assert os.listdir("/proc/self/fd") == before
            assert not Path("/proc/self/task").exists() or len(os.listdir("/proc/self/task")) <= 2

        self.on(work)
