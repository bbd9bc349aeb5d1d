"""Proxies: a registry that only they can reach is pulled from, with TLS and without."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence import Engine
from tests import needs
from tests.cli.driver import Command, eventually
from tests.registry.servers import Made, Registry, free_port
from tests.registry.tokens import certificate

HOST = "registry.invalid"  # RFC 2606: no resolver knows it


class Running:
    """The proxy's process, which leads everywhere to `target`."""

    def __init__(self, directory: Path, target: str) -> None:
        self._log = directory / "proxy.log"
        port = directory / "proxy.port"
        script = Path(__file__).with_name("proxy.py")
        self.process = subprocess.Popen([sys.executable, script, port, self._log, target])
        eventually(port.exists, "the proxy's port")
        self.url = f"http://me:secret@127.0.0.1:{port.read_text()}"

    @property
    def asked(self) -> list[list[str]]:
        """[method, target, authorization] of each request."""
        return [line.split(" ", 2) for line in self._log.read_text().splitlines()]


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def proxy(scheme: str, tmp_path: Path) -> Iterator[Running]:
    """In front of a registry that has one image."""
    needs.program("docker-registry", "openssl")
    image = Made([{"a": b"1"}, {"b": b"2"}])
    with Registry(tmp_path) as plain:
        image.put(plain, "app", "1")
    key, made = certificate(tmp_path)
    with Registry(tmp_path, {"tls": {"certificate": str(made), "key": str(key)}} if scheme == "https" else None) as it:
        running = Running(tmp_path, it.host)
        try:
            yield running
        finally:
            running.process.kill()
            running.process.wait()


def test_a_registry_behind_a_proxy_is_pulled_from(
    command: Command, client: Engine, proxy: Running, scheme: str
) -> None:
    command.environment |= {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url}

    command.ok("pull", "-q", "--tls-verify=false", f"{HOST}/app:1")

    assert len(client.image_store.get(f"{HOST}/app:1").layers) == 2
    last = proxy.asked[-1]
    assert (last[0] == "CONNECT") == (scheme == "https")
    assert all(asked[2].startswith("Basic ") for asked in proxy.asked)


def test_no_proxy_leads_past_it(command: Command, proxy: Running) -> None:
    command.environment |= {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url, "NO_PROXY": f"elsewhere,{HOST}"}

    done = command.run("pull", "-q", "--tls-verify=false", f"{HOST}/app:1")

    assert done.status != 0 and done.err.startswith(f"ringfence: {HOST}:") and done.err.count("\n") == 1
    assert not Path(proxy.process.args[3]).exists()  # type: ignore[index,arg-type]


def test_a_proxy_that_is_not_there_is_named(command: Command) -> None:
    port = free_port()
    command.environment["HTTPS_PROXY"] = f"http://me:secret@127.0.0.1:{port}"

    done = command.run("pull", "-q", "--tls-verify=false", f"{HOST}/app:1")

    where = f"{HOST} through the proxy 127.0.0.1:{port}"
    assert (done.status, done.err) == (1, f"ringfence: {where}: connection refused\n")
