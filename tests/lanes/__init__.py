"""The lanes: machines that this one is not, each with the tests that differ there, and what it is known to lack.

`make test-v2` and `make test-vm` start them (docs/lanes.md). A need of tests/needs.py that a lane lacks skips its test
there as it would for a person; whatever else is missing fails, and so does a lane in which fewer tests pass than it
promises: a mistake in the lists below can never turn into a lane that tests nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

VARIABLE = "RINGFENCE_LANE"


@dataclass(frozen=True)
class Lane:
    """`tests` are arguments of pytest; `lacks` are words of tests/needs.py; `at_least` so many tests pass."""

    tests: tuple[str, ...]
    lacks: frozenset[str]
    at_least: int


# What this machine lacks when no lane is named: the lanes have it.
HERE = Lane(tests=(), lacks=frozenset({"systemd", "cgroup v2 alone"}), at_least=0)

LANES = {
    "v2": Lane(
        tests=(
            "tests/linux/cgroups",
            "tests/runtime/test_suite.py",
            "tests/runtime/test_same_answer.py",
            "tests/runtime/test_start_and_exec.py",
            "--deselect=tests/runtime/test_start_and_exec.py::"
            "test_a_launcher_that_is_killed_at_any_instant_loses_neither_lines_nor_exit_code",
            "tests/security/test_confinement.py",
            "tests/engine/test_lifecycle.py",
            "tests/engine/test_exec.py",
            "tests/engine/test_looking.py",
            "tests/engine/test_options_live.py",
            "tests/engine/test_groups.py",
            "tests/linux/test_traffic.py",
            "tests/rootless",
            "tests/network/test_shaping.py::test_a_group_inside_another_has_no_more_than_both",  # with fq_codel
        ),
        lacks=frozenset(
            {
                "cgroup v1",
                "controller cpuset",
                "controller devices",
                "controller hugetlb",
                "block I/O weights",
                "systemd",
                "a working ps",
            }
        ),
        at_least=335,
    ),
    "systemd": Lane(
        tests=("tests/runtime/test_systemd.py",),
        lacks=frozenset({"a machine without systemd"}),
        at_least=7,
    ),
}


def current() -> Lane:
    """The lane that this process runs in."""
    return LANES.get(os.environ.get(VARIABLE, ""), HERE)
