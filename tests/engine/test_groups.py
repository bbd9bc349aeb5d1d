"""Groups: limits that several containers share, as a record, as cgroups, and as what the kernel does by them."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ringfence.engine import group_cgroup
from ringfence.engine.groups import REMOVING
from ringfence.errors import Conflict, InvalidInput, NotFound, Unsupported
from ringfence.linux import cgroups
from tests import needs

if TYPE_CHECKING:
    from ringfence import Engine
    from ringfence.engine.container import Container

BURN = ["sh", "-c", "while :; do :; done"]
FILL = ["tail", "/dev/zero"]  # keeps all of a line that never ends
PATIENCE = 60.0


def directories(engine: Engine, name: str) -> list[str]:
    """The group's directory in each hierarchy."""
    path = engine.group_inspect(name)["CgroupPath"]
    return [directory for directory in cgroups.driver().directories(path) if directory.endswith(path)]


def sleeper(engine: Engine, group: str, **options: Any) -> Container:
    return engine.run("host", ["sleep", "600"], detach=True, group=group, **options)


def limits(engine: Engine, name: str) -> tuple[Any, Any]:
    """Of memory and of pids, as the kernel has them."""
    numbers = cgroups.driver().stats(engine.group_inspect(name)["CgroupPath"])
    return numbers["memory"]["limit"], numbers["pids"]["limit"]


def eventually(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Records --------------------------------------------------------------------------------------------------------------


def test_a_group_is_listed_inspected_and_removed(engine: Engine) -> None:
    made = engine.group_create("gold", cpus=1, memory="1g", pids=500, label=["tier=1"])
    engine.group_create("gold/silver", cpu_shares=512)

    assert (made["Name"], made["Warnings"], made["Labels"]) == ("gold", [], {"tier": "1"})
    assert [one["Name"] for one in engine.group_ls()] == ["gold", "gold/silver"]
    assert [one["Name"] for one in engine.group_ls(filters={"label": ["tier=1"]})] == ["gold"]
    found = engine.inspect("gold", type="group")
    assert found["Groups"] == ["gold/silver"]
    limits = found["Limits"]
    assert (limits["NanoCpus"], limits["Memory"], limits["PidsLimit"]) == (10**9, 1 << 30, 500)
    engine.group_rm("gold/silver")
    engine.group_rm("gold")
    assert engine.group_ls() == []


@pytest.mark.parametrize(
    ("name", "options", "error", "line"),
    [
        ("a b", {}, InvalidInput, 'group: "a b" is not the name of a group'),
        ("../x", {}, InvalidInput, "is not the name of a group"),
        ("gold/", {}, InvalidInput, "is not the name of a group"),
        ("lost/one", {}, NotFound, r"no such group: lost \(ringfence group create lost\)"),
        ("gold", {}, Conflict, "the group gold exists already"),
        ("gold/big", {"cpus": "1"}, InvalidInput, "--cpus: group gold/big would have 1 CPUs, and group gold has 0.5"),
        ("new", {"memory": "1k"}, InvalidInput, '--memory: "1k" is below the minimum'),
        ("new", {"volume": "/x"}, InvalidInput, "--volume: is not a limit that containers can share"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    engine: Engine, name: str, options: dict[str, Any], error: type[Exception], line: str
) -> None:
    engine.group_create("gold", cpus="0.5")
    with pytest.raises(error, match=line):
        engine.group_create(name, **options)
    assert [one["Name"] for one in engine.group_ls()] == ["gold"]


def test_a_container_cannot_be_in_a_group_that_is_not_there_or_too_small(engine: Engine) -> None:
    with pytest.raises(NotFound, match="no such group: gold"):
        engine.create("host", ["true"], group="gold")
    engine.group_create("gold", cpus="0.5")
    with pytest.raises(InvalidInput, match=r"the container would have 1 CPUs, and group gold has 0\.5"):
        engine.create("host", ["true"], group="gold", cpus=1)
    with pytest.raises(InvalidInput, match="--group and --cgroup-parent cannot both be set"):
        engine.create("host", ["true"], group="gold", cgroup_parent="/x")
    assert engine.ps(all=True) == []


def test_a_group_is_not_removed_while_a_container_or_a_group_is_in_it(engine: Engine) -> None:
    engine.group_create("gold")
    engine.group_create("gold/silver")
    stopped = engine.create("host", ["true"], group="gold/silver")

    with pytest.raises(Conflict, match="group gold has groups below it: gold/silver"):
        engine.group_rm("gold")
    with pytest.raises(Conflict, match=f"group gold/silver is in use by container {stopped.id[:12]}"):
        engine.group_rm("gold/silver")
    assert [one["Id"] for one in engine.ps(all=True, filters={"group": ["gold"]})] == [stopped.id]
    with pytest.raises(NotFound, match="no such group: none"):
        engine.group_rm("none")
    engine.group_rm("none", force=True)


# Cgroups --------------------------------------------------------------------------------------------------------------


def test_its_cgroups_are_made_on_first_use_with_its_limits_and_go_with_it(engine: Engine) -> None:
    engine.group_create("gold", memory="64m", pids=50)
    engine.group_create("gold/silver", pids=20)
    both = directories(engine, "gold") + directories(engine, "gold/silver")
    assert not any(map(os.path.exists, both))

    engine.run("host", ["true"], rm=True, group="gold/silver")

    assert all(map(os.path.isdir, both))
    assert (limits(engine, "gold"), limits(engine, "gold/silver")) == ((64 << 20, 50), (None, 20))
    engine.group_rm("gold/silver")
    engine.group_rm("gold")
    assert not any(map(os.path.exists, both))


def test_limits_are_changed_live_and_kept(engine: Engine) -> None:
    engine.group_create("gold", memory="64m", pids=50)
    container = sleeper(engine, "gold")
    engine.group_update("gold", memory="96m", memory_swap="96m", pids=60, cpus="0.5")

    assert limits(engine, "gold") == (96 << 20, 60)
    assert engine.group_inspect("gold")["Limits"]["NanoCpus"] == 5 * 10**8
    with pytest.raises(InvalidInput, match="the container would have 1 CPUs"):
        container_update(engine, container, cpus=1)
    container_update(engine, container, cpus="0.4")
    with pytest.raises(Conflict, match=r"--cpus: container \S+ in group gold has 0.4 CPUs, which is above 0.2"):
        engine.group_update("gold", cpus="0.2")
    with pytest.raises(InvalidInput, match="--cpuset-cpus: cannot be changed by update"):
        engine.group_update("gold", cpuset_cpus="0")


def container_update(engine: Engine, container: Container, **options: Any) -> None:
    engine.update(container.id, **options)


def test_an_update_that_the_kernel_refuses_changes_nothing(engine: Engine) -> None:
    needs.cgroup_v1()  # which refuses a limit of memory below its use
    engine.group_create("gold", memory="256m", memory_swap="256m", pids=50)
    script = "head -c 64m /dev/zero | tail -c 64m >/dev/shm/x; sleep 600"
    container = engine.run("host", ["sh", "-c", script], detach=True, group="gold", shm_size="128m")
    own = f"{engine.group_inspect('gold')['CgroupPath']}/{container.id}"
    eventually(lambda: (cgroups.driver().stats(own)["memory"]["usage"] or 0) > 60 << 20)

    with pytest.raises(Exception, match=r"linux\.resources\.memory\.limit"):
        engine.group_update("gold", memory="16m", memory_swap="16m", pids=40)

    assert limits(engine, "gold") == (256 << 20, 50)
    assert engine.group_inspect("gold")["Limits"]["PidsLimit"] == 50


def test_after_a_reboot_they_are_made_again(engine: Engine) -> None:
    engine.group_create("gold", memory="64m", pids=50)
    engine.run("host", ["true"], rm=True, group="gold")
    before = limits(engine, "gold")
    shutil.rmtree(engine.state)  # what a reboot forgets
    cgroups.driver().remove(engine.group_inspect("gold")["CgroupPath"])

    engine.run("host", ["true"], rm=True, group="gold")

    assert limits(engine, "gold") == before


def test_a_removal_that_was_cut_off_is_completed_by_the_next_command(engine: Engine) -> None:
    engine.group_create("gold")
    engine.run("host", ["true"], rm=True, group="gold")
    left = directories(engine, "gold")
    record = engine.groups.get("gold")
    record.phase = REMOVING
    engine.groups.save(record)

    with pytest.raises(NotFound, match="no such group: gold"):
        engine.create("host", ["true"], group="gold")

    assert not any(map(os.path.exists, left))
    assert os.listdir(f"{engine.state}/groups") == []


def test_an_update_that_was_cut_off_is_completed_by_the_next_command(engine: Engine) -> None:
    engine.group_create("gold", pids=50)
    engine.run("host", ["true"], rm=True, group="gold")
    record = engine.groups.get("gold")
    record.options = {"pids_limit": 60}
    with group_cgroup.Mark(engine, record) as mark:  # as `change` leaves it before it writes into the cgroup
        mark.write(mark.cgroup, "")
        engine.groups.save(record)

    engine.group_ls()

    assert limits(engine, "gold")[1] == 60


def test_a_start_writes_nothing_into_a_group_that_is_there(engine: Engine) -> None:
    """A CPU quota that is written anew is time given away."""
    engine.group_create("gold", pids=50)
    engine.run("host", ["true"], rm=True, group="gold")
    _, group = cgroups.driver()._places.controlled(engine.group_inspect("gold")["CgroupPath"], "pids")
    Path(group.path, "pids.max").write_text("77")

    engine.run("host", ["true"], rm=True, group="gold")

    assert limits(engine, "gold")[1] == 77


def test_rates_of_block_devices_are_of_one_on_cgroup_v1_and_of_all_above_on_v2(engine: Engine) -> None:
    device = device_of(engine.root)
    engine.group_create("gold", device_read_bps=f"{device}:1mb")
    nested: dict[str, Any] = {"device_write_bps": f"{device}:1mb"}
    if cgroups.driver().version("blkio", "io") == 1:
        with pytest.raises(Unsupported, match="group gold/silver would have rates and group gold has some"):
            engine.group_create("gold/silver", **nested)
        with pytest.raises(Unsupported, match="the container would have rates and group gold has some"):
            engine.create("host", ["true"], group="gold", **nested)
        with pytest.raises(Unsupported, match="--runtime: runc cannot hold to the rates of block devices"):
            engine.create("host", ["true"], group="gold", runtime="runc")
        return
    engine.group_create("gold/silver", **nested)
    engine.run("host", ["true"], rm=True, group="gold/silver")
    assert "rbps=1048576" in Path(directories(engine, "gold")[0], "io.max").read_text()


# Effects --------------------------------------------------------------------------------------------------------------


def used(engine: Engine, *names: str) -> list[int]:
    """Nanoseconds of CPU time, by what `group stats` reads."""
    return [group_cgroup.stats(engine, engine.groups.get(name))["cpu"]["total"] or 0 for name in names]


def test_cpu_shares_of_one_to_three_give_three_times_the_cpu_time(engine: Engine) -> None:
    """Two containers in one group and one in the other, all on one CPU: it is the groups that are weighed."""
    one = {"cpuset_cpus": "0"} if os.cpu_count() != 1 else {}
    engine.group_create("few", cpu_shares=256, **one)
    engine.group_create("many", cpu_shares=768, **one)
    for group in ("few", "few", "many"):
        engine.run("host", BURN, detach=True, group=group)
    begin = used(engine, "few", "many")
    eventually(lambda: sum(used(engine, "few", "many")) > sum(begin) + 3 * 10**9)
    few, many = (now - then for now, then in zip(used(engine, "few", "many"), begin, strict=True))

    assert many / few == pytest.approx(3.0, rel=0.1)


def test_a_quota_of_half_a_cpu_is_half_a_cpu_for_all_together(engine: Engine) -> None:
    engine.group_create("half", cpus="0.5")
    for _ in range(2):
        engine.run("host", BURN, detach=True, group="half")
    shares: list[float] = []

    def look() -> bool:
        """A busy machine may give less, in some seconds, and never more."""
        begin, before = time.monotonic(), used(engine, "half")[0]
        time.sleep(2)
        after, end = used(engine, "half")[0], time.monotonic()
        shares.append((after - before) / 10**9 / (end - begin))
        assert shares[-1] < 0.56, shares  # a window may begin and end within two different periods
        return 0.48 <= shares[-1] <= 0.52

    eventually(look)


def test_memory_that_runs_out_kills_inside_of_the_group_only(engine: Engine) -> None:
    engine.group_create("gold", memory="48m", memory_swap="48m")
    engine.group_create("gold/silver")
    modest = sleeper(engine, "gold")
    outside = engine.run("host", ["sleep", "600"], detach=True, memory="48m")
    greedy = engine.run("host", FILL, detach=True, group="gold/silver")

    assert engine.wait(greedy.id, timeout=PATIENCE) == 137
    assert engine.inspect(greedy.id)["State"]["OOMKilled"] is True
    for container in (modest, outside):
        assert engine.inspect(container.id)["State"]["Running"] is True
        assert engine.inspect(container.id)["State"]["OOMKilled"] is False


def test_processes_are_counted_over_all_containers(engine: Engine) -> None:
    engine.group_create("gold", pids=8)
    for _ in range(2):
        engine.run("host", ["sh", "-c", "sleep 600 & sleep 600 & wait"], detach=True, group="gold")
    eventually(lambda: cgroups.driver().stats(engine.group_inspect("gold")["CgroupPath"])["pids"]["current"] == 6)

    script = "sleep 600 & sleep 600 & sleep 600 & wait"
    refused = engine.run("host", ["sh", "-c", script], rm=True, group="gold")

    assert b"fork" in refused.stderr.lower(), refused.stderr


def test_a_rate_of_a_block_device_is_shared_by_all(engine: Engine, tmp_path: Path) -> None:
    """Two containers write 3 MiB each at 4 MiB/s together, which one alone writes in 0.75 s; then one by `exec`."""
    engine.group_create("gold", device_write_bps=f"{device_of(tmp_path)}:4mb")
    engine.group_create("gold/silver")
    script = "dd if=/dev/zero of=/v/$HOSTNAME.$$ bs=256k count=12 oflag=direct 2>/dev/null"
    begin = time.monotonic()
    writers = [
        engine.run("host", ["sh", "-c", script], detach=True, group=group, volume=f"{tmp_path}:/v")
        for group in ("gold", "gold/silver")
    ]
    for writer in writers:
        assert engine.wait(writer.id, timeout=PATIENCE) == 0
    assert time.monotonic() - begin > 1.2

    container = engine.run("host", ["sleep", "600"], detach=True, group="gold", volume=f"{tmp_path}:/v")
    begin = time.monotonic()
    assert engine.exec(container.id, ["sh", "-c", script]).exit_code == 0
    assert time.monotonic() - begin > 0.6


def device_of(path: str | Path) -> str:
    """The block device on which a path is stored."""
    number = os.stat(path).st_dev
    for name in os.listdir("/dev"):
        found = os.lstat(f"/dev/{name}")
        if stat.S_ISBLK(found.st_mode) and found.st_rdev == number:
            return f"/dev/{name}"
    needs.missing("a block device", f"needs {path} on a block device")
    return ""


def test_stats_add_up_what_its_containers_use(engine: Engine) -> None:
    engine.group_create("gold", memory="64m", memory_swap="64m")
    engine.group_create("gold/silver")
    for group in ("gold", "gold/silver"):
        sleeper(engine, group)

    (both, one), *_ = list(engine.group_stats(interval=0.05))
    (named,), *_ = list(engine.group_stats(["gold/silver"], interval=0.05))

    assert [both["name"], one["name"], named["name"]] == ["gold", "gold/silver", "gold/silver"]
    assert (both["containers"], one["containers"]) == (2, 1)
    assert both["pids_stats"]["current"] == 2
    assert both["memory_stats"]["limit"] == 64 << 20
    assert both["Summary"]["MemUsage"].endswith("/ 64MiB")
