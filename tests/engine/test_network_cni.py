"""Networks of CNI plugins in the engine: made by Debian's plugins, and the same to their users as the built-in ones."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringfence import Engine
from ringfence.errors import InvalidInput, NotFound
from tests import needs
from tests.engine.test_network import get, inside, serve, start

BRIDGE: dict[str, Any] = {
    "type": "bridge", "bridge": "rf-cni-test", "isGateway": True, "ipMasq": False, "hairpinMode": True,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.207.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
}  # fmt: skip
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}


def configuration(path: Path, *plugins: dict[str, Any]) -> str:
    data = {**BRIDGE, "ipam": {**BRIDGE["ipam"], "dataDir": str(path / "ipam")}}
    file = path / "plugins.conflist"
    file.write_text(json.dumps({"cniVersion": "1.0.0", "name": "plugged", "plugins": [data, *plugins]}))
    return str(file)


@pytest.fixture
def plugged(engine: Engine) -> Iterator[Engine]:
    """An engine on a machine with plugins; the bridge that they keep is removed at the end."""
    needs.program("/usr/lib/cni/bridge")
    before = tables()
    yield engine
    for one in engine.ps(all=True):
        engine.rm(one["Id"], force=True)
    subprocess.run(["ip", "link", "delete", "rf-cni-test"], stderr=subprocess.DEVNULL)
    for table in tables() - before:  # the plugin's, which it keeps
        subprocess.run(["nft", "delete", *table.split()], check=True)


def tables() -> set[str]:
    listed = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    return set(listed.splitlines())


def links() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_a_container_lives_in_a_network_of_plugins(plugged: Engine, tmp_path: Path) -> None:
    engine = plugged
    before = links()
    engine.network_create("plugged", driver="cni", opt=[f"config={configuration(tmp_path)}"])
    start(engine, "web", network="plugged")
    start(engine, "db1", network="plugged:interface=n5")
    found = engine.inspect("web")["NetworkSettings"]["Networks"]["plugged"]
    assert found["IPAddress"].startswith("10.207.0.") and found["MacAddress"]
    assert inside(engine, "web", "tail -1 /etc/hosts").split()[0] == found["IPAddress"]
    with serve(engine, "web"):
        fetch = f"curl -s -m 3 -o /dev/null -w '%{{http_code}}' http://{found['IPAddress']}/"
        assert inside(engine, "db1", fetch) == "200"
    assert engine.network_inspect("plugged")["Driver"] == "cni"
    engine.network_disconnect("plugged", "db1")
    assert "n5" not in inside(engine, "db1", "ls /sys/class/net")
    for name in ("web", "db1"):
        engine.rm(name, force=True)
    engine.network_rm("plugged")
    assert links() == before | {"rf-cni-test"}  # which the plugin keeps
    assert [name for name in (tmp_path / "ipam/plugged").iterdir() if name.name.startswith("10.")] == []


def test_ports_are_published_by_the_plugin_that_declares_them(plugged: Engine, tmp_path: Path) -> None:
    engine = plugged
    needs.program("iptables")
    engine.network_create("plugged", driver="cni", opt=[f"config={configuration(tmp_path, PORTMAP)}"])
    start(engine, "web", network="plugged", publish=["0:80"])
    port = engine.port("web")["80/tcp"][0]["HostPort"]
    with serve(engine, "web"):
        assert get(f"http://{socket.gethostbyname(socket.gethostname())}:{port}/") == 200
    engine.rm("web", force=True)


def test_what_cannot_be_is_one_clear_line(plugged: Engine, tmp_path: Path) -> None:
    engine = plugged
    with pytest.raises(NotFound, match="no such network: nowhere"):
        engine.run("host", ["true"], network="nowhere", rm=True)
    with pytest.raises(NotFound, match="/nothing"):
        engine.network_create("plugged", driver="cni", opt=["config=/nothing.conflist"])
    engine.network_create("plugged", driver="cni", opt=[f"config={configuration(tmp_path)}"])
    with pytest.raises(InvalidInput, match="declares portMappings"):
        engine.run("host", ["true"], network="plugged", publish=["0:80"], rm=True)
    with pytest.raises(InvalidInput, match="no IPv4 subnet"):
        engine.run("host", ["true"], network="plugged", ip="10.207.0.9", rm=True)
