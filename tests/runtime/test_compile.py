"""compile is pure: from a spec and facts to operations in the one order that works."""

from __future__ import annotations

from typing import Any

import pytest

from ringfence.errors import Unsupported
from ringfence.linux.mounts import Mount
from ringfence.oci.runtime_spec import default_spec
from ringfence.runtime.compile import compile_container
from ringfence.runtime.compile_exec import compile_exec
from ringfence.runtime.compile_process import cpu_mask
from ringfence.runtime.facts import Facts
from ringfence.runtime.plan import Operation, Plan


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {"id": "c1", "bundle": "/bundle", "state": "/run/c1"}
    return Facts(**{**values, **changes})


def names(plan: Plan) -> list[str]:
    return [operation.name for operation in plan.operations]


def find(plan: Plan, name: str) -> Operation:
    return next(operation for operation in plan.operations if operation.name == name)


def test_the_same_spec_gives_the_same_plan() -> None:
    first, second = (compile_container(default_spec(), facts()).encode() for _ in range(2))

    assert first == second


def test_privileges_go_last_and_nothing_follows_the_program() -> None:
    spec = default_spec()
    spec["process"]["noNewPrivileges"] = False
    plan = names(compile_container(spec, facts(seccomp=b"12345678")))

    assert plan[-3:] == ["SECCOMP", "CAPABILITIES", "EXEC"]
    assert plan.index("PIVOT") < plan.index("BOUNDING") < plan.index("USER") < plan.index("RESOLVE")


def test_with_no_new_privileges_the_filter_is_the_last_thing_before_the_program() -> None:
    spec = default_spec()
    spec["process"]["noNewPrivileges"] = True

    assert names(compile_container(spec, facts(seccomp=b"12345678")))[-3:] == ["NONEWPRIVS", "SECCOMP", "EXEC"]


def test_create_waits_before_the_program_and_run_does_not() -> None:
    assert "WAIT" in names(compile_container(default_spec(), facts(wait=True)))
    assert "WAIT" not in names(compile_container(default_spec(), facts()))


def test_layers_are_id_mapped_one_by_one_in_a_user_namespace() -> None:
    spec = default_spec()
    spec["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    spec["linux"]["uidMappings"] = spec["linux"]["gidMappings"] = mapping
    root = Mount("overlay", "overlay", ["lowerdir=/l/2:/l/1", "upperdir=/s/fs", "workdir=/s/work"])

    plan = compile_container(spec, facts(root=[root]))

    _slot, lowers, upper, work, _options = find(plan, "OVERLAY").arguments
    assert [str(lower)[0] for lower in lowers] == ["@", "@"]  # type: ignore[union-attr]
    assert (upper, work) == ("/s/fs", "/s/work"), "writes keep the host's ids"
    assert find(plan, "OWN").arguments == ("/s/fs", 100000, 100000, 0)
    assert find(plan, "MAPS").arguments[0] == "0 100000 65536\n"


def test_a_container_that_is_removed_at_its_end_needs_no_sync_of_its_overlay() -> None:
    root = Mount("overlay", "overlay", ["lowerdir=/l", "upperdir=/s/fs", "workdir=/s/work"])

    plan = compile_container(default_spec(), facts(root=[root], volatile=True))

    assert find(plan, "OVERLAY").arguments[-1] == ["volatile"]


def test_devices_are_bound_and_not_made_in_a_user_namespace() -> None:
    spec = default_spec()
    spec["linux"]["namespaces"].append({"type": "user"})
    spec["linux"]["uidMappings"] = spec["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 1}]

    plan = names(compile_container(spec, facts()))

    assert "DEVICE" not in plan


def test_a_mount_namespace_of_its_own_is_required_and_said_so() -> None:
    spec = default_spec()
    spec["linux"]["namespaces"] = [one for one in spec["linux"]["namespaces"] if one["type"] != "mount"]

    with pytest.raises(Unsupported, match="mount namespace"):
        compile_container(spec, facts())


def test_exec_joins_the_user_namespace_last() -> None:
    process = {"args": ["true"], "cwd": "/"}
    running = [("user", "/proc/7/ns/user"), ("mount", "/proc/7/ns/mnt"), ("pid", "/proc/7/ns/pid")]

    plan = compile_exec(process, facts(namespaces=running))

    joined = [operation.arguments[2] for operation in plan.operations if operation.name == "JOIN"]
    assert joined == ["mount", "user"], "the pid namespace is the clone's"


def test_a_sysctl_is_written_through_the_hosts_procfs() -> None:
    spec = default_spec()
    spec["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}

    assert find(compile_container(spec, facts()), "SYSCTL").arguments == ("/proc/sys/net/ipv4/ip_forward", b"1", 0)


def test_a_list_of_processors_becomes_a_mask() -> None:
    assert cpu_mask("0-1,64") == (0b11 | 1 << 64).to_bytes(16, "little")
