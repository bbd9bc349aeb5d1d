"""Bandwidth of containers and groups: what `create`, `update` and `group update` make of the links' pipes.

More rates are measured in tests/network/test_shaping.py.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ringfence.engine import bandwidth
from ringfence.linux import namespaces
from ringfence.linux.namespaces import Clone
from ringfence.linux.rtnetlink import RouteConnection
from tests import needs
from tests.linux import child
from tests.network import iperf

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence import Engine
    from ringfence.engine.container import Container


def on_machine(engine: Engine, work: Callable[[Engine], None]) -> None:
    """Do `work` with the engine in a network namespace of its own, where links may be made."""
    needs.root()

    def run() -> None:
        with engine.sibling() as own:
            work(own)

    child.run(run, Clone.NEWNET)


def plugged(engine: Engine, group: str, *names: str) -> Container:
    """A container of a group with one end of a veth link of each name."""
    container = engine.run("host", ["sleep", "600"], detach=True, group=group, network="none")
    pid = container.inspect()["State"]["Pid"]
    with RouteConnection() as connection, namespaces.open(pid, "network") as there:
        for name in names:
            connection.new_veth(name, "eth%d", there)
    bandwidth.connect(engine, engine.records.find(container.id), pid)
    return container


def bridged(engine: Engine, group: str, bridge: str, subnet: str, host: int) -> iperf.Test:
    """A container on a bridge of ours, which is made if it is not there: what it is to send to us."""
    container = engine.run("host", ["sleep", "600"], detach=True, group=group, network="none")
    pid, name = container.inspect()["State"]["Pid"], f"{bridge}-{host}"
    with RouteConnection() as connection, namespaces.open(pid, "network") as there:
        if bridge not in [link.name for link in connection.links()]:
            connection.new_link(bridge, "bridge")
            connection.new_address(connection.link(bridge).index, f"{subnet}.1", 24)
            connection.set_up(connection.link(bridge).index)
        connection.new_veth(name, "eth0", there)
        connection.set_master(connection.link(name).index, connection.link(bridge).index)
        connection.set_up(connection.link(name).index)
        with RouteConnection(there) as inside:
            inside.new_address(inside.link("eth0").index, f"{subnet}.{host}", 24)
            inside.set_up(inside.link("eth0").index)
    bandwidth.connect(engine, engine.records.find(container.id), pid)
    return "egress", pid, f"{subnet}.{host}"


def passed(engine: Engine, id: str, group: str) -> dict[str, int]:
    """The rate of each direction, of a group or container."""
    found = bandwidth.counters(engine, id, engine.groups.get(group).id)
    return {direction: numbers["rate"] for direction, numbers in found.items()}


def pipes() -> list[str]:
    with RouteConnection() as connection:
        return [link.name for link in connection.links() if link.kind == "ifb"]


def test_all_links_of_a_groups_containers_go_through_its_pipes_until_the_last_has_gone(engine: Engine) -> None:
    def work(engine: Engine) -> None:
        gold = engine.group_create("gold", network_egress="50mbit")
        engine.group_create("gold/silver", network_ingress="10mbit")
        first = plugged(engine, "gold", "n1", "n2")
        assert pipes() == [f"rfe-{gold['Id'][:11]}"]
        second = plugged(engine, "gold/silver", "n3")
        silver = engine.group_inspect("gold/silver")["Id"]
        assert passed(engine, gold["Id"], "gold") == {"egress": 50_000_000, "ingress": 0}
        assert passed(engine, silver, "gold") == {"egress": 0, "ingress": 10_000_000}
        for name in ("n1", "n2", "n3"):
            filters = subprocess.run(["tc", "filter", "show", "dev", name, "ingress"], capture_output=True, text=True)
            assert "mirred (Egress Redirect to device rfe-" in filters.stdout
        for container in (first, second):
            record = engine.records.find(container.id)
            engine.stop(container.id, timeout=0)
            bandwidth.disconnect(engine, record)
            engine.rm(container.id)
        assert pipes() == []
        assert os.listdir(Path(engine.state, "bandwidth")) == []

    on_machine(engine, work)


def test_a_groups_limit_comes_changes_and_goes_while_containers_run(engine: Engine) -> None:
    def work(engine: Engine) -> None:
        gold = engine.group_create("gold")["Id"]
        container = plugged(engine, "gold", "n1")
        assert pipes() == []
        engine.group_update("gold", network_egress="50mbit", network_ingress="1gbit")
        assert passed(engine, gold, "gold") == {"egress": 50_000_000, "ingress": 10**9}
        engine.group_update("gold", network_egress="20mbit", network_ingress=0)
        assert passed(engine, gold, "gold") == {"egress": 20_000_000, "ingress": 0}
        limits = engine.group_inspect("gold")["Limits"]
        assert (limits["NetworkEgress"], limits["NetworkIngress"]) == (20_000_000, 0)
        [entry] = next(engine.group_stats(["gold"], interval=0.01))
        assert entry["Summary"]["NetLimit"] == "20Mbit / -"
        assert passed(engine, container.id, "gold") == {"egress": 0, "ingress": 0}

    on_machine(engine, work)


def test_three_containers_on_two_bridges_share_what_their_group_has(engine: Engine) -> None:
    needs.program("iperf3")

    def work(engine: Engine) -> None:
        engine.group_create("gold", network_egress="60mbit", network_ingress="40mbit")
        places = (("one", "10.1.0", 2), ("one", "10.1.0", 3), ("two", "10.2.0", 2))
        sending = [bridged(engine, "gold", *place) for place in places]
        iperf.has(60, *sending)
        iperf.has(40, *[("ingress", pid, address) for _, pid, address in sending])
        engine.group_update("gold", network_egress="20mbit")
        iperf.has(20, *sending)

    on_machine(engine, work)


def test_a_burst_needs_a_rate(engine: Engine) -> None:
    with pytest.raises(Exception, match="--network-burst: needs --network-egress or --network-ingress to be set too"):
        engine.group_create("gold", network_burst="64k")
