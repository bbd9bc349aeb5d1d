"""Networks of containers: addresses, names, ports and isolation, and that nothing of them stays on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ringfence import Engine
from ringfence.engine import plug
from ringfence.engine.networks import Endpoint
from ringfence.errors import Conflict, Failed, InvalidInput, NotFound
from ringfence.linux import processes
from ringfence.network.values import Attachment
from tests import needs
from tests.network import crowd
from tests.network.hosts import seen

SERVER = "import http.server as s; s.test(s.SimpleHTTPRequestHandler, s.ThreadingHTTPServer, port=80, bind='{}')"


@pytest.fixture
def net(engine: Engine) -> Iterator[Engine]:
    """An engine after whose containers the machine's rules, routes, links and listening sockets are what they were."""
    needs.program("nft")
    before = seen()
    yield engine
    for one in engine.ps(all=True):
        engine.rm(one["Id"], force=True)
    engine.network_prune()
    becomes(before)


def becomes(before: str) -> None:
    """Other tests may be at work on this machine: what is theirs goes, too."""
    deadline = time.monotonic() + 5
    while seen() != before:
        if time.monotonic() > deadline:
            assert seen() == before
        time.sleep(0.05)


def start(engine: Engine, name: str, **options: Any) -> str:
    engine.run("host", ["sleep", "600"], detach=True, name=name, init=True, **options)
    return name


def inside(engine: Engine, name: str, script: str) -> str:
    return engine.exec(name, ["sh", "-c", script]).stdout.decode().strip()


@contextmanager
def serve(engine: Engine, name: str, bind: str = "0.0.0.0") -> Iterator[None]:
    """A web server on port 80 of the container's network, as long as this lasts."""
    pid = engine.inspect(name)["State"]["Pid"]
    argv = ["nsenter", "--net", f"--target={pid}", "python3", "-c", SERVER.format(bind)]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/proc/sys/kernel/random")
    with server:
        try:
            for line in server.stdout or ():
                if b"Serving" in line:
                    break
            yield
        finally:
            server.kill()


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return int(answer.status)


def test_a_container_has_an_address_a_gateway_and_a_line_in_hosts(net: Engine) -> None:
    said = net.run("host", ["sh", "-c", "ip -4 -o addr show eth0; ip route; hostname -i; tail -1 /etc/hosts"], rm=True)
    lines = said.stdout.decode().splitlines()
    assert " inet 10." in lines[0] and "default via 10." in lines[1]
    assert lines[-1].split()[0] == lines[-2]


def test_it_reaches_its_gateway_and_its_neighbours_but_not_another_network(net: Engine) -> None:
    net.network_create("one")
    net.network_create("two")
    for name, network in (("a1", "one"), ("b1", "one"), ("c1", "two")):
        start(net, name, network=network)
    with serve(net, "b1"):
        address = net.inspect("b1")["NetworkSettings"]["Networks"]["one"]["IPAddress"]
        fetch = f"curl -s -m 2 -o /dev/null -w '%{{http_code}}' http://{address}/ || echo refused"
        assert inside(net, "a1", fetch) == "200"
        assert "refused" in inside(net, "c1", fetch)


def test_names_and_aliases_are_found_in_networks_of_ones_own_and_nowhere_else(net: Engine) -> None:
    net.network_create("one", ipv6=True)
    start(net, "web", network="one", network_alias=["www", "www.example.test"])
    start(net, "db", network="one:alias=sql")
    start(net, "other")
    found = net.inspect("web")["NetworkSettings"]["Networks"]["one"]
    assert inside(net, "db", "getent ahostsv4 www | head -1").split()[0] == found["IPAddress"]
    assert inside(net, "db", "getent ahostsv6 www.example.test | head -1").split()[0] == found["GlobalIPv6Address"]
    assert inside(net, "web", "getent hosts sql").split()[1:] == ["sql"]
    assert inside(net, "web", f"getent hosts {found['IPAddress']}").split()[1] in ("web", found["DNSNames"][-1])
    assert inside(net, "other", "getent hosts web") == ""


def test_a_container_is_in_several_networks_under_the_names_it_asked_for(net: Engine) -> None:
    net.network_create("one", subnet=["10.201.0.0/24"])
    net.network_create("two", subnet=["10.202.0.0/24"], ipv6=True)
    net.network_create("three", internal=True)
    asked = ["one:interface=n3,ip=10.201.0.77", "two:mac=02:00:00:00:00:07", "three"]
    start(net, "many", network=asked)
    assert inside(net, "many", "ls /sys/class/net").split() == ["eth0", "eth1", "lo", "n3"]
    assert inside(net, "many", "cat /sys/class/net/eth0/address") == "02:00:00:00:00:07"
    assert "default via 10.201.0.1 dev n3" in inside(net, "many", "ip route")
    order = inside(net, "many", "ip -o link | grep -v ' lo:' | cut -d: -f2 | cut -d@ -f1").split()
    assert order == ["n3", "eth0", "eth1"]
    net.restart("many", timeout=0)
    assert "10.201.0.77/24" in inside(net, "many", "ip -4 -o addr show n3")


def test_a_running_container_comes_into_a_network_and_leaves_it(net: Engine) -> None:
    net.network_create("one")
    start(net, "web")
    start(net, "db", network="one")
    net.network_connect("one", "web", alias=["www"], interface="n7")
    assert inside(net, "db", "getent hosts www").split()[1:] == ["www"]
    assert inside(net, "web", "getent hosts db").split()[1:] == ["db"]
    assert set(net.inspect("web")["NetworkSettings"]["Networks"]) == {"bridge", "one"}
    assert net.network_inspect("one")["Containers"].keys() == {net.inspect(name)["Id"] for name in ("web", "db")}
    with pytest.raises(Conflict, match="is in network one already"):
        net.network_connect("one", "web")
    net.network_disconnect("bridge", "web")
    assert "default via 10." in inside(net, "web", "ip route") and "dev n7" in inside(net, "web", "ip route")
    net.network_connect("bridge", "web")
    net.network_disconnect("one", "web")
    assert "n7" not in inside(net, "web", "ls /sys/class/net")
    with pytest.raises(NotFound, match="is not in network one"):
        net.network_disconnect("one", "web")
    net.network_disconnect("bridge", "web")
    net.restart("web", timeout=0)
    assert inside(net, "web", "ls /sys/class/net") == "lo"


def test_what_a_killed_connect_has_left_goes_with_the_next_connect_or_disconnect(engine: Engine) -> None:
    engine.network_create("net0", subnet=["10.216.0.0/24"])
    engine.network_create("net1", subnet=["10.217.0.0/24"])
    start(engine, "box", network="net0")
    for again in (True, False):
        before = engine.records.find("box")
        engine.network_connect("net1", "box")
        engine.records.save(before)  # as if it had been killed before it was written down
        if again:
            engine.network_connect("net1", "box")
            assert inside(engine, "box", "ls /sys/class/net").split() == ["eth0", "eth1", "lo"]
            engine.network_disconnect("net1", "box")
        else:
            with pytest.raises(NotFound, match="is not in network net1"):
                engine.network_disconnect("net1", "box")
        assert inside(engine, "box", "ls /sys/class/net").split() == ["eth0", "lo"]
    engine.rm("box", force=True)
    for name in ("net0", "net1"):
        engine.network_rm(name)


def test_a_published_port_is_reached_by_every_address_of_this_machine(net: Engine) -> None:
    start(net, "web", publish=["0:80"], network="bridge")
    start(net, "other")
    port = net.port("web")["80/tcp"][0]["HostPort"]
    own = socket.gethostbyname(socket.gethostname())
    with serve(net, "web"):
        for host in ("127.0.0.1", "[::1]", own):
            assert get(f"http://{host}:{port}/") == 200
        gateway = net.inspect("web")["NetworkSettings"]["Gateway"]
        fetch = f"curl -s -m 3 -o /dev/null -w '%{{http_code}}' http://{gateway}:{port}/"
        assert inside(net, "other", fetch) == "200"
        assert inside(net, "web", fetch) == "200"
    (row,) = [one for one in net.ps() if one["Names"] == ["/web"]]
    assert {one["PublicPort"] for one in row["Ports"]} == {int(port)}


def test_a_port_that_somebody_has_is_refused_with_who_has_it(net: Engine) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(Conflict, match=rf"port {number}/tcp is in use by .*pid"):
            net.run("host", ["true"], publish=[f"{number}:80"], rm=True)
        assert net.ps(all=True) == []
        start(net, "web", publish=[f"{number}-{number + 20}:80"])
        assert int(net.port("web")["80/tcp"][0]["HostPort"]) > number


def free_ports(count: int) -> int:
    """The first of so many that are free in a row."""
    first = 20000
    while True:
        try:
            for number in range(first, first + count):
                socket.create_server(("0.0.0.0", number)).close()
        except OSError:
            first += count
        else:
            return first


def test_ranges_of_ports_are_published_one_to_one_or_the_first_that_is_free(net: Engine) -> None:
    first = free_ports(6)
    start(net, "each", publish=[f"{first}-{first + 2}:80-82", "90-91"])
    rows = {name: {one["HostPort"] for one in rows} for name, rows in net.port("each").items()}
    assert [rows[f"{number}/tcp"] for number in (80, 81, 82)] == [{str(first + number)} for number in range(3)]
    assert len(rows["90/tcp"]) == len(rows["91/tcp"]) == 1 and rows["90/tcp"] != rows["91/tcp"]
    for name, number in (("one", first + 3), ("two", first + 4)):
        start(net, name, publish=[f"{first}-{first + 5}:80"])
        assert {one["HostPort"] for one in net.port(name)["80/tcp"]} == {str(number)}


def test_exposed_ports_are_published_when_all_are_asked_for(net: Engine) -> None:
    start(net, "web", expose=["80", "53/udp"], publish_all=True)
    assert sorted(net.port("web")) == ["53/udp", "80/tcp"]
    net.stop("web", timeout=0)
    assert net.port("web") == {}


def test_100_containers_8_at_a_time_have_addresses_of_their_own_and_all_reach_all(net: Engine) -> None:
    """Each is started and removed by an engine of its own; all 9900 pairs ask and answer."""
    names = [f"c{number}" for number in range(100)]
    before = seen()

    def begin(name: str) -> tuple[str, int]:
        with net.sibling() as sibling:
            start(sibling, name)
            found = sibling.inspect(name)
            return found["NetworkSettings"]["IPAddress"], found["State"]["Pid"]

    def end(name: str) -> None:
        with net.sibling() as sibling:
            sibling.rm(name, force=True)

    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(begin, names))
        assert len(dict(started)) == 100
        with crowd.room_for_neighbours(100 * 100):
            assert not crowd.unreached(dict(started))
        list(pool.map(end, names))
    becomes(before)
    assert not net.networks.endpoints()


def test_the_exit_takes_links_rules_and_addresses_along(net: Engine) -> None:
    before = seen()
    net.run("host", ["true"], detach=True, name="short", publish=["0:80"])
    net.wait("short")
    becomes(before)
    assert not net.networks.endpoints() and not net.networks.ports()


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"name": "host"}, InvalidInput, "cannot be the name"),
        ({"name": "a/b"}, InvalidInput, "cannot be the name"),
        ({"name": "x", "driver": "overlay"}, Exception, "no such driver"),
        ({"name": "x", "driver": "macvlan"}, InvalidInput, "parent"),
        ({"name": "x", "subnet": ["10.203.0.0/33"]}, InvalidInput, "10.203.0.0/33"),
        ({"name": "x", "subnet": ["10.203.0.0/24", "10.204.0.0/24"]}, InvalidInput, "one subnet of a family"),
        ({"name": "x", "subnet": ["10.203.0.0/24"], "gateway": ["10.204.0.1"]}, InvalidInput, "gateway 10.204.0.1"),
        ({"name": "x", "gateway": ["10.204.0.1"]}, InvalidInput, "needs a --subnet"),
        ({"name": "x", "subnet": ["127.0.0.0/24"]}, Conflict, "overlaps"),
        ({"name": "x", "opt": ["mtu=1"]}, InvalidInput, "an MTU is a number"),
        ({"name": "x", "opt": ["mtu=\u00b2"]}, InvalidInput, "an MTU is a number"),
        ({"name": "x", "opt": ["icc=maybe"]}, InvalidInput, "is none of true, false"),
        ({"name": "x", "driver": "macvlan", "opt": ["parent=lo", "mode=x"]}, InvalidInput, "is none of"),
        ({"name": "x", "driver": "ptp", "subnet": ["10.203.0.0/24"], "route": ["10.0.0.0/8,10.203.0.9"]}, InvalidInput,
         "which no container of ptp sees"),
        ({"name": "x", "opt": ["speed=9"]}, InvalidInput, "no such option"),
        ({"name": "x", "route": ["10.0.0.0/8"]}, InvalidInput, "DESTINATION,GATEWAY"),
        ({"name": "x", "route": ["10.0.0.0/8,fd00::1"]}, InvalidInput, "different families"),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_is_one_clear_line(
    net: Engine, fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        net.network_create(**fields)
    assert "\n" not in str(caught.value)


def test_networks_are_listed_inspected_and_removed_as_dockers_are(net: Engine) -> None:
    made = net.network_create("one", subnet=["10.203.0.0/24"], label=["a=1"])
    assert made["IPAM"]["Config"] == [{"Subnet": "10.203.0.0/24", "Gateway": "10.203.0.1"}]
    assert [one["Name"] for one in net.network_ls()] == ["bridge", "host", "none", "one"]
    assert [one["Name"] for one in net.network_ls(filters={"label": ["a=1"]})] == ["one"]
    assert net.network_inspect(made["Id"][:8])["Name"] == "one"
    with pytest.raises(Conflict, match="exists already"):
        net.network_create("one")
    start(net, "web", network="one")
    with pytest.raises(Conflict, match="in use by container"):
        net.network_rm("one")
    net.rm("web", force=True)
    net.network_rm("one")
    with pytest.raises(NotFound, match="no such network: one"):
        net.run("host", ["true"], network="one", rm=True)


def test_a_removal_that_waits_for_its_turn_lets_others_write_meanwhile(net: Engine) -> None:
    net.network_create("one")
    argv = [sys.executable, "-m", "ringfence.cli", f"--root={net.root}", f"--state={net.state}", "network", "rm", "one"]
    with plug.Lock(net):
        remover = subprocess.Popen(argv, stdout=subprocess.PIPE)
        waiting = f"{remover.pid} "
        while not any("->" in line and waiting in line for line in Path("/proc/locks").read_text().splitlines()):
            time.sleep(0.01)
        began = time.monotonic()
        net.network_create("two")
        assert time.monotonic() - began < 5
    assert remover.communicate(timeout=20)[0] == b"one\n"


def test_a_network_of_which_a_cut_off_connect_has_left_an_endpoint_is_in_use(net: Engine) -> None:
    id = net.network_create("one")["Id"]
    web = net.inspect(start(net, "web"))
    pid = web["State"]["Pid"]
    left = Endpoint(Attachment(id, web["Id"], "eth1", addresses=["10.203.0.2/24"]), 1, pid, processes.start_time(pid))
    net.networks.plug(left)
    with pytest.raises(Conflict, match="in use by container"):
        net.network_rm("one")
    net.rm("web", force=True)
    net.network_rm("one")


def test_a_connection_whose_names_cannot_be_served_is_undone(net: Engine) -> None:
    net.network_create("one")
    start(net, "db", network="one")
    start(net, "web")
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    (server,) = [pid for pid in pids if f"{net.state}/dns" in argv_of(pid)]
    net.network_create("two")
    start(net, "third", network=["one", "two"])

    def refused(change: Callable[[Engine], object]) -> None:
        with Engine(net.root, net.state) as engine, pytest.raises(Failed, match="DNS server does not answer"):
            change(engine)

    os.kill(server, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor() as pool:
            connected = pool.submit(refused, lambda engine: engine.network_connect("one", "web"))
            refused(lambda engine: engine.network_disconnect("one", "third"))
            connected.result()
    finally:
        os.kill(server, signal.SIGCONT)
    assert set(net.inspect("third")["NetworkSettings"]["Networks"]) == {"two"}
    assert inside(net, "web", "ls /sys/class/net").split() == ["eth0", "lo"]
    assert [one["Name"] for one in net.network_inspect("one")["Containers"].values()] == ["db"]
    assert inside(net, "db", "getent hosts web || echo unknown") == "unknown"
    net.network_connect("one", "web")
    assert inside(net, "db", "getent hosts web").split()[1:] == ["web"]


def argv_of(pid: int) -> list[str]:
    try:
        return processes.command(pid)
    except ProcessLookupError:
        return []


def test_a_flushed_ruleset_is_made_anew_by_the_next_start(net: Engine) -> None:
    start(net, "web", publish=["0:80"])
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.split("\n")
    (ours,) = [line for line in tables if net_table(net) in line]
    subprocess.run(["nft", "delete", *ours.split()], check=True)
    start(net, "other")
    port = net.port("web")["80/tcp"][0]["HostPort"]
    assert f"{port}" in subprocess.run(["nft", "list", *ours.split()], capture_output=True, text=True).stdout


def net_table(engine: Engine) -> str:
    from ringfence.engine import plug

    return plug.firewall(engine).table


def test_ports_are_published_and_unpublished_while_it_runs(net: Engine) -> None:
    start(net, "web", publish=["0:80"])
    (old,) = {one["HostPort"] for one in net.port("web")["80/tcp"]}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    net.update("web", publish_add=[f"127.0.0.1:{number}:80"])
    with serve(net, "web"):
        assert [get(f"http://127.0.0.1:{port}/") for port in (old, number)] == [200, 200]
        net.update("web", publish_rm=[f"127.0.0.1:{number}:80"])
        assert get(f"http://127.0.0.1:{old}/") == 200
        with pytest.raises(OSError):
            get(f"http://127.0.0.1:{number}/")
    with pytest.raises(NotFound, match="does not publish port 81/tcp"):
        net.update("web", publish_rm=["81"])
    with pytest.raises(Conflict, match="in use"):
        net.update("web", publish_add=[f"{old}:81"])
    net.update("web", publish_rm=["80"])
    assert net.port("web") == {} and net.inspect("web")["HostConfig"]["PortBindings"] == {}


THIEF = """
import socket, sys
while True:
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            thief.bind(("0.0.0.0", int(sys.argv[1])))
        except OSError:
            continue
        print("got it", flush=True)
        sys.stdin.read()
"""


def test_nobody_gets_a_port_that_stays_published_while_another_one_goes(net: Engine) -> None:
    start(net, "web", publish=["0:80", "0:80/udp"])
    (kept,) = {one["HostPort"] for one in net.port("web")["80/tcp"]}
    argv = [sys.executable, "-c", THIEF, kept]
    with serve(net, "web"), subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as thief:
        for _ in range(5):
            net.update("web", publish_add=["0:81"])
            net.update("web", publish_rm=["81"])
            assert get(f"http://127.0.0.1:{kept}/") == 200
        thief.kill()
        assert thief.stdout is not None and thief.stdout.read() == b""
    assert len(net.port("web")["80/udp"]) == 2
