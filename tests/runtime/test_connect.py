"""Launch.connect: networks are plugged in by the caller, at the moment at which the container's namespace is there."""

from __future__ import annotations

import os
import signal

import pytest

from ringfence.engine.session import Session
from ringfence.errors import Conflict, RingfenceError
from ringfence.linux import namespaces, processes
from ringfence.linux.rtnetlink import RouteConnection
from ringfence.runtime.interface import Launch, Monitoring
from ringfence.runtime.native import OciRuntime
from tests import leaks
from tests.bundles import Bundle
from tests.cli.driver import eventually


def launch(bundle: Bundle, connect: object) -> Launch:
    return Launch(bundle.id, bundle.spec, str(bundle.path), monitoring=Monitoring(), connect=connect)  # type: ignore[arg-type]


def test_a_link_is_there_before_sysctls_hooks_and_the_program(bundle: Bundle, runtime: OciRuntime) -> None:
    def connect(pid: int) -> None:
        with namespaces.open(pid, "network") as there, RouteConnection(there) as inside:
            inside.new_link("eth7", "bridge")

    bundle.shell("cat /proc/sys/net/ipv4/conf/eth7/forwarding")
    bundle.spec["linux"]["sysctl"] = {"net.ipv4.conf.eth7.forwarding": "1"}
    with Session(bundle.id, runtime.start(launch(bundle, connect)).control, tty=False) as session:
        assert session.collect() == (0, b"1\n", b"")


def test_what_it_raises_ends_the_start_and_leaves_nothing(bundle: Bundle, runtime: OciRuntime) -> None:
    def refuse(pid: int) -> None:
        raise Conflict(f"port 80 is taken, says {os.path.basename(f'/proc/{pid}')}")

    bundle.run(runtime)
    before = leaks.Census.take(bundle.path.parent)
    with pytest.raises(Conflict, match="port 80 is taken"):
        runtime.start(launch(bundle, refuse))
    leaks.assert_nothing_left(before)


def test_a_container_that_fails_meanwhile_says_at_what(bundle: Bundle, runtime: OciRuntime) -> None:
    """It makes its mounts while its networks are connected."""

    def too_late(pid: int) -> None:
        eventually(lambda: processes.ended(pid), "its failure")
        namespaces.open(pid, "network").close()

    bundle.run(runtime)
    over_a_file = {"destination": "/etc/passwd", "source": "/tmp", "type": "bind", "options": ["bind"]}
    bundle.spec["mounts"].append(over_a_file)
    before = leaks.Census.take(bundle.path.parent)
    with pytest.raises(RingfenceError, match="/etc/passwd"):
        runtime.start(launch(bundle, too_late))
    leaks.assert_nothing_left(before)


def test_an_interrupt_while_it_connects_leaves_nothing(bundle: Bundle, runtime: OciRuntime) -> None:
    def interrupted(_pid: int) -> None:
        raise KeyboardInterrupt

    bundle.run(runtime)
    before = leaks.Census.take(bundle.path.parent)
    with pytest.raises(KeyboardInterrupt):
        runtime.start(launch(bundle, interrupted))
    leaks.assert_nothing_left(before)


def test_a_helper_that_is_killed_meanwhile_is_one_error(bundle: Bundle, runtime: OciRuntime) -> None:
    def kill(pid: int) -> None:
        with open(f"/proc/{pid}/status") as file:
            parent = next(int(line.split()[1]) for line in file if line.startswith("PPid:"))
        os.kill(parent, signal.SIGKILL)

    bundle.run(runtime)
    before = leaks.Census.take(bundle.path.parent)
    with pytest.raises(RingfenceError):
        runtime.start(launch(bundle, kill))
    leaks.assert_nothing_left(before)
