"""Containers of the engine and another host: who reaches whom, from the first container on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from ringfence import Engine
from ringfence.errors import Conflict
from tests.engine.test_network import becomes, start
from tests.network import hosts
from tests.network.hosts import HERE, OUTSIDE, Machine, Space


def on_machine(engine: Engine, work: Callable[[Machine, Engine], None]) -> None:
    """`work` with the engine on a machine that has one host beside it; its containers are removed at the end."""

    def there(machine: Machine) -> None:
        before = hosts.seen()
        with engine.sibling() as own:
            own.network_create("one", subnet=["10.211.0.0/24", "fd00:211::/64"])
            own.network_create("two", subnet=["10.212.0.0/24", "fd00:212::/64"])
            machine.outside.ip("route add 10.208.0.0/12 via 192.0.2.1", "route add fd00::/16 via 2001:db8:2::1")
            machine.outside.serve(80)
            work(machine, own)
            while machine.spaces[-1] is not machine.outside:  # a network lasts as long as somebody holds it
                machine.spaces.pop().close()
            for container in own.ps(all=True):
                own.rm(container["Id"], force=True)
            own.network_prune()
        becomes(before)

    hosts.on_machine(there)


def serving(machine: Machine, engine: Engine, name: str, network: str, *ports: str) -> Space:
    """A new container in that network, which answers at port 80."""
    start(engine, name, network=network, publish=ports)
    found = engine.inspect(name)
    space = Space(name, found["State"]["Pid"])
    machine.spaces.append(space)
    settings = found["NetworkSettings"]["Networks"][network]
    space.addresses = [settings["IPAddress"], settings["GlobalIPv6Address"]]
    space.serve(80)
    return space


def protected(machine: Machine, *spaces: Space) -> None:
    """These are seen outside as this machine, and not reached from there but by ports."""
    for space in spaces:
        for family, address in OUTSIDE.items():
            assert space.ask(address, 80) == f"outside {HERE[family]}"
        for address in space.addresses:
            assert machine.outside.no_answer(address, 80), (space.name, address)


def test_the_first_container_is_seen_outside_as_this_machine_and_not_reached_but_by_its_port(engine: Engine) -> None:
    def work(machine: Machine, engine: Engine) -> None:
        first = serving(machine, engine, "first", "one", "8080:80")
        protected(machine, first)
        second = serving(machine, engine, "second", "two", "8081:80")
        protected(machine, first, second)
        for address in second.addresses:
            assert first.no_answer(address, 80)
        for family, here in HERE.items():
            for port, name in ((8080, "first"), (8081, "second")):
                assert machine.outside.ask(here, port) == f"{name} {OUTSIDE[family]}"

    on_machine(engine, work)


def test_a_container_of_macvlan_has_an_address_beside_this_machines_and_is_reached_there(engine: Engine) -> None:
    def work(machine: Machine, engine: Engine) -> None:
        engine.network_create("lan", driver="macvlan", opt=["parent=ext0"], gateway=[OUTSIDE[4], OUTSIDE[6]],
                              subnet=["192.0.2.0/24", "2001:db8:2::/64"])  # fmt: skip
        beside = serving(machine, engine, "beside", "lan")
        assert beside.addresses == ["192.0.2.3", "2001:db8:2::3"]
        for family, address in OUTSIDE.items():
            assert beside.ask(address, 80) == f"outside {beside.addresses[family == 6]}"
            assert machine.outside.ask(beside.addresses[family == 6], 80) == f"beside {address}"
        with pytest.raises(Conflict, match=r"192\.0\.2\.0/25 overlaps 192\.0\.2\.0/24 of"):
            engine.network_create("other", subnet=["192.0.2.0/25"])

    on_machine(engine, work)


def test_port_53_is_published_on_an_address_beside_the_server_of_names(engine: Engine) -> None:
    def work(machine: Machine, engine: Engine) -> None:
        start(engine, "web", network="one")
        with pytest.raises(Conflict, match="port 53/udp is in use by the server of containers' names"):
            start(engine, "dns", network="one", publish=["53:80/udp"])
        engine.rm("dns", force=True)
        server = serving(machine, engine, "dns", "one", f"{HERE[4]}:53:80/udp")
        server.serve(80, "udp")
        assert machine.outside.ask(HERE[4], 53, "udp") == f"dns {OUTSIDE[4]}"

    on_machine(engine, work)


def test_a_flushed_ruleset_is_made_anew_by_a_port_that_is_published(engine: Engine) -> None:
    def work(machine: Machine, engine: Engine) -> None:
        first = serving(machine, engine, "first", "one", "8080:80")
        second = serving(machine, engine, "second", "two")
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        assert first.ask(OUTSIDE[4], 80) == f"outside {first.addresses[0]}"
        engine.update("second", publish_add=["8081:80"])
        protected(machine, first, second)
        for port, name in ((8080, "first"), (8081, "second")):
            assert machine.outside.ask(HERE[4], port) == f"{name} {OUTSIDE[4]}"

    on_machine(engine, work)
