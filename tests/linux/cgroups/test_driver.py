"""What holds for the driver of every layout: v1, v2 and hybrid pass the same suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux.cgroups import CgroupDriver
from tests.linux.cgroups.layouts import present, written


def test_directories_come_with_their_parents_first(anywhere: CgroupDriver) -> None:
    directories = anywhere.directories("/ringfence/box")
    assert len(directories) % 2 == 0
    for parent, child in zip(directories[::2], directories[1::2], strict=True):
        assert parent.endswith("/ringfence") and child == f"{parent}/box"


def test_a_slash_more_or_less_makes_no_difference(anywhere: CgroupDriver) -> None:
    assert anywhere.directories("a//b/") == anywhere.directories("/a/b")


@pytest.mark.parametrize("path", ["/../etc", "/a/../..", "/a/./b", "/a\0b"])
def test_a_path_that_leaves_the_hierarchy_is_refused(anywhere: CgroupDriver, path: str) -> None:
    with pytest.raises(InvalidInput, match=r"linux\.cgroupsPath"):
        anywhere.directories(path)


def test_a_process_joins_every_directory_that_is_made(anywhere: CgroupDriver) -> None:
    tasks, tree = anywhere.joins("/box")
    joined = [path.removesuffix("/tasks") for path in tasks] + ([tree] if tree else [])
    assert sorted(joined) == sorted(anywhere.directories("/box"))
    assert (tree is None) == (anywhere.kind == "v1")


def test_every_common_limit_is_written_into_a_directory_that_is_made(anywhere: CgroupDriver) -> None:
    resources = {
        "memory": {"limit": 1 << 26, "swap": 1 << 27, "reservation": 1 << 25},
        "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": 100},
        "blockIO": {"weight": 100, "throttleReadBpsDevice": [{"major": 254, "minor": 0, "rate": 1048576}]},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
    }
    settings = anywhere.settings("/box", resources)
    made = set(anywhere.directories("/box"))
    for setting in settings:
        assert str(Path(setting.path).parent) in made or setting.path.endswith("/cgroup.subtree_control")
        assert setting.reason.startswith("linux.resources.") or setting.path.endswith("/cgroup.subtree_control")
    assert {setting.reason.split(".")[2].partition("[")[0] for setting in settings if setting.reason[0] == "l"} == set(
        resources
    )


@pytest.mark.parametrize(
    ("resources", "field"),
    [
        ({"memory": {"limit": "64m"}}, "linux.resources.memory.limit"),
        ({"memory": {"limit": -2}}, "linux.resources.memory.limit"),
        ({"memory": {"limit": True}}, "linux.resources.memory.limit"),
        ({"memory": {"limit": 1 << 63}}, "linux.resources.memory.limit"),
        ({"memory": [1]}, "linux.resources.memory"),
        ({"memory": {"swap": 10}}, "linux.resources.memory.swap"),
        ({"memory": {"limit": 20, "swap": 10}}, "linux.resources.memory.swap"),
        ({"memory": {"swappiness": 101}}, "linux.resources.memory.swappiness"),
        ({"memory": {"disableOOMKiller": 1}}, "linux.resources.memory.disableOOMKiller"),
        ({"cpu": {"shares": -1}}, "linux.resources.cpu.shares"),
        ({"cpu": {"quota": 999}}, "linux.resources.cpu.quota"),
        ({"cpu": {"period": 999}}, "linux.resources.cpu.period"),
        ({"cpu": {"period": 1000001}}, "linux.resources.cpu.period"),
        ({"cpu": {"quota": 2000, "burst": 2001}}, "linux.resources.cpu.burst"),
        ({"cpu": {"idle": 2}}, "linux.resources.cpu.idle"),
        ({"cpu": {"cpus": "0-"}}, "linux.resources.cpu.cpus"),
        ({"cpu": {"cpus": "3-1"}}, "linux.resources.cpu.cpus"),
        ({"cpu": {"mems": "all"}}, "linux.resources.cpu.mems"),
        ({"pids": {"limit": -2}}, "linux.resources.pids.limit"),
        ({"pids": {"limit": 1.5}}, "linux.resources.pids.limit"),
        ({"blockIO": {"weight": 9}}, "linux.resources.blockIO.weight"),
        ({"blockIO": {"weight": 1001}}, "linux.resources.blockIO.weight"),
        ({"blockIO": {"weightDevice": {}}}, "linux.resources.blockIO.weightDevice"),
        ({"blockIO": {"weightDevice": [{"major": 8, "minor": 0}]}}, "linux.resources.blockIO.weightDevice[0]"),
        ({"blockIO": {"weightDevice": [{"major": 8, "weight": 10}]}}, "linux.resources.blockIO.weightDevice[0]"),
        (
            {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0}]}},
            "linux.resources.blockIO.throttleReadBpsDevice[0].rate",
        ),
        ({"hugepageLimits": [{"pageSize": "2M", "limit": 1}]}, "linux.resources.hugepageLimits[0].pageSize"),
        ({"hugepageLimits": [{"pageSize": "../2MB", "limit": 1}]}, "linux.resources.hugepageLimits[0].pageSize"),
        ({"hugepageLimits": [{"pageSize": "2MB"}]}, "linux.resources.hugepageLimits[0]"),
        ({"unified": {"../memory.max": "1"}}, 'linux.resources.unified["../memory.max"]'),
        ({"unified": {"memory.max": 1}}, 'linux.resources.unified["memory.max"]'),
    ],
)
def test_a_wrong_value_is_named_by_its_field(anywhere: CgroupDriver, resources: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        anywhere.settings("/box", resources)
    assert str(caught.value).startswith(f"{field}: ")


def test_a_limit_without_its_controller_is_refused_and_not_forgotten(tmp_path: Path) -> None:
    from ringfence.linux.cgroups import detect, driver

    only_pids = driver(detect(f"1 1 0:1 / {tmp_path} rw - cgroup cgroup rw,pids", "1:pids:/"))
    for section, values, field in (
        ("memory", {"limit": 1 << 20}, r"memory\.limit"),
        ("network", {"classID": 1}, r"network\.classID"),
        ("rdma", {"mlx5_1": {"hcaHandles": 3}}, r"rdma\.mlx5_1"),
        ("unified", {"memory.high": "1"}, r'unified\["memory\.high"\]'),
    ):
        with pytest.raises(Unsupported, match=field):
            only_pids.settings("/box", {section: values})


def test_absent_null_and_empty_mean_the_same(anywhere: CgroupDriver) -> None:
    assert written(anywhere, {}) == []
    assert written(anywhere, {"memory": None, "cpu": {"shares": None}, "pids": {}, "hugepageLimits": []}) == []


def test_pids_minus_one_is_no_limit(anywhere: CgroupDriver) -> None:
    assert written(anywhere, {"pids": {"limit": -1}}) == ["pids.max=max"]
    assert written(anywhere, {"pids": {"limit": 7}}) == ["pids.max=7"]


def test_pids_zero_is_a_limit_and_not_none(v1: CgroupDriver) -> None:
    assert written(v1, {"pids": {"limit": 0}}) == ["pids.max=0"]


def test_where_the_first_process_is_cloned_into_the_cgroup_zero_becomes_one(v2: CgroupDriver) -> None:
    assert written(v2, {"pids": {"limit": 0}}) == ["pids.max=1"]


def test_a_cgroup_is_there_when_any_of_its_directories_is(anywhere: CgroupDriver) -> None:
    assert not anywhere.exists("/box")
    Path(anywhere.directories("/box")[-1]).mkdir(parents=True)
    assert anywhere.exists("/box")
    anywhere.remove("/box")
    assert not anywhere.exists("/box")


def test_statistics_of_a_cgroup_that_is_not_there_are_zero(anywhere: CgroupDriver) -> None:
    stats = anywhere.stats("/box")
    assert set(stats) == {"cpu", "memory", "pids", "blkio"}
    assert all(not value for section in stats.values() for value in section.values())
    assert anywhere.oom_kills("/box") == 0


def test_processes_are_those_of_all_cgroups_below(anywhere: CgroupDriver) -> None:
    present(anywhere, "/box", cgroup__procs="3\n1")
    present(anywhere, "/box/below", cgroup__procs="2\n3")
    assert anywhere.processes("/box") == [1, 2, 3]
    assert anywhere.processes("/elsewhere") == []


def test_frozen_is_what_the_kernel_says(anywhere: CgroupDriver) -> None:
    present(anywhere, freezer__state="FREEZING", cgroup__events="populated 1\nfrozen 0")
    assert not anywhere.frozen("/box")
    present(anywhere, freezer__state="FROZEN", cgroup__events="populated 1\nfrozen 1")
    assert anywhere.frozen("/box")
