"""Links, addresses and routes of private networks: made by us and read by pyroute2, and the other way round."""

from __future__ import annotations

import errno
import socket
import struct
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux import namespaces, rtaddress, rtlink, rtnetlink, rtroute
from ringfence.linux.namespaces import Clone
from ringfence.linux.netlink import Message
from ringfence.linux.rtnetlink import RouteConnection
from tests import needs
from tests.linux import child


def in_network(work: Callable[[RouteConnection], None]) -> None:
    """Do `work` in a child with an empty network."""
    needs.root()

    def connected() -> None:
        with RouteConnection() as connection:
            work(connection)

    child.run(connected, Clone.NEWNET)


def oracle() -> Any:
    from pyroute2 import IPRoute  # type: ignore[import-untyped]

    return IPRoute()


def test_a_new_namespace_has_lo_and_it_is_down() -> None:
    def work(network: RouteConnection) -> None:
        [lo] = network.links()
        assert (lo.name, lo.index, lo.up, lo.mac, lo.kind, lo.master) == ("lo", 1, False, "00:00:00:00:00:00", "", 0)
        network.set_up(lo.index)
        assert network.link("lo").up
        assert [(found.address, found.prefix) for found in network.addresses(1)] == [("127.0.0.1", 8), ("::1", 128)]
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
        network.set_up(lo.index, False)
        assert not network.link("lo").up

    in_network(work)


def test_what_we_make_pyroute2_sees() -> None:
    def work(network: RouteConnection) -> None:
        network.new_link("br0", "bridge", mtu=1400)
        network.new_veth("left", "right", mtu=1300)
        bridge, left = network.link("br0"), network.link("left")
        network.set_master(left.index, bridge.index)
        network.new_address(bridge.index, "10.78.0.1", 24)
        network.new_address(bridge.index, "fd00::1", 64)
        for link in (bridge, left, network.link("right")):
            network.set_up(link.index)
        network.new_route("0.0.0.0", 0, gateway="10.78.0.254")
        network.new_route("192.0.2.0", 24, link=bridge.index, source="10.78.0.1")
        network.new_route("2001:db8::", 32, gateway="fd00::fe")
        with oracle() as ip:
            seen = {link.get("ifname"): link for link in ip.get_links()}
            assert seen["br0"].get(("linkinfo", "kind")) == "bridge"
            assert seen["left"].get(("linkinfo", "kind")) == "veth"
            assert (seen["left"].get("master"), seen["left"].get("mtu")) == (bridge.index, 1300)
            assert seen["br0"].get("mtu") == 1300, "a bridge takes the least of its ports"
            given = {(a.get("address"), a["prefixlen"]) for a in ip.get_addr(index=bridge.index) if a["scope"] == 0}
            assert given == {("10.78.0.1", 24), ("fd00::1", 64)}
            [default] = ip.get_default_routes(family=socket.AF_INET)
            assert default.get("gateway") == "10.78.0.254"
            [six] = [r for r in ip.get_routes(family=socket.AF_INET6) if r.get("dst") == "2001:db8::"]
            assert (six["dst_len"], six.get("gateway")) == (32, "fd00::fe")

    in_network(work)


def test_what_pyroute2_makes_we_see() -> None:
    def work(network: RouteConnection) -> None:
        with oracle() as ip:
            ip.link("add", ifname="v0", kind="veth", peer="v1", address="02:00:00:00:00:05")
            index = ip.link_lookup(ifname="v0")[0]
            for name in ("v0", "v1"):
                ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up")
            ip.addr("add", index=index, address="10.1.2.3", prefixlen=16)
            ip.addr("add", index=index, address="10.9.9.9", prefixlen=32, valid=3600, preferred=3600)
            ip.route("add", dst="172.16.0.0/12", gateway="10.1.0.1", priority=7)
            ip.route("add", dst="172.32.0.0/12", gateway="10.1.0.1", table=1000)
        link = network.link("v0")
        assert (link.index, link.kind, link.up, link.mac) == (index, "veth", True, "02:00:00:00:00:05")
        addresses = {found.address: found for found in network.addresses(index)}
        assert (addresses["10.1.2.3"].prefix, addresses["10.1.2.3"].scope) == (16, 0)
        assert addresses["10.1.2.3"].flags & rtaddress.PERMANENT
        assert not addresses["10.9.9.9"].flags & rtaddress.PERMANENT
        [route] = [route for route in network.routes() if route.destination == "172.16.0.0"]
        assert (route.prefix, route.gateway, route.link, route.priority) == (12, "10.1.0.1", index, 7)
        [elsewhere] = network.routes(table=1000)
        assert (elsewhere.destination, elsewhere.table) == ("172.32.0.0", 1000)

    in_network(work)


def test_what_was_made_is_removed() -> None:
    def work(network: RouteConnection) -> None:
        network.set_up(1)
        network.new_address(1, "10.0.0.1", 32)
        network.new_route("198.51.100.0", 24, link=1)
        network.delete_route("198.51.100.0", 24, link=1)
        network.delete_address(1, "10.0.0.1", 32)
        assert "198.51.100.0" not in [route.destination for route in network.routes()]
        assert "10.0.0.1" not in [found.address for found in network.addresses()]
        network.new_link("br0", "bridge")
        network.delete_link(network.link("br0").index)
        assert [link.name for link in network.links()] == ["lo"]

    in_network(work)


def test_a_link_is_moved_and_renamed_on_the_way() -> None:
    def work(network: RouteConnection) -> None:
        with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as other:
            try:
                until_unshared(other.pid)
                with namespaces.open(other.pid, "network") as there:
                    network.new_veth("a", "b")
                    network.move_link(network.link("a").index, there, "eth0")
                    network.new_veth("c", "eth%d", peer_namespace=there)
                    with RouteConnection(there) as moved:
                        assert sorted(link.name for link in moved.links()) == ["eth0", "eth1", "lo"]
                        assert not moved.link("eth0").up
                    with pytest.raises(FileExistsError):
                        network.move_link(network.link("b").index, there, "eth0")
                assert sorted(link.name for link in network.links()) == ["b", "c", "lo"]
            finally:
                other.kill()

    in_network(work)


def until_unshared(pid: int) -> None:
    while namespaces.same_as_host(pid)["network"]:
        pass


def test_several_requests_at_once_are_done_in_their_order_whatever_becomes_of_each() -> None:
    def work(network: RouteConnection) -> None:
        outcome = network.request_all(
            [
                rtlink.new("br0", "bridge", mac="02:00:00:00:00:07", up=True, data=rtlink.bridge()),
                rtlink.new("br0", "bridge"),
                rtlink.new("a", "veth", index=77, mac="02:00:00:00:00:08",
                           data=rtlink.veth("b", mac="02:00:00:00:00:09")),
                rtaddress.new(77, "10.0.0.1", 24),
                rtaddress.new(77, "10.0.0.1", 24, keep=True),
                rtlink.change("a", up=True, alias="of a test"),
                rtlink.change("b", up=True),
            ]
        )  # fmt: skip
        assert [error and error.errno for error in outcome] == [None, errno.EEXIST, *[None] * 5]
        links = {link.name: link for link in network.links()}
        assert (links["br0"].up, links["br0"].mac) == (True, "02:00:00:00:00:07")
        assert (links["a"].index, links["a"].mac, links["a"].alias) == (77, "02:00:00:00:00:08", "of a test")
        assert (links["b"].mac, links["b"].peer, links["a"].peer) == ("02:00:00:00:00:09", 77, links["b"].index)
        assert [one.address for one in network.addresses(77) if one.scope == 0] == ["10.0.0.1"]
        assert network.request_all([]) == []

    in_network(work)


def test_a_port_of_a_bridge_sends_back_is_isolated_and_makes_no_address_by_itself() -> None:
    def work(network: RouteConnection) -> None:
        network.new_link("br0", "bridge")
        bridge = network.link("br0").index
        made = network.request_all(
            [
                rtlink.new("a", "veth", master=bridge, data=rtlink.veth("b")),
                rtlink.port("a", hairpin=True, isolated=True),
                rtlink.without_link_local("a"),
                rtlink.change("a", up=True),
            ]
        )
        assert made == [None] * 4
        with oracle() as ip:
            [seen] = ip.get_links(ifname="a")
            assert seen.get(("linkinfo", "slave_data", "mode")) == 1
            flags = dict(seen.get(("linkinfo", "slave_data"))["attrs"])
            assert flags["IFLA_BRPORT_ISOLATED"] == 1
        assert [one.address for one in network.addresses(network.link("a").index)] == []

    in_network(work)


def test_what_passes_a_link_is_counted() -> None:
    def work(network: RouteConnection) -> None:
        network.set_up(1)
        before = network.link("lo").statistics
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(5):
                sender.sendto(bytes(100), ("127.0.0.1", 9))
        after = network.link("lo").statistics
        # Each is answered by an ICMP error, the number of which the kernel limits.
        assert 5 <= after.tx_packets - before.tx_packets <= 10
        assert after.rx_bytes - before.rx_bytes >= 5 * 128
        assert (after.rx_errors, after.tx_errors, after.tx_dropped) == (0, 0, 0)
        with oracle() as ip:
            [lo] = ip.get_links(1)
            theirs = lo.get("stats64")
        for name in rtlink.Statistics.__slots__:
            assert getattr(after, name) == theirs[name], name

    in_network(work)


def test_a_macvlan_is_made_in_another_namespace_with_its_parent_here() -> None:
    def work(network: RouteConnection) -> None:
        with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as other:
            try:
                until_unshared(other.pid)
                network.new_veth("parent", "far")
                with namespaces.open(other.pid, "network") as there:
                    parent = network.link("parent").index
                    network.send(
                        rtlink.new("eth0", "macvlan", parent=parent, namespace=there, mac="02:00:00:00:00:0a",
                                   mtu=1300, data=rtlink.macvlan("bridge"))
                    )  # fmt: skip
                    with RouteConnection(there) as inside:
                        made = inside.link("eth0")
                assert (made.kind, made.peer, made.mac, made.mtu) == ("macvlan", parent, "02:00:00:00:00:0a", 1300)
                assert made.macvlan_mode == rtlink.MACVLAN_MODES["bridge"]
            finally:
                other.kill()

    in_network(work)


def test_a_link_is_renamed_and_routes_have_metrics_and_types() -> None:
    def work(network: RouteConnection) -> None:
        network.new_veth("a", "b")
        network.send(rtlink.change(network.link("a").index, name="eth7"))
        eth7 = network.link("eth7").index
        network.new_address(eth7, "10.5.0.1", 32)
        for name in ("eth7", "b"):
            network.set_up(network.link(name).index)
        made = network.request_all(
            [
                rtroute.new("0.0.0.0", 0, gateway="10.78.0.1", link=eth7, onlink=True, metric=50),
                rtroute.new("::", 0, gateway="fe80::1", link=eth7, metric=60),
                rtroute.new("192.0.2.0", 24, type="unreachable"),
                rtroute.new("192.0.2.0", 24, type="unreachable", keep=True),
            ]
        )
        assert made == [None] * 4
        seen = {(route.destination, route.family): route for route in network.routes()}
        assert (seen["", socket.AF_INET].gateway, seen["", socket.AF_INET].priority) == ("10.78.0.1", 50)
        assert (seen["", socket.AF_INET6].gateway, seen["", socket.AF_INET6].priority) == ("fe80::1", 60)
        assert seen["192.0.2.0", socket.AF_INET].type == rtroute.TYPES["unreachable"]

    in_network(work)


def test_errors_are_the_kernels() -> None:
    def work(network: RouteConnection) -> None:
        network.new_link("br0", "bridge")
        for attempt, number in (
            (lambda: network.link("nosuch"), errno.ENODEV),
            (lambda: network.new_link("br0", "bridge"), errno.EEXIST),
            (lambda: network.new_link("x0", "nosuchkind"), errno.EOPNOTSUPP),
            (lambda: network.delete_link(999), errno.ENODEV),
            (lambda: network.new_link("a-name-of-16-by", "bridge"), 0),
            (lambda: network.new_link("a-name-of-16-byt", "bridge"), errno.EINVAL),
            (lambda: network.new_link("", "bridge"), errno.EINVAL),
            (lambda: network.new_address(1, "10.0.0", 8), errno.EINVAL),
            (lambda: network.new_route("192.0.2.0", 24, gateway="203.0.113.1"), errno.ENETUNREACH),
        ):
            if number == 0:
                attempt()
                continue
            with pytest.raises(OSError) as caught:
                attempt()
            assert caught.value.errno == number

    in_network(work)


def test_a_thousand_addresses_are_listed_whole() -> None:
    def work(network: RouteConnection) -> None:
        for number in range(1000):
            network.new_address(1, f"10.0.{number // 250}.{number % 250}", 32)
        assert len(network.addresses()) == 1000

    in_network(work)


@given(st.binary(max_size=60))
def test_any_payload_is_an_object_or_refused(payload: bytes) -> None:
    # Invariant: a Link, Address or Route, or OSError EBADMSG.
    heads = (struct.pack("=BxHiII", 0, 1, 1, 0, 0), struct.pack("=BBBBi", 2, 8, 0, 0, 1), struct.pack("=8BI", *[2] * 9))
    kinds: tuple[Any, ...] = (rtlink.Link, rtaddress.Address, rtroute.Route)
    for kind, head in zip(kinds, heads, strict=True):
        for candidate in (payload, head + payload):
            try:
                [read] = rtnetlink.objects(kind, [Message(0, 0, candidate)])
                if kind is rtlink.Link:
                    _ = read.statistics, read.vlan, read.macvlan_mode, read.ipvlan_mode, read.up
            except OSError as error:
                assert error.errno == errno.EBADMSG
