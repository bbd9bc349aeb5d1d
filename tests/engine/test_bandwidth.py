"""Bandwidth of containers and groups in the engine's networks, by iperf3 and by what is in the kernel.

More rates are measured in tests/network/test_shaping.py.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ringfence.engine import bandwidth
from ringfence.linux.namespaces import Clone
from ringfence.linux.rtnetlink import RouteConnection
from tests import needs
from tests.linux import child
from tests.network import hosts, iperf

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence import Engine
    from ringfence.engine.container import Container


def on_machine(engine: Engine, work: Callable[[Engine], None]) -> None:
    """Do `work` with the engine on a machine whose network is its own; its containers are removed at the end."""
    needs.root()

    def run() -> None:
        hosts.ip("link set lo up")
        with engine.sibling() as own:
            try:
                work(own)
            finally:
                for container in own.ps(all=True):
                    own.rm(container["Id"], force=True)
                become("bridge", [])

    child.run(run, Clone.NEWNET)


def start(engine: Engine, *networks: str, **options: Any) -> Container:
    """A container in these networks, or in the bridge that is always there."""
    return engine.run("host", ["sleep", "600"], detach=True, init=True, network=networks or "bridge", **options)


def measured(direction: str, container: Container) -> iperf.Test:
    """What the container is to send to this machine ("egress"), or to receive from it."""
    found = container.inspect()
    [network] = found["NetworkSettings"]["Networks"].values()
    return direction, found["State"]["Pid"], network["IPAddress"]


def passed(engine: Engine, id: str, first: str) -> dict[str, int]:
    """The rate of each direction, of a group or container whose pipes are those of `first`."""
    return {direction: numbers["rate"] for direction, numbers in bandwidth.counters(engine, id, first).items()}


def links(kind: str) -> list[str]:
    with RouteConnection() as connection:
        return [link.name for link in connection.links() if link.kind == kind]


def become(kind: str, names: list[str]) -> None:
    """What a container leaves behind goes a moment after it."""
    deadline = time.monotonic() + 5
    while links(kind) != names:
        assert time.monotonic() < deadline, links(kind)
        time.sleep(0.02)


def test_a_container_sends_and_receives_at_the_rates_of_its_flags_which_can_be_changed_and_lifted(
    engine: Engine,
) -> None:
    needs.program("iperf3")

    def work(engine: Engine) -> None:
        engine.network_create("core")
        container = start(engine, "core", network_egress="50mbit", network_ingress="100mbit")
        iperf.has(50, measured("egress", container))
        iperf.has(100, measured("ingress", container))
        found = passed(engine, container.id, container.id)
        assert found == {"egress": 50_000_000, "ingress": 100_000_000}

        engine.update(container.id, network_egress="20mbit", network_ingress=0, network_burst="64k")
        iperf.has(20, measured("egress", container))
        [free] = iperf.rates(measured("ingress", container))
        assert free > 200
        engine.rm(container.id, force=True)
        become("ifb", [])

    on_machine(engine, work)


def test_all_links_of_a_groups_containers_go_through_its_pipes_until_the_last_has_gone(engine: Engine) -> None:
    def work(engine: Engine) -> None:
        for name in ("one", "two"):
            engine.network_create(name)
        gold = engine.group_create("gold", network_egress="50mbit")["Id"]
        silver = engine.group_create("gold/silver", network_ingress="10mbit")["Id"]
        first = start(engine, "one", "two", group="gold")
        assert links("ifb") == [f"rfe-{gold[:11]}"]
        second = start(engine, "two", group="gold/silver")
        assert passed(engine, gold, gold) == {"egress": 50_000_000, "ingress": 0}
        assert passed(engine, silver, gold) == {"egress": 0, "ingress": 10_000_000}
        assert len(links("veth")) == 3
        for name in links("veth"):
            filters = subprocess.run(["tc", "filter", "show", "dev", name, "ingress"], capture_output=True, text=True)
            assert "mirred (Egress Redirect to device rfe-" in filters.stdout
        engine.rm(first.id, force=True)
        assert links("ifb") == [f"rfe-{gold[:11]}", f"rfi-{gold[:11]}"]
        engine.rm(second.id, force=True)
        become("ifb", [])
        assert os.listdir(Path(engine.state, "bandwidth")) == []

    on_machine(engine, work)


def test_a_groups_limit_comes_changes_and_goes_while_containers_run(engine: Engine) -> None:
    def work(engine: Engine) -> None:
        gold = engine.group_create("gold")["Id"]
        container = start(engine, group="gold")
        assert links("ifb") == []
        engine.group_update("gold", network_egress="50mbit", network_ingress="1gbit")
        assert passed(engine, gold, gold) == {"egress": 50_000_000, "ingress": 10**9}
        engine.group_update("gold", network_egress="20mbit", network_ingress=0)
        assert passed(engine, gold, gold) == {"egress": 20_000_000, "ingress": 0}
        limits = engine.group_inspect("gold")["Limits"]
        assert (limits["NetworkEgress"], limits["NetworkIngress"]) == (20_000_000, 0)
        [entry] = next(engine.group_stats(["gold"], interval=0.01))
        assert entry["Summary"]["NetLimit"] == "20Mbit / -"
        assert passed(engine, container.id, gold) == {"egress": 0, "ingress": 0}

    on_machine(engine, work)


def test_three_containers_in_two_networks_share_what_their_group_has(engine: Engine) -> None:
    needs.program("iperf3")

    def work(engine: Engine) -> None:
        for name in ("one", "two"):
            engine.network_create(name)
        engine.group_create("gold", network_egress="60mbit", network_ingress="40mbit")
        three = [start(engine, network, group="gold") for network in ("one", "one", "two")]
        sending = [measured("egress", container) for container in three]
        iperf.has(60, *sending)
        iperf.has(40, *[measured("ingress", container) for container in three])
        engine.group_update("gold", network_egress="20mbit")
        iperf.has(20, *sending)

    on_machine(engine, work)


def test_a_burst_needs_a_rate(engine: Engine) -> None:
    with pytest.raises(Exception, match="--network-burst: needs --network-egress or --network-ingress to be set too"):
        engine.group_create("gold", network_burst="64k")
