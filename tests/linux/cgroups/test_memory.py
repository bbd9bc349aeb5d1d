"""Memory limits: v1's files, v2's, the conversions between them, and the order of an update."""

from __future__ import annotations

import errno

import pytest

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux.cgroups import CgroupDriver
from tests.linux.cgroups.layouts import present, written

MIB = 1 << 20
NONE_V1 = "9223372036854771712"


def test_v1_writes_the_limit_before_memory_and_swap(v1: CgroupDriver) -> None:
    assert written(v1, {"memory": {"limit": 64, "swap": 96, "reservation": 32}}) == [
        "memory.limit_in_bytes=64",
        "memory.memsw.limit_in_bytes=96",
        "memory.soft_limit_in_bytes=32",
    ]


def test_v2_counts_swap_alone(v2: CgroupDriver) -> None:
    assert written(v2, {"memory": {"limit": 64, "swap": 96, "reservation": 32}}) == [
        "memory.swap.max=32",
        "memory.max=64",
        "memory.low=32",
    ]


def test_minus_one_is_no_limit(v1: CgroupDriver, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert written(v1, {"memory": {"limit": 64, "swap": -1, "reservation": -1}}) == [
        "memory.limit_in_bytes=64",
        "memory.memsw.limit_in_bytes=-1",
        "memory.soft_limit_in_bytes=-1",
    ]


def test_minus_one_is_max_in_v2(v2: CgroupDriver) -> None:
    assert written(v2, {"memory": {"limit": 64, "swap": -1, "reservation": -1}}) == [
        "memory.swap.max?=max",
        "memory.max=64",
        "memory.low=max",
    ]


def test_no_swap_at_all_needs_no_swap_accounting_in_v2(v2: CgroupDriver) -> None:
    assert written(v2, {"memory": {"limit": 64, "swap": 64}}) == ["memory.swap.max?=0", "memory.max=64"]


def test_zero_is_not_given(anywhere: CgroupDriver) -> None:
    assert written(anywhere, {"memory": {"limit": 0, "swap": 0, "reservation": 0}}) == []


def test_unlimited_memory_frees_swap_too(v1: CgroupDriver) -> None:
    present(v1, memory__limit_in_bytes="64", memory__memsw__limit_in_bytes="96")
    assert written(v1, {"memory": {"limit": -1}}) == ["memory.memsw.limit_in_bytes?=-1", "memory.limit_in_bytes=-1"]


def test_unlimited_memory_frees_swap_too_in_v2(v2: CgroupDriver) -> None:
    assert written(v2, {"memory": {"limit": -1}}) == ["memory.swap.max?=max", "memory.max=max"]


def test_a_growing_limit_is_written_after_memory_and_swap(v1: CgroupDriver) -> None:
    present(v1, memory__limit_in_bytes="64", memory__memsw__limit_in_bytes="64")
    assert written(v1, {"memory": {"limit": 128, "swap": 128}}) == [
        "memory.memsw.limit_in_bytes=128",
        "memory.limit_in_bytes=128",
    ]


def test_a_shrinking_limit_is_written_before_memory_and_swap(v1: CgroupDriver) -> None:
    present(v1, memory__limit_in_bytes="64", memory__memsw__limit_in_bytes="64")
    assert written(v1, {"memory": {"limit": 32, "swap": 48}}) == [
        "memory.limit_in_bytes=32",
        "memory.memsw.limit_in_bytes=48",
    ]


def test_growing_beyond_memory_and_swap_asks_for_both(v1: CgroupDriver) -> None:
    present(v1, memory__limit_in_bytes="64", memory__memsw__limit_in_bytes="64")
    with pytest.raises(InvalidInput, match=r"memory\.limit: 128 is above .* 64 \(raise linux\.resources\.memory\.swap"):
        v1.settings("/box", {"memory": {"limit": 128}})


def test_swap_alone_is_measured_by_the_present_limit(v1: CgroupDriver) -> None:
    present(v1, memory__limit_in_bytes="64", memory__memsw__limit_in_bytes=NONE_V1)
    assert written(v1, {"memory": {"swap": 96}}) == ["memory.memsw.limit_in_bytes=96"]


def test_swap_alone_is_measured_by_the_present_limit_in_v2(v2: CgroupDriver) -> None:
    present(v2, memory__max="64")
    assert written(v2, {"memory": {"swap": 96}}) == ["memory.swap.max=32"]


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_a_limit_below_the_use_is_refused_if_that_is_asked_for(kind: str, request: pytest.FixtureRequest) -> None:
    machine: CgroupDriver = request.getfixturevalue(kind)
    present(machine, memory__usage_in_bytes="1000", memory__current="1000")
    assert machine.settings("/box", {"memory": {"limit": 1000, "checkBeforeUpdate": True}})
    assert machine.settings("/box", {"memory": {"limit": 999}})
    with pytest.raises(OSError, match="below the present use") as caught:
        machine.settings("/box", {"memory": {"limit": 999, "checkBeforeUpdate": True}})
    assert caught.value.errno == errno.EBUSY


def test_the_rest_of_v1(v1: CgroupDriver) -> None:
    memory = {"kernel": 5, "kernelTCP": 6, "swappiness": 0, "disableOOMKiller": True, "useHierarchy": True}
    assert written(v1, {"memory": memory}) == [
        "memory.use_hierarchy=1",
        "memory.kmem.limit_in_bytes?=5",
        "memory.kmem.tcp.limit_in_bytes?=6",
        "memory.swappiness=0",
        "memory.oom_control=1",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("kernel", 5), ("kernelTCP", 6), ("swappiness", 60), ("disableOOMKiller", True), ("useHierarchy", False)],
)
def test_what_v2_lacks_is_refused_by_name(v2: CgroupDriver, name: str, value: object) -> None:
    with pytest.raises(Unsupported, match=rf"linux\.resources\.memory\.{name}: cgroup v2"):
        v2.settings("/box", {"memory": {name: value}})


def test_what_engines_always_send_is_no_trouble_in_v2(v2: CgroupDriver) -> None:
    assert written(v2, {"memory": {"disableOOMKiller": False, "kernel": 0, "useHierarchy": True}}) == []


def test_figures_of_v1(v1: CgroupDriver) -> None:
    present(
        v1,
        memory__usage_in_bytes="1000",
        memory__limit_in_bytes="4096",
        memory__stat="cache 1\ntotal_cache 300\ntotal_inactive_file 200",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2",
    )
    assert v1.stats("/box")["memory"] == {"usage": 1000, "limit": 4096, "working_set": 800, "cache": 300}
    assert v1.oom_kills("/box") == 2


def test_figures_of_v2(v2: CgroupDriver) -> None:
    present(
        v2,
        memory__current="1000",
        memory__max="max",
        memory__stat="anon 1\nfile 300\ninactive_file 200",
        memory__events="oom 3\noom_kill 2",
    )
    assert v2.stats("/box")["memory"] == {"usage": 1000, "limit": None, "working_set": 800, "cache": 300}
    assert v2.oom_kills("/box") == 2
    assert v2.oom_file("/box")[0].endswith("/box/memory.events")
