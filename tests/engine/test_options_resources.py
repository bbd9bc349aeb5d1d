"""Limits: what is read, what is refused, and with which line."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import options_resources
from ringfence.engine.options import parse
from ringfence.errors import InvalidInput

from .test_options import refusal

CPUS = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("memory", "4m", '--memory: "4m" is below the minimum memory limit of 6m'),
        ("memory", "64q", '--memory: "64q" is not a size'),
        ("memory_reservation", "1m", '--memory-reservation: "1m" is below the minimum memory limit of 6m'),
        ("memory_swap", "1g", "--memory-swap: needs --memory to be set too"),
        ("memory_swappiness", "101", '--memory-swappiness: "101" is out of range: -1 to 100'),
        ("oom_kill_disable", True, "--oom-kill-disable: needs --memory, or the host may run out of memory"),
        ("cpus", "0.001", f'--cpus: "0.001" is out of range: 0.01 to {CPUS}.00, as only {CPUS} CPUs are available'),
        ("cpus", "9999", f'--cpus: "9999" is out of range: 0.01 to {CPUS}.00, as only {CPUS} CPUs are available'),
        ("cpus", "one", '--cpus: "one" is not a number of CPUs'),
        ("cpus", "-1", '--cpus: "-1" is not a number of CPUs'),
        ("cpus", "1.0000000001", '--cpus: "1.0000000001" is more precise than a billionth of a CPU'),
        ("cpu_shares", "-2", '--cpu-shares: "-2" is below 0'),
        ("cpu_period", "999", '--cpu-period: "999" is out of range: 1000 (1 ms) to 1000000 (1 s)'),
        ("cpu_quota", "500", '--cpu-quota: "500" is below the minimum of 1000 (1 ms)'),
        ("cpuset_cpus", "0-", '--cpuset-cpus: "0-" is not a list of numbers and ranges (such as 0-2,5)'),
        ("cpuset_cpus", "3-1", '--cpuset-cpus: "3-1" has a range that ends before it begins: 3-1'),
        ("cpuset_mems", "77", '--cpuset-mems: "77" asks for 77, available are 0'),
        ("pids_limit", "-5", '--pids-limit: "-5" is below -1 (unlimited)'),
        ("blkio_weight", "5", '--blkio-weight: "5" is out of range: 10 to 1000, or 0 for none'),
        ("shm_size", "big", '--shm-size: "big" is not a size'),
        ("oom_score_adj", "2000", '--oom-score-adj: "2000" is out of range: -1000 to 1000'),
        ("ulimit", "nofile", '--ulimit: "nofile" is not of the form TYPE=SOFT[:HARD]'),
        ("ulimit", "nofile=a", '--ulimit: "nofile=a" is not of the form TYPE=SOFT[:HARD]'),
        ("ulimit", "nofile=2:1", '--ulimit: "nofile=2:1" has a soft limit above its hard limit'),
        ("ulimit", "nofile=-1:5", '--ulimit: "nofile=-1:5" has a soft limit above its hard limit'),
        ("device", "dev/null", '--device: "dev/null" is not an absolute path: dev/null'),
        ("device", "/dev/null:/dev/x:rwx", "--device: \"/dev/null:/dev/x:rwx\" has invalid permissions 'rwx' "
                                           "(of r, w and m)"),
        ("device", "/a:/b:r:w", '--device: "/a:/b:r:w" is not of the form '
                                "HOST-DEVICE[:CONTAINER-DEVICE][:PERMISSIONS]"),
        ("device_read_bps", "/dev/sda", '--device-read-bps: "/dev/sda" is not of the form DEVICE:BYTES-PER-SECOND'),
        ("device_read_bps", "sda:1m", '--device-read-bps: "sda:1m" is not the path of a device: sda'),
        ("device_write_bps", "/dev/sda:0", '--device-write-bps: "/dev/sda:0" has a rate of 0'),
        ("device_read_iops", "/dev/sda:1m", '--device-read-iops: "1m" is not a number'),
        ("device_write_iops", "/dev/sda:-1", '--device-write-iops: "-1" is below 1'),
        ("device_cgroup_rule", "c 1:3", '--device-cgroup-rule: "c 1:3" is not of the form TYPE MAJOR:MINOR '
                                        "PERMISSIONS (such as c 10:200 rwm)"),
        ("cgroup_parent", "/a/../..", '--cgroup-parent: "/a/../.." may not contain ..'),
    ],
)  # fmt: skip
def test_a_bad_limit_is_refused_before_anything_is_made(name: str, value: object, message: str) -> None:
    assert refusal(**{name: value}) == message


def test_an_unknown_ulimit_tells_which_there_are() -> None:
    assert refusal(ulimit="files=5").startswith('--ulimit: "files=5" has an unknown type files (one of as, core, cpu,')


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"memory": "64m", "memory_swap": "32m"}, "--memory-swap: is below --memory "
                                                  "(it limits memory and swap together)"),
        ({"memory": "64m", "memory_reservation": "65m"}, "--memory-reservation: is above --memory"),
        ({"cpus": 1, "cpu_quota": 5000}, "--cpus and --cpu-quota cannot both be set"),
        ({"cpus": 1, "cpu_period": 5000}, "--cpus and --cpu-period cannot both be set"),
    ],
)  # fmt: skip
def test_limits_that_contradict_each_other_are_refused(raw: dict[str, object], message: str) -> None:
    assert refusal(**raw) == message


def test_cpus_are_counted_in_billionths() -> None:
    assert [parse({"cpus": value}).cpus for value in ("0.5", ".25", 1, 0.75, "0")] == [
        500_000_000, 250_000_000, 10**9, 750_000_000, 0,
    ]  # fmt: skip


def test_the_last_ulimit_of_a_type_wins_and_one_number_is_both_limits() -> None:
    assert parse({"ulimit": ["nofile=1:2", "core=-1", "nofile=5"]}).ulimit == [
        {"type": "RLIMIT_NOFILE", "soft": 5, "hard": 5},
        {"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1},
    ]


def test_a_device_has_three_parts_of_which_two_may_be_left_out() -> None:
    options = parse({"device": ["/dev/fuse", "/dev/fuse:r", "/dev/fuse:/dev/f", "/dev/fuse:/dev/f:rw"]})
    assert [(one["host"], one["container"], one["access"]) for one in options.device] == [
        ("/dev/fuse", "/dev/fuse", "rwm"),
        ("/dev/fuse", "/dev/fuse", "r"),
        ("/dev/fuse", "/dev/f", "rwm"),
        ("/dev/fuse", "/dev/f", "rw"),
    ]


def test_a_device_rule_leaves_out_a_number_that_is_a_star() -> None:
    assert parse({"device_cgroup_rule": "c 42:* rw"}).device_cgroup_rule == [
        {"allow": True, "type": "c", "major": 42, "access": "rw"}
    ]


@given(st.sampled_from(sorted(options_resources.ULIMITS)), st.integers(0, 2**62), st.integers(0, 2**62))
def test_every_ulimit_keeps_its_numbers(name: str, one: int, other: int) -> None:
    # Invariant: soft and hard come out as typed, whenever soft is not above hard.
    soft, hard = sorted((one, other))
    read = options_resources.ulimit("--ulimit", f"{name}={soft}:{hard}")
    assert (read["type"], read["soft"], read["hard"]) == (f"RLIMIT_{name.upper()}", soft, hard)


@given(st.one_of(st.text(max_size=30), st.text("nofile=0123456789:-", max_size=20)))
def test_any_text_is_an_ulimit_or_one_clear_line(typed: str) -> None:
    # Invariant: a known type with soft <= hard, or InvalidInput that begins with the flag.
    try:
        read = options_resources.ulimit("--ulimit", typed)
        assert read["soft"] <= read["hard"] <= 2**64 - 1
    except InvalidInput as error:
        assert str(error).startswith("--ulimit: ")


@given(st.one_of(st.text(max_size=30), st.text("/dev:rwm", max_size=20)))
def test_any_text_is_a_device_or_one_clear_line(typed: str) -> None:
    # Invariant: absolute paths and permissions of r, w, m; or InvalidInput that begins with the flag.
    try:
        read = options_resources.device("--device", typed)
        assert read["host"].startswith("/")
        assert read["container"].startswith("/")
        assert read["access"]
        assert set(read["access"]) <= set("rwm")
    except InvalidInput as error:
        assert str(error).startswith("--device: ")
