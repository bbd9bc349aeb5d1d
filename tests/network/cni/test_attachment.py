"""Containers attached by the plugins of Debian's containernetworking-plugins, in a network namespace of the test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import Conflict, Failed, InvalidInput, NotFound
from ringfence.linux import namespaces
from ringfence.network.cni import Attachment, Cni, Configuration
from ringfence.network.cni.configuration import parse
from tests import needs

PLUGINS = "/usr/lib/cni"
NEWNET = 0x40000000  # CLONE_NEWNET
RATE = 8_000_000


@pytest.fixture
def host() -> Iterator[None]:
    """The calling thread, and what it starts, in a network namespace of its own: the plugins' host."""
    needs.root()
    needs.file(f"{PLUGINS}/bridge")
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    namespaces.unshare(NEWNET)
    try:
        run("ip", "link", "set", "lo", "up")
        yield
    finally:
        namespaces.enter(own, "network")
        os.close(own)


@pytest.fixture
def namespace(host: None) -> Iterator[str]:
    """The path of a container's network namespace."""
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as process:
        path = f"/proc/{process.pid}/ns/net"
        while os.stat(path).st_ino == os.stat("/proc/thread-self/ns/net").st_ino:
            time.sleep(0.005)
        yield path
        process.kill()


@pytest.fixture
def cni(short_directory: Path) -> Cni:
    return Cni(str(short_directory / "cni"), [PLUGINS])


def run(*words: str, inside: str = "") -> str:
    entered = ["nsenter", f"--net={inside}", *words] if inside else [*words]
    return subprocess.run(entered, check=True, capture_output=True, text=True).stdout


def network(directory: Path, *more: dict[str, Any], **changed: Any) -> Configuration:
    bridge = {
        "type": "bridge", "bridge": "cni0", "isGateway": True, "capabilities": {"ips": True},
        "ipam": {"type": "host-local", "dataDir": str(directory / "leases"), "routes": [{"dst": "0.0.0.0/0"}],
                 "ranges": [[{"subnet": "10.77.0.0/24"}], [{"subnet": "fd77::/64"}]]},
    }  # fmt: skip
    return parse({"cniVersion": "1.0.0", "name": "dbnet", "plugins": [bridge, *more], **changed}, "dbnet.conflist")


def addresses(inside: str, interface: str = "eth0") -> list[str]:
    [link] = json.loads(run("ip", "-json", "address", "show", "dev", interface, inside=inside))
    return [f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["scope"] == "global"]


def test_add_gives_the_container_what_the_result_says_and_del_takes_it_away(
    cni: Cni, namespace: str, short_directory: Path
) -> None:
    configuration = network(short_directory)
    result = cni.add(configuration, Attachment("c1", namespace))
    told = [one.address for one in result.addresses if one.interface == "eth0"]
    assert told == addresses(namespace) == ["10.77.0.2/24", "fd77::2/64"]
    with socket.create_server(("10.77.0.1", 0)) as server:
        connect = f"import socket; socket.create_connection(('10.77.0.1', {server.getsockname()[1]}), 5)"
        run(sys.executable, "-c", connect, inside=namespace)
    assert [(one.container, one.interface) for one in cni.attached("dbnet")] == [("c1", "eth0")]
    cni.check("dbnet", "c1")
    run("ip", "address", "flush", "dev", "eth0", inside=namespace)
    with pytest.raises(Failed, match="CNI plugin bridge: CHECK: "):
        cni.check("dbnet", "c1")
    with pytest.raises(Conflict, match="eth0 of c1 is in dbnet already"):
        cni.add(configuration, Attachment("c1", namespace))
    for _ in range(2):  # once is as good as twice
        cni.delete("dbnet", "c1")
    assert "eth0" not in run("ip", "-o", "link", inside=namespace)
    assert cni.attached() == []
    assert [path.name for path in (short_directory / "leases" / "dbnet").iterdir() if path.name[0].isdigit()] == []


def test_each_plugin_of_a_chain_gets_the_capabilities_that_it_declares(
    cni: Cni, namespace: str, short_directory: Path
) -> None:
    needs.program("iptables")
    configuration = network(
        short_directory,
        {"type": "tuning", "capabilities": {"mac": True}, "sysctl": {"net.ipv4.conf.eth0.arp_notify": "1"}},
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        {"type": "bandwidth", "capabilities": {"bandwidth": True}},
    )
    wanted = {
        "ips": ["10.77.0.9/24"],
        "mac": "02:11:22:33:44:55",
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
        "bandwidth": {"ingressRate": RATE, "ingressBurst": RATE, "egressRate": RATE, "egressBurst": RATE},
        "unknown": True,
    }
    cni.add(configuration, Attachment("c1", namespace, capabilities=wanted))
    assert "10.77.0.9/24" in addresses(namespace)
    assert "02:11:22:33:44:55" in run("ip", "link", "show", "eth0", inside=namespace)
    assert run("sysctl", "-n", "net.ipv4.conf.eth0.arp_notify", inside=namespace).strip() == "1"
    assert "dpt:8080" in run("iptables", "-w", "-t", "nat", "-nL")
    assert "tbf" in run("tc", "qdisc")
    cni.delete("dbnet", "c1")
    assert "8080" not in run("iptables", "-w", "-t", "nat", "-nL")
    assert "tbf" not in run("tc", "qdisc")


def test_what_fails_half_way_is_undone(cni: Cni, namespace: str, short_directory: Path) -> None:
    configuration = network(short_directory, {"type": "tuning", "sysctl": {"net.ipv4.no_such": "1"}})
    with pytest.raises(Failed, match="CNI plugin tuning: ADD: "):
        cni.add(configuration, Attachment("c1", namespace))
    assert "eth0" not in run("ip", "-o", "link", inside=namespace)
    assert cni.attached() == []
    assert cni.add(network(short_directory), Attachment("c1", namespace)).addresses
    cni.delete("dbnet", "c1")


def test_an_add_that_was_killed_is_undone_by_the_next_command(cni: Cni, namespace: str, short_directory: Path) -> None:
    """The second plugin never ends, and whoever waits for it is killed: the interface is there, its result is not."""
    directory = short_directory / "plugins"
    directory.mkdir()
    (directory / "stuck").write_text('#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] && exec sleep 1000\nexit 0\n')
    (directory / "stuck").chmod(0o755)
    configuration = network(short_directory, {"type": "stuck"})
    pid = os.fork()
    if pid == 0:
        try:
            Cni(cni.directory, [PLUGINS, str(directory)]).add(configuration, Attachment("c1", namespace))
        finally:
            os._exit(1)
    while not subprocess.run(["pgrep", "-f", "^sleep 1000$"], capture_output=True).stdout:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    run("pkill", "-f", "^sleep 1000$")
    assert "eth0" in run("ip", "-o", "link", inside=namespace)
    again = Cni(cni.directory, [PLUGINS, str(directory)])
    assert [entry.result for entry in again.attached()] == [None]
    assert again.collect(configuration, []) == []
    assert "eth0" not in run("ip", "-o", "link", inside=namespace)
    assert again.attached() == []


def test_a_namespace_that_has_gone_is_no_obstacle_to_del(cni: Cni, host: None, short_directory: Path) -> None:
    with subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) as process:
        path = f"/proc/{process.pid}/ns/net"
        while os.stat(path).st_ino == os.stat("/proc/thread-self/ns/net").st_ino:
            time.sleep(0.005)
        cni.add(network(short_directory), Attachment("c1", path))
        process.kill()
    cni.delete("dbnet", "c1")
    assert cni.attached() == []


def test_addresses_are_unique_whoever_adds_at_once(cni: Cni, host: None, short_directory: Path) -> None:
    configuration = network(short_directory)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    processes = [subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) for _ in range(6)]
    found: list[str] = []

    def attach(number: int) -> None:
        namespaces.enter(own, "network")  # a thread begins in the process's namespace
        path = f"/proc/{processes[number].pid}/ns/net"
        while os.stat(path).st_ino == os.stat("/proc/thread-self/ns/net").st_ino:
            time.sleep(0.005)
        found.extend(one.address for one in cni.add(configuration, Attachment(f"c{number}", path)).addresses)

    try:
        threads = [threading.Thread(target=attach, args=(number,)) for number in range(len(processes))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == len(found) == 12
        assert cni.collect(configuration, [("c0", "eth0")]) == []
        assert [entry.container for entry in cni.attached()] == ["c0"]
        cni.delete("dbnet", "c0")
    finally:
        os.close(own)
        for process in processes:
            process.kill()
            process.wait()


def test_the_version_is_the_highest_that_network_and_plugins_speak(
    cni: Cni, namespace: str, short_directory: Path
) -> None:
    configuration = network(short_directory, cniVersions=["0.4.0", "1.1.0"])
    result = cni.add(configuration, Attachment("c1", namespace))
    spoken = json.loads(subprocess.run([f"{PLUGINS}/bridge"], env={"CNI_COMMAND": "VERSION"}, capture_output=True,
                                       input=b'{"cniVersion": "1.0.0"}').stdout)["supportedVersions"]  # fmt: skip
    assert result.document["cniVersion"] == ("1.1.0" if "1.1.0" in spoken else "1.0.0")
    cni.delete("dbnet", "c1")


def test_a_missing_plugin_is_named_before_anything_is_made(cni: Cni, short_directory: Path) -> None:
    configuration = network(short_directory, {"type": "nowhere"})
    with pytest.raises(NotFound, match="no CNI plugin nowhere in /usr/lib/cni"):
        cni.status(configuration)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("../x", "/proc/1/ns/net"), "container '../x': not an ID that CNI takes"),
        (("c", "/proc/1/ns/net", "eth/0"), "interface 'eth/0': not a name that Linux takes"),
        (("c", "/proc/1/ns/net", "a" * 16), "not a name that Linux takes"),
    ],
)
def test_names_that_cannot_be_are_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Attachment(*arguments)
