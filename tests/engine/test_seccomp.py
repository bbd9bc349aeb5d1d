"""Docker's default profile, and profiles in its form, made for one machine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import seccomp
from ringfence.engine.spec_process import DEFAULT_CAPABILITIES
from ringfence.errors import InvalidInput
from ringfence.linux import capabilities

DEFAULT = frozenset(capabilities.names(DEFAULT_CAPABILITIES))


def allowed(filter: dict[str, Any]) -> set[str]:
    """The names that are allowed whatever their arguments."""
    return {
        name
        for rule in filter["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for name in rule["names"]
    }


def test_the_profile_says_where_it_comes_from() -> None:
    profile = seccomp.default_profile()
    assert profile["source"].startswith("https://github.com/moby/profiles ")
    assert "commit 3c28324314729dbade8287e868eef6338c42807a" in profile["version"]


def test_the_default_denies_what_a_container_never_needs_and_allows_what_it_does() -> None:
    names = allowed(seccomp.default(DEFAULT, "x86_64", (6, 1)))
    assert {"read", "execve", "openat2", "chroot", "ptrace", "arch_prctl"} <= names
    assert not {"mount", "bpf", "kexec_load", "init_module", "keyctl", "io_uring_setup", "setns", "unshare"} & names


def test_clone_may_make_no_namespace_and_clone3_looks_absent_without_sys_admin() -> None:
    rules = seccomp.default(DEFAULT, "x86_64", (6, 1))["syscalls"]
    assert {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38} in rules
    namespaces = 0x7E020000  # CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
    conditions = [rule["args"] for rule in rules if rule["names"] == ["clone"]]
    assert conditions == [[{"index": 0, "value": namespaces, "op": "SCMP_CMP_MASKED_EQ"}]]


def test_a_capability_brings_its_system_calls() -> None:
    more = allowed(seccomp.default(DEFAULT | {"CAP_SYS_ADMIN"}, "x86_64", (6, 1)))
    assert {"mount", "unshare", "setns", "clone", "clone3"} <= more
    assert "reboot" in allowed(seccomp.default(frozenset({"CAP_SYS_BOOT"}), "x86_64", (6, 1)))


def test_an_old_kernel_gets_no_ptrace() -> None:
    assert "ptrace" not in allowed(seccomp.default(DEFAULT, "x86_64", (4, 7)))


@pytest.mark.parametrize(
    ("machine", "architectures", "own", "foreign"),
    [
        ("x86_64", ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "modify_ldt", "breakpoint"),
        ("aarch64", ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"], "breakpoint", "modify_ldt"),
        ("riscv64", ["SCMP_ARCH_RISCV64"], "riscv_flush_icache", "modify_ldt"),
    ],
)
def test_each_machine_gets_its_architectures(machine: str, architectures: list[str], own: str, foreign: str) -> None:
    filter = seccomp.default(DEFAULT, machine, (6, 1))
    assert filter["architectures"] == architectures
    assert own in allowed(filter)
    assert foreign not in allowed(filter)


def test_the_same_question_has_the_same_answer_without_work() -> None:
    assert seccomp.default(DEFAULT, "x86_64", (6, 1)) is seccomp.default(DEFAULT, "x86_64", (6, 1))


def test_a_profile_of_the_runtime_spec_passes_unchanged() -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    }
    assert seccomp.resolve(profile, DEFAULT, "x86_64", (6, 1)) == profile


def test_the_old_form_with_one_name_a_rule_is_read() -> None:
    rule = {"name": "chmod", "action": "SCMP_ACT_ERRNO", "args": []}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    assert seccomp.resolve(profile, DEFAULT, "x86_64", (6, 1))["syscalls"] == [
        {"names": ["chmod"], "action": "SCMP_ACT_ERRNO"}
    ]


def test_our_default_compiles_to_a_filter() -> None:
    from ringfence.linux import seccomp as kernel

    assert len(kernel.compile_filter(seccomp.default(DEFAULT, "x86_64", (6, 1)), "x86_64")) % 8 == 0


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "SCMP_ACT_ALLOW", "4.8", "1.x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["defaultAction", "syscalls", "names", "name", "action", "includes", "caps", "arches", "minKernel",
                 "archMap", "architecture", "subArchitectures", "architectures"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)  # fmt: skip


@given(_JSON)
def test_a_profile_that_passes_the_check_can_be_resolved(profile: Any) -> None:
    # Invariant: check_profile raises InvalidInput, or resolve works.
    try:
        seccomp.check_profile("--security-opt: p", profile)
    except InvalidInput as error:
        assert str(error).startswith("--security-opt: p: ")
    else:
        seccomp.resolve(profile, DEFAULT, "x86_64", (6, 1))
