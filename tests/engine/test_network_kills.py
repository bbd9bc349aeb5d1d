"""What serves running containers and was killed is there again after the next command that has to do with networks."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ringfence import Engine
from ringfence.network import forwarder
from tests import needs
from tests.engine.test_network import get, inside, serve, start
from tests.network.dns.hosts import until
from tests.network.dns.test_directory import servers

COMMANDS: dict[str, Callable[[Engine], object]] = {
    "a start": lambda engine: engine.run("host", ["true"], rm=True),
    "network ls": lambda engine: engine.network_ls(),
    "port": lambda engine: engine.port("web"),
    "system prune": lambda engine: engine.system_prune(),
}


def forwarders(engine: Engine, name: str) -> list[int]:
    """The pids of those that run, 0 for one that does not."""
    directory = Path(engine.state, "containers", engine.inspect(name)["Id"])
    return [forwarder.running(str(file)) for file in sorted(directory.glob("forwarder*"))]


def kill(pid: int) -> None:
    """Kill somebody's child, and wait for its end: until then it may hold locks."""
    descriptor = os.pidfd_open(pid)
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    assert select.select([descriptor], [], [], 5)[0]
    os.close(descriptor)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_forwarder_is_started_again(engine: Engine, command: str) -> None:
    needs.root()
    start(engine, "web", publish=["127.0.0.1:0:80"])
    engine.update("web", publish_add=["127.0.0.1:0:80"])
    first, second = (f"http://127.0.0.1:{one['HostPort']}/" for one in engine.port("web")["80/tcp"])
    with serve(engine, "web"):
        for number in (0, 1):
            before = forwarders(engine, "web")
            kill(before[number])
            COMMANDS[command](engine)
            after = forwarders(engine, "web")
            assert all(after) and after[1 - number] == before[1 - number]
            assert [get(first), get(second)] == [200, 200]
        for pid in forwarders(engine, "web"):
            kill(pid)
        COMMANDS[command](engine)
        assert [get(first), get(second)] == [200, 200] and len(forwarders(engine, "web")) == 1


def test_a_port_that_somebody_took_after_the_kill_is_left_to_him_and_fails_nobody(engine: Engine) -> None:
    start(engine, "web", publish=["127.0.0.1:0:80", "127.0.0.1:0:81"])
    taken, free = (int(rows[0]["HostPort"]) for rows in engine.port("web").values())
    kill(*forwarders(engine, "web"))
    with socket.create_server(("127.0.0.1", taken)):
        engine.network_ls()
        assert all(forwarders(engine, "web"))
        with socket.create_connection(("127.0.0.1", free)):
            pass


@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_server_of_names_is_started_again(engine: Engine, command: str) -> None:
    needs.program("dig")
    gateway = engine.network_create("one", subnet=["10.208.0.0/24"])["IPAM"]["Config"][0]["Gateway"]
    for name in ("web", "db"):
        start(engine, name, network="one")
    [pid] = servers(f"{engine.state}/dns")
    kill(pid)
    assert not servers(f"{engine.state}/dns")
    COMMANDS[command](engine)
    address = engine.inspect("web")["NetworkSettings"]["Networks"]["one"]["IPAddress"]
    # Asked from here: the kernel tells a container only once a second that nobody listens.
    asked = ["dig", "+short", "+tries=1", "+time=1", f"@{gateway}", "web"]
    until(lambda: subprocess.run(asked, capture_output=True, text=True).stdout == f"{address}\n")
    assert inside(engine, "db", "getent hosts web").split()[1] == "web"
