"""Rates as iperf3 measures them, between our network namespace and others, which its servers run in."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

Test = tuple[str, int, str]
"""Direction, seen from the other namespace ("egress", "ingress"), a process in that one, its address there."""


def rates(*tests: Test) -> list[float]:
    """Mbit/s of tests at the same time, as the receivers measured them."""
    servers, clients = [], []
    for _, pid, address in tests:
        argv = ["nsenter", f"--net=/proc/{pid}/ns/net", "iperf3", "-s", "-1", "-B", address]
        servers.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL))
    for (direction, _, address), server in zip(tests, servers, strict=True):
        _until_listening(server)
        argv = ["iperf3", "-c", address, "-t", "2", "-J"] + (["-R"] if direction == "egress" else [])
        clients.append(subprocess.Popen(argv, stdout=subprocess.PIPE))
    found = []
    for client, server in zip(clients, servers, strict=True):
        report = json.loads(client.communicate(timeout=60)[0])
        found.append(report["end"]["sum_received"]["bits_per_second"] / 10**6)
        server.wait()
    return found


def has(limit: float, *tests: Test, each: float = 0) -> None:
    """That these tests have `limit` Mbit/s together, and with `each` the last one has that; by 10 %.

    A TCP connection that loses its first packets may be slow for a second, and of several one may have begun before the
    others or end after them; but one alone may never be too quick.
    """
    seen = []
    for _ in range(4):
        measured = rates(*tests)
        seen.append(measured)
        assert len(tests) > 1 or measured[0] < 1.1 * limit, seen
        last = not each or measured[-1] == pytest.approx(each, rel=0.1)
        if last and sum(measured) == pytest.approx(limit, rel=0.1):
            return
    raise AssertionError(f"{limit} Mbit/s were to be had: {seen}")


def _until_listening(server: subprocess.Popen[bytes]) -> None:
    def sockets() -> str:
        tables: Sequence[Path] = [Path(f"/proc/{server.pid}/net/{table}") for table in ("tcp", "tcp6")]
        return "".join(table.read_text() for table in tables if table.exists())

    while " 0A " not in sockets():  # TCP_LISTEN
        time.sleep(0.005)
