"""Subnets of new networks are ones that nobody on this machine uses, as the engine knows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ringfence import Engine
from ringfence.engine import subnets
from ringfence.errors import Conflict
from tests.network import lab
from tests.network.lab import Lab


def test_what_this_host_has_is_not_chosen(tmp_path: Path) -> None:
    def work(laboratory: Lab) -> None:
        lan = laboratory.connection.link("lan").index
        laboratory.connection.new_address(lan, "10.89.0.77", 23)
        laboratory.connection.new_route("10.89.2.0", 24, gateway="192.0.2.1")
        with Engine(str(tmp_path / "root"), str(tmp_path / "state")) as engine:
            assert [one.cidr for one in subnets.find(engine, "id", (), (), (), ipv6=False)] == ["10.89.3.0/24"]
            with pytest.raises(Conflict, match=r"overlaps 10\.89\.0\.0/23 of interface lan"):
                subnets.find(engine, "id", ("10.89.1.0/24",), (), (), ipv6=False)
            with pytest.raises(Conflict, match=r"overlaps 10\.89\.2\.0/24 of interface wan"):
                subnets.find(engine, "id", ("10.89.2.128/25",), (), (), ipv6=False)

    lab.run(work)


RACER = """
import sys
from ringfence import Engine
with Engine(sys.argv[1], sys.argv[2]) as engine:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(10):
        engine.network_create(f"{sys.argv[3]}{number}", ipv6=True)
"""


def test_processes_that_make_networks_at_once_choose_different_subnets(tmp_path: Path) -> None:
    def work(_: Lab) -> None:
        places = (str(tmp_path / "root"), str(tmp_path / "state"))
        argv = [sys.executable, "-c", RACER, *places]
        racers = [
            subprocess.Popen([*argv, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for name in ("a", "b")
        ]
        for racer in racers:
            assert racer.stdout is not None and racer.stdout.readline() == b"ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(b"go\n")
            racer.stdin.flush()
        for racer in racers:
            racer.communicate()
            assert racer.returncode == 0
        with Engine(*places) as engine:
            chosen = [subnet.cidr for record in engine.networks.all() for subnet in record.network.subnets]
        assert len(chosen) == len(set(chosen)) == 40

    lab.run(work)
