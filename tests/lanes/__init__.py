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
HERE = Lane(
    tests=(),
    lacks=frozenset(
        {"systemd", "cgroup v2 alone", "huge pages", "a swap file", "AppArmor", "SELinux", "ipvlan", "SCTP"}
    ),
    at_least=0,
)

# Of the suite of runtimes, what differs by kernel.
_SUITE = (
    "test_run_gives_the_output_and_the_exit_status",
    "test_create_start_kill_delete_walk_through_the_statuses",
    "test_exec_enters_the_container_and_gives_its_exit_status",
    "test_pause_stops_it_and_resume_lets_it_go_on",
)

LANES = {
    "v2": Lane(
        tests=(
            "tests/linux/cgroups",
            "tests/runtime/test_suite.py",
            "tests/runtime/test_same_answer.py",
            "tests/runtime/test_kernels.py",
            "tests/runtime/test_cgroups.py",
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
            "--ignore=tests/rootless/test_network.py",  # without TAP devices
            "--ignore=tests/rootless/test_plug.py",
            "tests/network/test_shaping.py::test_a_group_inside_another_has_no_more_than_both",  # with fq_codel
            "tests/network/test_ipvlan.py",
            "tests/network/test_macvlan.py::TestMacvlan::"
            "test_a_vlan_that_is_missing_is_made_where_the_kernel_can_and_goes_with_the_network",
            "tests/runtime/test_selinux.py",  # the last one: the kernel keeps its policy
        ),
        lacks=frozenset(
            {
                "cgroup v1",
                "controller cpuset",
                "controller devices",
                "controller hugetlb",
                "block I/O weights",
                "a swap file",
                "AppArmor",
                "/proc/self/ns/time",
                "/proc/pressure/memory",
                "systemd",
                "a working ps",
            }
        ),
        at_least=346,
    ),
    # Emulated, it is slow: what no other machine shows, and a little of everything.
    "vm": Lane(
        tests=(
            "--timeout=300",
            "tests/linux/cgroups/test_kernel.py",
            "tests/linux/test_pidfd.py",
            "tests/runtime/test_kernels.py",
            *(f"tests/runtime/test_suite.py::{name}[ringrun]" for name in _SUITE),
            "tests/cli/test_run.py::test_output_errors_and_exit_code_are_the_program_s",
            "tests/cli/test_run.py::test_detached_it_prints_the_id",
            "tests/cli/test_run.py::test_exec_runs_another_program",
            "tests/engine/test_lifecycle.py::test_a_paused_container_does_nothing_until_it_is_unpaused",
            "tests/engine/test_options_live.py::test_userns_auto_gives_ids_that_are_not_the_hosts",
            "tests/engine/test_options_live.py::test_limits_are_written_into_the_cgroups",
            "tests/engine/test_groups.py::test_memory_that_runs_out_kills_inside_of_the_group_only",
            "tests/engine/test_groups.py::test_a_rate_of_a_block_device_is_shared_by_all",
            "tests/network/test_ipvlan.py",
            "--deselect=tests/network/test_ipvlan.py::TestIpvlan::test_100_containers_are_joined_8_at_a_time",
            "tests/network/test_macvlan.py::TestMacvlan::"
            "test_a_vlan_that_is_missing_is_made_where_the_kernel_can_and_goes_with_the_network",
            "tests/network/test_firewall.py::"
            "test_a_port_is_reached_from_other_hosts_and_from_this_one_by_its_addresses",
            "tests/network/test_firewall.py::"
            "test_networks_are_isolated_from_each_other_and_from_outside_but_for_published_ports",
            "tests/network/test_bridge.py::TestBridge::"
            "test_it_reaches_its_gateway_and_what_is_beyond_in_both_families",
            "tests/rootless/test_limits.py::test_in_a_delegated_cgroup_with_controllers_limits_hold",
            "tests/rootless/test_ringfence.py::test_the_user_is_root_inside_and_subordinate_ids_are_the_others",
            "tests/network/test_firewall.py::test_a_port_of_sctp_is_reached_where_the_kernel_knows_it",
        ),
        lacks=frozenset({"cgroup v1", "controller devices", "systemd", "a kernel without AppArmor"}),
        at_least=82,
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
