"""Block I/O: weights and throttles in both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.errors import Unsupported
from ringfence.linux.cgroups import CgroupDriver
from tests.linux.cgroups.layouts import present, written

DISK = {"major": 254, "minor": 0}
BLOCK_IO = {
    "throttleReadBpsDevice": [{**DISK, "rate": 1000}],
    "throttleWriteBpsDevice": [{**DISK, "rate": 2000}],
    "throttleReadIOPSDevice": [{**DISK, "rate": 30}],
    "throttleWriteIOPSDevice": [{**DISK, "rate": 0}],
}


def test_throttles_of_v1(v1: CgroupDriver) -> None:
    assert written(v1, {"blockIO": BLOCK_IO}) == [
        "blkio.throttle.read_bps_device=254:0 1000",
        "blkio.throttle.write_bps_device=254:0 2000",
        "blkio.throttle.read_iops_device=254:0 30",
        "blkio.throttle.write_iops_device=254:0 0",
    ]


def test_throttles_of_v2(v2: CgroupDriver) -> None:
    assert written(v2, {"blockIO": BLOCK_IO}) == [
        "io.max=254:0 rbps=1000",
        "io.max=254:0 wbps=2000",
        "io.max=254:0 riops=30",
        "io.max=254:0 wiops=max",
    ]


WEIGHTS = {"weight": 500, "weightDevice": [{**DISK, "weight": 10}]}


def test_weights_of_v1_are_bfqs(v1: CgroupDriver) -> None:
    assert written(v1, {"blockIO": WEIGHTS}) == ["blkio.bfq.weight=500", "blkio.bfq.weight_device=254:0 10"]


def test_weights_of_old_kernels_are_cfqs(v1: CgroupDriver, tmp_path: Path) -> None:
    (tmp_path / "blkio/blkio.leaf_weight").touch()
    both = {**WEIGHTS, "leafWeight": 20, "weightDevice": [{**DISK, "weight": 10, "leafWeight": 30}]}
    assert written(v1, {"blockIO": both}) == [
        "blkio.weight=500",
        "blkio.leaf_weight=20",
        "blkio.weight_device=254:0 10",
        "blkio.leaf_weight_device=254:0 30",
    ]


def test_weights_of_v2_go_to_whichever_policy_there_is(v2: CgroupDriver, tmp_path: Path) -> None:
    assert written(v2, {"blockIO": WEIGHTS}) == [
        "io.bfq.weight=default 500",
        "io.weight?=default 4950",
        "io.bfq.weight=254:0 10",
        "io.weight?=254:0 1",
    ]
    (tmp_path / "io.cost.qos").touch()
    assert written(v2, {"blockIO": {"weight": 1000}}) == ["io.bfq.weight?=default 1000", "io.weight=default 10000"]


def test_leaf_weights_are_refused_in_v2(v2: CgroupDriver) -> None:
    with pytest.raises(Unsupported, match=r"blockIO\.leafWeight"):
        v2.settings("/box", {"blockIO": {"leafWeight": 10}})
    with pytest.raises(Unsupported, match=r"blockIO\.weightDevice\[0\]\.leafWeight"):
        v2.settings("/box", {"blockIO": {"weightDevice": [{**DISK, "leafWeight": 10}]}})


def test_traffic_is_summed_over_devices(anywhere: CgroupDriver) -> None:
    present(
        anywhere,
        blkio__throttle__io_service_bytes_recursive="254:0 Read 10\n254:0 Write 20\n254:0 Total 30\n7:0 Read 1",
        io__stat="254:0 rbytes=10 wbytes=20 rios=1 wios=2\n7:0 rbytes=1 wbytes=0",
    )
    assert anywhere.stats("/box")["blkio"] == {"read": 11, "write": 20}
