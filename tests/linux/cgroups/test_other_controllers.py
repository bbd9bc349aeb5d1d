"""Huge pages, network classes, RDMA, and the files of v2 by name."""

from __future__ import annotations

import pytest

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux.cgroups import CgroupDriver
from tests.linux.cgroups.layouts import written

HUGE = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}, {"pageSize": "1GB", "limit": 0}]}


def test_huge_pages_are_limited_at_reservation_where_the_kernel_can_and_at_use(v1: CgroupDriver) -> None:
    assert written(v1, HUGE) == [
        "hugetlb.2MB.rsvd.limit_in_bytes?=4194304",
        "hugetlb.2MB.limit_in_bytes=4194304",
        "hugetlb.1GB.rsvd.limit_in_bytes?=0",
        "hugetlb.1GB.limit_in_bytes=0",
    ]


def test_huge_pages_of_v2(v2: CgroupDriver) -> None:
    assert written(v2, HUGE)[:2] == ["hugetlb.2MB.rsvd.max?=4194304", "hugetlb.2MB.max=4194304"]


def test_a_hybrid_machine_switches_a_v2_controller_on_when_it_is_needed(hybrid: CgroupDriver) -> None:
    assert all("subtree_control" not in setting.path for setting in hybrid.preset("/ringfence/box"))
    settings = hybrid.settings("/ringfence/box", HUGE)
    assert [(setting.path.partition("/unified/")[2], setting.value) for setting in settings[:3]] == [
        ("cgroup.subtree_control", "+hugetlb"),
        ("ringfence/cgroup.subtree_control", "+hugetlb"),
        ("ringfence/box/hugetlb.2MB.rsvd.max", "4194304"),
    ]


def test_network_classes_and_priorities_are_v1s_alone(v1: CgroupDriver) -> None:
    network = {"classID": 0x100001, "priorities": [{"name": "lo", "priority": 500}, {"name": "eth0", "priority": 0}]}
    assert written(v1, {"network": network}) == [
        "net_cls.classid=1048577",
        "net_prio.ifpriomap=lo 500",
        "net_prio.ifpriomap=eth0 0",
    ]


def test_network_classes_are_refused_in_v2(v2: CgroupDriver) -> None:
    with pytest.raises(Unsupported, match=r"linux\.resources\.network\.classID: .* net_cls"):
        v2.settings("/box", {"network": {"classID": 1}})


@pytest.mark.parametrize(
    "priority", [{"name": "eth0"}, {"name": "a b", "priority": 1}, {"name": "x" * 16, "priority": 1}]
)
def test_a_wrong_network_priority_is_named(v1: CgroupDriver, priority: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=r"linux\.resources\.network\.priorities\[0\]"):
        v1.settings("/box", {"network": {"priorities": [priority]}})


def test_rdma_is_the_same_in_both_versions(anywhere: CgroupDriver) -> None:
    rdma = {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}, "mlx4_0": {"hcaObjects": 5}}
    assert written(anywhere, {"rdma": rdma}) == [
        "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
        "rdma.max=mlx4_0 hca_object=5",
    ]
    with pytest.raises(InvalidInput, match=r"rdma\.mlx5_1: neither"):
        anywhere.settings("/box", {"rdma": {"mlx5_1": {}}})


def test_unified_files_are_written_as_they_are_even_unknown_ones(v2: CgroupDriver) -> None:
    files = {"memory.high": "1000", "memory.not_known_yet": "x", "cgroup.max.depth": "3"}
    assert written(v2, {"unified": files}) == ["memory.high=1000", "memory.not_known_yet=x", "cgroup.max.depth=3"]


def test_unified_needs_the_controller(v2: CgroupDriver) -> None:
    with pytest.raises(Unsupported, match=r'unified\["misc\.max"\]: .* controller misc'):
        v2.settings("/box", {"unified": {"misc.max": "1"}})


def test_unified_needs_cgroup_v2(v1: CgroupDriver) -> None:
    with pytest.raises(Unsupported, match=r'unified\["memory\.high"\]: no cgroup v2'):
        v1.settings("/box", {"unified": {"memory.high": "1"}})


def test_unified_on_a_hybrid_machine_reaches_what_is_bound_to_v2(hybrid: CgroupDriver) -> None:
    assert written(hybrid, {"unified": {"hugetlb.2MB.max": "0"}})[-1] == "hugetlb.2MB.max=0"
    assert written(hybrid, {"unified": {"cgroup.max.depth": "0"}}) == ["cgroup.max.depth=0"]
    with pytest.raises(Unsupported, match="controller memory"):
        hybrid.settings("/box", {"unified": {"memory.high": "0"}})
