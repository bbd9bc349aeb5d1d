"""CPU time and CPUs: weights, quotas and their order, real time, cpusets."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import Unsupported
from ringfence.linux.cgroups import CgroupDriver
from ringfence.linux.cgroups.cpu import weight_of
from tests.linux.cgroups.layouts import present, written


@pytest.mark.parametrize(("shares", "weight"), [(1, 1), (2, 1), (102, 17), (512, 59), (1024, 100), (262144, 10000)])
def test_shares_become_weights_so_that_the_defaults_meet(shares: int, weight: int) -> None:
    assert weight_of(shares) == weight


def test_weights_grow_with_shares() -> None:
    weights = [weight_of(shares) for shares in range(2, 262145, 997)]
    assert weights == sorted(weights)


def test_v1_takes_shares_and_quota_as_they_are(v1: CgroupDriver) -> None:
    cpu = {"shares": 512, "quota": 50000, "period": 200000, "burst": 1000}
    assert written(v1, {"cpu": cpu}) == [
        "cpu.shares=512",
        "cpu.cfs_period_us=200000",
        "cpu.cfs_quota_us=50000",
        "cpu.cfs_burst_us=1000",
    ]


def test_v2_takes_a_weight_and_quota_with_period(v2: CgroupDriver) -> None:
    cpu = {"shares": 1024, "quota": 50000, "period": 200000, "burst": 1000}
    assert written(v2, {"cpu": cpu}) == ["cpu.weight=100", "cpu.max=50000 200000", "cpu.max.burst=1000"]


def test_what_is_not_given_stays(v2: CgroupDriver) -> None:
    assert written(v2, {"cpu": {"quota": 50000}}) == ["cpu.max=50000 100000"]
    present(v2, cpu__max="30000 60000")
    assert written(v2, {"cpu": {"quota": 50000}}) == ["cpu.max=50000 60000"]
    assert written(v2, {"cpu": {"quota": -1}}) == ["cpu.max=max 60000"]
    assert written(v2, {"cpu": {"period": 90000}}) == ["cpu.max=30000 90000"]


def test_a_shrinking_period_is_written_after_the_quota(v1: CgroupDriver) -> None:
    present(v1, cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert written(v1, {"cpu": {"quota": 10000, "period": 20000}}) == [
        "cpu.cfs_quota_us=10000",
        "cpu.cfs_period_us=20000",
    ]
    assert written(v1, {"cpu": {"quota": 60000, "period": 200000}}) == [
        "cpu.cfs_period_us=200000",
        "cpu.cfs_quota_us=60000",
    ]
    assert written(v1, {"cpu": {"quota": -1, "period": 200000}}) == ["cpu.cfs_quota_us=-1", "cpu.cfs_period_us=200000"]


def test_a_shrinking_burst_is_written_before_the_quota(v1: CgroupDriver) -> None:
    present(v1, cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000", cpu__cfs_burst_us="40000")
    assert written(v1, {"cpu": {"quota": 10000, "burst": 5000}}) == ["cpu.cfs_burst_us=5000", "cpu.cfs_quota_us=10000"]


def test_idle_is_set_after_the_weight_and_taken_back_before_it(anywhere: CgroupDriver) -> None:
    shares = "cpu.weight=59" if anywhere.kind == "v2" else "cpu.shares=512"
    assert written(anywhere, {"cpu": {"shares": 512, "idle": 1}}) == [shares, "cpu.idle=1"]
    assert written(anywhere, {"cpu": {"shares": 512, "idle": 0}}) == ["cpu.idle=0", shares]


def test_real_time_is_v1s_alone(v1: CgroupDriver) -> None:
    realtime = {"realtimeRuntime": 5000, "realtimePeriod": 10000}
    assert written(v1, {"cpu": realtime}) == ["cpu.rt_period_us=10000", "cpu.rt_runtime_us=5000"]


def test_real_time_is_refused_in_v2(v2: CgroupDriver) -> None:
    with pytest.raises(Unsupported, match=r"linux\.resources\.cpu\.realtimeRuntime"):
        v2.settings("/box", {"cpu": {"realtimeRuntime": 5000}})
    assert written(v2, {"cpu": {"realtimeRuntime": 0, "realtimePeriod": 0}}) == []


def test_cpus_and_memory_nodes(anywhere: CgroupDriver) -> None:
    assert written(anywhere, {"cpu": {"cpus": "0-1,3", "mems": "0"}}) == ["cpuset.cpus=0-1,3", "cpuset.mems=0"]


def test_a_new_v1_cpuset_gets_its_parents_values_at_every_level(v1: CgroupDriver) -> None:
    preset = [(setting.path.partition("/cpuset/")[2], setting.value) for setting in v1.preset("/ringfence/box")]
    assert preset == [
        ("ringfence/cpuset.cpus", "0-3"),
        ("ringfence/box/cpuset.cpus", "0-3"),
        ("ringfence/cpuset.mems", "0"),
        ("ringfence/box/cpuset.mems", "0"),
    ]


def test_a_v1_cpuset_that_has_values_keeps_and_hands_them_on(v1: CgroupDriver) -> None:
    present(v1, "/ringfence", cpuset__cpus="2", cpuset__mems="0")
    preset = [(setting.path.partition("/cpuset/")[2], setting.value) for setting in v1.preset("/ringfence/box")]
    assert preset == [("ringfence/box/cpuset.cpus", "2"), ("ringfence/box/cpuset.mems", "0")]


def test_v2_controllers_are_switched_on_from_the_root_down_where_they_are_not(v2: CgroupDriver, tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpuset cpu io memory hugetlb rdma\n")
    preset = [(setting.path.removeprefix(str(tmp_path)), setting.value) for setting in v2.preset("/ringfence/box")]
    assert preset[0] == ("/cgroup.subtree_control", "+pids")
    assert {path for path, _ in preset[1:]} == {"/ringfence/cgroup.subtree_control"}
    assert len(preset[1:]) == 7


def test_times_are_nanoseconds(anywhere: CgroupDriver) -> None:
    v2 = anywhere.kind == "v2"
    present(
        anywhere,
        cpuacct__usage="3000",
        cpuacct__usage_user="2000",
        cpuacct__usage_sys="1000",
        cpu__stat="usage_usec 3\nuser_usec 2\nsystem_usec 1\nnr_periods 9\nnr_throttled 4\nthrottled_usec 5"
        if v2
        else "nr_periods 9\nnr_throttled 4\nthrottled_time 5000",
    )
    assert anywhere.stats("/box")["cpu"] == {
        "total": 3000, "user": 2000, "system": 1000, "throttled": 5000, "periods": 9, "throttled_periods": 4,
    }  # fmt: skip
