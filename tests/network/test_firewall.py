"""Published ports and isolation, as clients in other namespaces find them; nft(8) sees that nothing is left."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from ringfence.errors import Conflict
from ringfence.network.firewall import Firewall
from ringfence.network.ports import reserve
from ringfence.network.values import Network, Port
from tests import needs
from tests.network.hosts import DB, HERE, OUTSIDE, WEB, Machine, Server, ask, on_machine, seen

FIREWALL = Firewall("ringfence-test")


def test_a_port_is_reached_from_other_hosts_and_from_this_one_by_its_addresses() -> None:
    def work(machine: Machine) -> None:
        web = machine.container(WEB)
        before = seen()
        FIREWALL.open_network(WEB)
        ports = [Port(80, 8080), Port(53, 5353, protocol="udp")]
        FIREWALL.publish("web", ports, web.addresses)
        for inside, host, protocol in ((80, 8080, "tcp"), (53, 5353, "udp")):
            web.serve(inside, protocol)
            for family, here in HERE.items():
                caller = OUTSIDE[family]
                assert machine.outside.ask(here, host, protocol) == f"{web.name} {caller}"
                assert ask(here, host, protocol) == f"{web.name} {here}"
        for gateway in ("10.78.0.1", "fd00:78::1"):
            assert machine.outside.ask(gateway, 8080) == f"{web.name} {OUTSIDE[6 if ':' in gateway else 4]}"
        assert machine.outside.ask(HERE[4], 8081) == "refused"

        FIREWALL.unpublish("web", ports, web.addresses)
        assert machine.outside.ask(HERE[4], 8080) == ask(HERE[6], 8080) == "refused"
        FIREWALL.close_network(WEB)
        assert seen() == before

    on_machine(work)


def test_a_port_of_sctp_is_reached_where_the_kernel_knows_it() -> None:
    needs.sctp()

    def work(machine: Machine) -> None:
        web, stranger = machine.container(WEB, 4), machine.container(DB, 4)
        for network in (WEB, DB):
            FIREWALL.open_network(network)
        web.serve(3868, "sctp")
        with reserve([Port(3868, 3868, protocol="sctp")])[0] as reserved:
            FIREWALL.publish("web", [reserved.port], web.addresses)
            with pytest.raises(Conflict, match="port 3868/sctp is in use"):
                reserve([Port(3868, 3868, protocol="sctp")])
            assert machine.outside.ask(HERE[4], 3868, "sctp") == f"{web.name} {OUTSIDE[4]}"
            assert stranger.ask(HERE[4], 3868, "sctp").startswith(f"{web.name} ")
            assert ask(HERE[4], 3868, "sctp").startswith(f"{web.name} ")
            FIREWALL.unpublish("web", [reserved.port], web.addresses)

    on_machine(work)


def test_this_machine_speaks_with_itself_by_a_gateways_address_as_by_any_other() -> None:
    def work(_machine: Machine) -> None:
        FIREWALL.open_network(WEB)
        for gateway in ("10.78.0.1", "fd00:78::1"):
            server = Server("here", gateway, 5353, "udp")
            assert ask(gateway, 5353, "udp") == f"here {gateway}"
            server.close()

    on_machine(work)


BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


@pytest.mark.parametrize("bridged", [True, False], ids=["br_netfilter", "bridge alone"])
def test_a_port_is_reached_from_containers_of_the_same_network_of_another_and_from_its_own(bridged: bool) -> None:
    def work(machine: Machine) -> None:
        if BRIDGED.exists():
            for file in (BRIDGED, BRIDGED.with_name("bridge-nf-call-ip6tables")):
                file.write_text(str(int(bridged)))
        web, neighbour, stranger = machine.container(WEB), machine.container(WEB), machine.container(DB)
        for network in (WEB, DB):
            FIREWALL.open_network(network)
        FIREWALL.publish("web", [Port(80, 8080), Port(53, 5353, protocol="udp")], web.addresses)
        web.serve(80)
        web.serve(53, "udp")
        for port, protocol in ((8080, "tcp"), (5353, "udp")):
            for here in (*HERE.values(), "10.78.0.1", "fd00:78::1"):
                for caller in (web, neighbour, stranger):
                    assert caller.ask(here, port, protocol).startswith(f"{web.name} "), (caller.name, here, protocol)

    on_machine(work)


def test_a_client_of_udp_that_goes_on_sending_finds_who_has_the_port_now() -> None:
    def work(machine: Machine) -> None:
        first, second = machine.container(WEB), machine.container(WEB)
        FIREWALL.open_network(WEB)
        for space in (first, second):
            space.serve(53, "udp")
        ports = [Port(53, 5353, protocol="udp")]
        for family, here in ((socket.AF_INET, HERE[4]), (socket.AF_INET6, HERE[6])):
            make = functools.partial(socket.socket, family, socket.SOCK_DGRAM)
            with machine.outside.do(make) as client:
                client.settimeout(2)
                client.connect((here, 5353))
                for space, way in ((first, "unpublish"), (second, "replace"), (first, "rebuild"), (second, "")):
                    FIREWALL.publish(space.name, ports, space.addresses)
                    client.send(b"?")
                    assert client.recv(100).decode().startswith(f"{space.name} "), (family, way)
                    if way == "unpublish":
                        FIREWALL.unpublish(space.name, ports, space.addresses)
                    elif way == "rebuild":
                        assert FIREWALL.rebuild([WEB], []) == [space.name]

    on_machine(work)


def test_networks_are_isolated_from_each_other_and_from_outside_but_for_published_ports() -> None:
    def work(machine: Machine) -> None:
        web, db = machine.container(WEB), machine.container(DB)
        neighbour = machine.container(DB)
        for network in (WEB, DB):
            FIREWALL.open_network(network)
        for space in (web, db):
            space.serve(80)
        machine.outside.serve(80)
        for family in (0, 1):
            assert neighbour.ask(db.addresses[family], 80).startswith(f"{db.name} ")
            assert web.no_answer(db.addresses[family], 80)
            assert db.no_answer(web.addresses[family], 80)
            assert machine.outside.no_answer(web.addresses[family], 80)
            assert ask(web.addresses[family], 80).startswith(f"{web.name} ")
        assert web.ask(OUTSIDE[4], 80) == f"outside {HERE[4]}"
        assert web.ask(OUTSIDE[6], 80) == f"outside {HERE[6]}"

    on_machine(work)


def test_a_network_may_be_open_to_others_and_its_addresses_known_outside() -> None:
    def work(machine: Machine) -> None:
        web, db = machine.container(WEB), machine.container(DB)
        known = Network.from_json({**DB.to_json(), "options": {"isolate": "false", "masquerade": "false"}})
        FIREWALL.open_network(WEB)
        FIREWALL.open_network(known)
        db.serve(80)
        web.serve(80)
        machine.outside.serve(80)
        assert web.ask(db.addresses[0], 80) == f"{db.name} {web.addresses[0]}"
        assert machine.outside.ask(db.addresses[0], 80) == f"{db.name} {OUTSIDE[4]}"
        assert db.ask(OUTSIDE[6], 80) == f"outside {db.addresses[1]}"
        assert db.no_answer(web.addresses[0], 80)

    on_machine(work)


def test_an_internal_network_has_no_way_in_or_out() -> None:
    def work(machine: Machine) -> None:
        inside, neighbour, web = machine.container(DB), machine.container(DB), machine.container(WEB)
        internal = Network.from_json({**DB.to_json(), "internal": True})
        FIREWALL.open_network(WEB)
        FIREWALL.open_network(internal)
        FIREWALL.publish("web", [Port(80, 8080)], web.addresses)
        for space in (inside, web, machine.outside):
            space.serve(80)
        for family in (0, 1):
            assert neighbour.ask(inside.addresses[family], 80).startswith(f"{inside.name} ")
            assert inside.no_answer(list(OUTSIDE.values())[family], 80)
            assert inside.no_answer(list(HERE.values())[family], 8080)
            assert inside.no_answer(web.addresses[family], 80)
            assert machine.outside.no_answer(inside.addresses[family], 80)

    on_machine(work)


def test_a_port_of_one_address_is_published_there_alone() -> None:
    def work(machine: Machine) -> None:
        web, other = machine.container(WEB), machine.container(WEB)
        FIREWALL.open_network(WEB)
        FIREWALL.publish("web", [Port(80, 8080, HERE[4]), Port(80, 8080, HERE[6])], web.addresses)
        FIREWALL.publish("other", [Port(80, 8080, "10.79.0.1"), Port(80, 9090, "0.0.0.0"), Port(80, 9091, "::")],
                         other.addresses)  # fmt: skip
        web.serve(80)
        other.serve(80)
        assert machine.outside.ask(HERE[4], 8080).startswith(f"{web.name} ")
        assert machine.outside.ask(HERE[6], 8080).startswith(f"{web.name} ")
        assert machine.outside.ask("10.79.0.1", 8080).startswith(f"{other.name} ")
        assert machine.outside.ask("10.78.0.1", 8080) == "refused"
        assert [machine.outside.ask(HERE[family], port) for family, port in ((4, 9090), (6, 9091))] == [
            f"{other.name} {OUTSIDE[4]}", f"{other.name} {OUTSIDE[6]}"]  # fmt: skip
        assert machine.outside.ask(HERE[6], 9090) == machine.outside.ask(HERE[4], 9091) == "refused"

    on_machine(work)


def test_what_is_there_is_told_kept_and_replaced_by_who_has_the_port_now() -> None:
    def work(machine: Machine) -> None:
        assert FIREWALL.open_network(WEB) is True
        assert FIREWALL.open_network(WEB) is False
        ports, addresses = [Port(80, 8080, HERE[4]), Port(53, 53, protocol="udp")], ["10.78.0.2", "fd00:78::2"]
        for _ in range(2):
            assert FIREWALL.publish("first", ports, addresses) is False
        assert sorted(FIREWALL.published(), key=str) == [
            {"container": "first", "protocol": "tcp", "host_ip": HERE[4], "host_port": 8080,
             "address": "10.78.0.2", "container_port": 80},
            {"container": "first", "protocol": "udp", "host_ip": "", "host_port": 53,
             "address": "10.78.0.2", "container_port": 53},
            {"container": "first", "protocol": "udp", "host_ip": "", "host_port": 53,
             "address": "fd00:78::2", "container_port": 53},
        ]  # fmt: skip
        assert FIREWALL.bridges() == ["br-web"]

        FIREWALL.publish("second", [Port(80, 8080, HERE[4])], ["10.78.0.3"])
        for _ in range(2):
            FIREWALL.unpublish("first", ports, addresses)
        assert [one["container"] for one in FIREWALL.published()] == ["second"]
        for _ in range(2):
            FIREWALL.close_network(WEB)

    on_machine(work)


def test_after_a_flush_or_a_crash_it_is_made_anew_and_what_is_stale_is_told() -> None:
    def work(machine: Machine) -> None:
        FIREWALL.open_network(WEB)
        FIREWALL.open_network(DB)
        FIREWALL.publish("gone", [Port(80, 8080)], ["10.78.0.9"])
        FIREWALL.publish("stays", [Port(80, 8081)], ["10.78.0.8"])
        whole = [("stays", [Port(80, 8081)], ["10.78.0.8"]), ("new", [Port(80, 8082)], ["10.78.0.7"])]
        assert FIREWALL.rebuild([WEB], whole) == ["gone"]
        assert sorted(str(one["container"]) for one in FIREWALL.published()) == ["new", "stays"]
        assert FIREWALL.bridges() == ["br-web"]
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        assert FIREWALL.published() == []
        assert FIREWALL.open_network(WEB) is True
        assert FIREWALL.rebuild([WEB], whole) == []
        assert len(FIREWALL.published()) == 2
        assert FIREWALL.rebuild([], []) == ["new", "stays"]
        assert subprocess.check_output(["nft", "list", "ruleset"]) == b""

    on_machine(work)


def test_nobody_elses_rules_are_touched_and_those_that_drop_are_named() -> None:
    def work(machine: Machine) -> None:
        assert FIREWALL.drops_forwarded() == ""
        for words in ("add table ip filter",
                      "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
                      "add table inet other", "add set inet other s { type ipv4_addr; }"):  # fmt: skip
            subprocess.run(["nft", words], check=True)
        before = seen()
        FIREWALL.open_network(WEB)
        other = Firewall("ringfence-other")
        other.open_network(DB)
        assert FIREWALL.drops_forwarded().startswith('the policy of chain FORWARD in nftables\' table "ip filter"')
        FIREWALL.publish("web", [Port(80, 8080)], ["10.78.0.2"])
        FIREWALL.close_network(WEB)
        assert other.bridges() == ["br-db"]
        other.close_network(DB)
        assert seen() == before

    on_machine(work)


def test_many_processes_at_once_lose_nothing_and_leave_nothing() -> None:
    def work(machine: Machine) -> None:
        def come_and_go(number: int) -> None:
            network = WEB if number % 2 else DB
            for _ in range(15):
                FIREWALL.open_network(network)
                ports = [Port(80, 8000 + number)]
                FIREWALL.publish(str(number), ports, [f"10.78.0.{number + 10}"])
                FIREWALL.unpublish(str(number), ports, [f"10.78.0.{number + 10}"])
                if number < 2:
                    FIREWALL.close_network(network)

        _in_processes(8, come_and_go)
        for network in (WEB, DB):
            FIREWALL.close_network(network)
        assert subprocess.check_output(["nft", "list", "ruleset"]) == b""

        FIREWALL.open_network(WEB)
        _in_processes(8, lambda number: [FIREWALL.publish(f"{number}-{one}", [Port(80, 1000 * number + one + 1)],
                                                          ["10.78.0.2"]) for one in range(20)])  # fmt: skip
        assert len(FIREWALL.published()) == 160

    on_machine(work)


def test_a_kill_at_any_instant_leaves_what_can_be_undone() -> None:
    def work(machine: Machine) -> None:
        ports, addresses = [Port(80, 8080), Port(53, 53, HERE[4], "udp")], ["10.78.0.2", "fd00:78::2"]
        for number in range(40):
            pid = os.fork()
            if pid == 0:
                while True:
                    FIREWALL.open_network(WEB)
                    FIREWALL.publish("box", ports, addresses)
                    FIREWALL.unpublish("box", ports, addresses)
                    FIREWALL.close_network(WEB)
            time.sleep(0.02 + number / 4000)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if FIREWALL.bridges():
                assert len(FIREWALL.published()) in (0, 3)  # whole or not at all
            FIREWALL.unpublish("box", ports, addresses)
            FIREWALL.close_network(WEB)
            assert subprocess.check_output(["nft", "list", "ruleset"]) == b""

    on_machine(work)


def test_a_port_among_thousands_is_published_as_quickly_as_a_first_one() -> None:
    def work(machine: Machine) -> None:
        def took() -> float:
            """The best of several, as others are at work on this machine."""
            times = []
            for number in range(20):
                started = time.perf_counter()
                FIREWALL.publish("box", [Port(80, 60000 + number)], ["10.78.0.2"])
                times.append(time.perf_counter() - started)
            FIREWALL.unpublish("box", [Port(80, 60000 + number) for number in range(20)], ["10.78.0.2"])
            return min(times)

        FIREWALL.open_network(WEB)
        first = took()
        FIREWALL.publish("many", [Port(80, number) for number in range(1, 5001)], ["10.78.0.3"])
        assert took() < 2 * first + 0.001

    on_machine(work)


def _in_processes(count: int, work: object) -> None:
    pids = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            try:
                work(number)  # type: ignore[operator]
                os._exit(0)
            finally:
                os._exit(1)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * count
