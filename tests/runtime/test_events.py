"""`ringrun events`: lines of JSON in runc's shape."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests import needs
from tests.bundles import Bundle
from tests.runtime.peers import Command


def test_stats_are_those_of_the_cgroups(ringrun: Command, bundle: Bundle, short_directory: Path) -> None:
    needs.controller("memory")
    bundle.spec["linux"]["resources"] |= {"memory": {"limit": 1 << 26}, "pids": {"limit": 20}}
    bundle.shell("sleep 30 & sleep 30 & sleep 30").write()
    ringrun.detached("run", "-d", "--bundle", str(bundle.path), "c1", output=short_directory / "out")
    time.sleep(0.2)

    event = json.loads(ringrun("events", "--stats", "c1").stdout)

    assert (event["type"], event["id"]) == ("stats", "c1")
    data = event["data"]
    assert data["memory"]["usage"]["limit"] == 1 << 26 and 0 < data["memory"]["usage"]["usage"] < 1 << 26
    assert data["pids"] == {"current": 4, "limit": 20}
    assert data["cpu"]["usage"]["total"] > 0 and "periods" in data["cpu"]["throttling"]


def test_events_come_until_the_container_ends_and_tell_of_an_oom_kill(
    ringrun: Command, bundle: Bundle, short_directory: Path
) -> None:
    needs.controller("memory")
    bundle.spec["linux"]["resources"] |= {"memory": {"limit": 1 << 23, "swap": 1 << 23}}
    bundle.shell("sleep 0.8; head -c 64m /dev/zero | tail -c 60m >/dev/null; sleep 0.5").write()
    ringrun.detached("run", "-d", "--bundle", str(bundle.path), "c1", output=short_directory / "out")

    argv = [*ringrun.argv, "events", "--interval", "100ms", "c1"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)

    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert kinds.count("stats") >= 3 and kinds.count("oom") >= 1, done


@pytest.mark.parametrize("interval", ["5", "x", "0s", "-1s", "1y"])
def test_an_interval_has_a_unit(ringrun: Command, sleeping: Bundle, interval: str) -> None:
    done = ringrun("events", f"--interval={interval}", sleeping.id)
    assert done.returncode == 1 and "--interval" in done.stderr and done.stderr.count("\n") == 1
