"""A seccomp profile of the OCI spec becomes the filter that runc would load (oci-runtime.md, K01 to K27)."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import InvalidInput
from ringfence.linux import _libc, _libseccomp, seccomp, seccompcache, seccompprofile
from tests import needs
from tests.linux.bpf import ARCHITECTURES, answer

X86_64 = ARCHITECTURES["x86_64"]
X32_BIT = 0x40000000
ALLOW, ERRNO, LOG, KILL = 0x7FFF0000, 0x00050000, 0x7FFC0000, 0x00000000
ENOSYS = ERRNO | errno.ENOSYS
CONTAINERS_PROFILE = "/usr/share/containers/seccomp.json"


def profile(*rules: dict[str, Any], default: str = "SCMP_ACT_ERRNO", **others: Any) -> dict[str, Any]:
    return {"defaultAction": default, "syscalls": list(rules), **others}


def allow(*names: str, **others: Any) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", **others}


def number(name: str, architecture: str = "x86_64") -> int:
    found = _libseccomp.system_call(name, _libseccomp.architecture(architecture))
    assert found is not None
    return found


def ask(program: bytes, name: str, *arguments: int, architecture: str = "x86_64") -> int:
    """What the filter answers to a call by name."""
    return answer(program, ARCHITECTURES[architecture], number(name, architecture), *arguments)


def compiled(*rules: dict[str, Any], **others: Any) -> bytes:
    return seccomp.compile_filter(profile(*rules, **others), "x86_64")


class TestActions:
    @pytest.mark.parametrize(
        ("action", "expected"),
        [
            ("SCMP_ACT_KILL", 0x00000000),
            ("SCMP_ACT_KILL_THREAD", 0x00000000),
            ("SCMP_ACT_KILL_PROCESS", 0x80000000),
            ("SCMP_ACT_TRAP", 0x00030000),
            ("SCMP_ACT_ERRNO", 0x00050001),
            ("SCMP_ACT_TRACE", 0x7FF00001),
            ("SCMP_ACT_LOG", 0x7FFC0000),
            ("SCMP_ACT_NOTIFY", 0x7FC00000),
            ("SCMP_ACT_ALLOW", 0x7FFF0000),
        ],
    )
    def test_each_answers_with_its_value_by_rule_and_by_default(self, action: str, expected: int) -> None:
        other = "SCMP_ACT_ALLOW" if action != "SCMP_ACT_ALLOW" else "SCMP_ACT_LOG"
        listener = {"listenerPath": "/run/listener"}
        by_rule = compiled({"names": ["read", "write"], "action": action}, default=other, **listener)
        assert ask(by_rule, "read") == expected
        assert ask(by_rule, "openat") == seccomp.ACTIONS[other]
        by_default = compiled({"names": ["openat"], "action": other}, default=action, **listener)
        assert ask(by_default, "read") == expected

    def test_an_errno_of_its_own(self) -> None:
        program = compiled(
            {"names": ["openat"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EXDEV},
            {"names": ["mount"], "action": "SCMP_ACT_TRACE", "errnoRet": 7},
            {"names": ["umount2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0},
            default="SCMP_ACT_ALLOW",
        )
        assert ask(program, "openat") == ERRNO | errno.EXDEV
        assert ask(program, "mount") == 0x7FF00007
        assert ask(program, "umount2") == ERRNO
        program = compiled(allow("openat"), defaultErrnoRet=errno.EACCES)
        assert ask(program, "read") == ERRNO | errno.EACCES

    def test_a_rule_that_says_what_the_default_says_is_no_error(self) -> None:
        program = compiled(allow("read"), {"names": ["openat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1})
        assert ask(program, "openat") == ERRNO | errno.EPERM

    def test_the_same_rule_twice_is_no_error(self) -> None:
        assert ask(compiled(allow("read", "read"), allow("read")), "read") == ALLOW


class TestConditions:
    @pytest.mark.parametrize(
        ("operator", "holds"),
        [
            ("SCMP_CMP_NE", lambda value: value != 5),
            ("SCMP_CMP_LT", lambda value: value < 5),
            ("SCMP_CMP_LE", lambda value: value <= 5),
            ("SCMP_CMP_EQ", lambda value: value == 5),
            ("SCMP_CMP_GE", lambda value: value >= 5),
            ("SCMP_CMP_GT", lambda value: value > 5),
        ],
    )
    @pytest.mark.parametrize("index", range(6))
    def test_operators(self, operator: str, holds: Any, index: int) -> None:
        program = compiled(allow("personality", args=[{"index": index, "value": 5, "op": operator}]))
        for value in (0, 4, 5, 6, 2**32 + 5, 2**64 - 1):
            expected = ALLOW if holds(value) else ERRNO | errno.EPERM
            assert ask(program, "personality", *[0] * index, value) == expected, value

    def test_a_masked_comparison(self) -> None:
        namespaces = {"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
        program = compiled(allow("clone", args=[namespaces]))
        assert ask(program, "clone", 0x11) == ALLOW
        assert ask(program, "clone", 0x10000011) == ERRNO | errno.EPERM

    def test_conditions_on_different_arguments_must_all_hold(self) -> None:
        both = [{"index": n, "value": n, "op": "SCMP_CMP_EQ"} for n in (1, 2)]
        program = compiled(allow("socket", args=both))
        assert ask(program, "socket", 9, 1, 2) == ALLOW
        assert ask(program, "socket", 9, 1, 3) == ERRNO | errno.EPERM
        assert ask(program, "socket", 9, 0, 2) == ERRNO | errno.EPERM

    def test_conditions_on_the_same_argument_are_alternatives(self) -> None:
        either = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (1, 2**40)]
        program = compiled(allow("socket", args=either))
        assert [ask(program, "socket", value) for value in (1, 2**40, 2)] == [ALLOW, ALLOW, ERRNO | errno.EPERM]


class TestArchitectures:
    def test_there_are_the_23_of_the_specification_and_all_are_accepted(self) -> None:
        assert len(set(seccomp.ARCHITECTURES)) == 23
        program = compiled(allow("read"), architectures=list(seccomp.ARCHITECTURES))
        assert ask(program, "read") == ALLOW

    def test_a_listed_one_is_filtered_and_a_stranger_is_killed(self) -> None:
        program = compiled(allow("read", "openat2"), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
        assert ask(program, "read", architecture="x86") == ALLOW
        assert ask(program, "open", architecture="x86") == ERRNO | errno.EPERM
        assert ask(program, "read", architecture="aarch64") == KILL
        assert answer(program, X86_64, X32_BIT | number("read")) == KILL
        assert answer(program, X86_64, X32_BIT | 9999) == KILL

    def test_x32_is_filtered_by_its_own_numbers(self) -> None:
        program = compiled(allow("read", "openat2"), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"])
        for bit in (0, X32_BIT):
            assert answer(program, X86_64, bit | number("read")) == ALLOW
            assert answer(program, X86_64, bit | number("openat2")) == ALLOW
            assert answer(program, X86_64, bit | number("close")) == ERRNO | errno.EPERM
            assert answer(program, X86_64, bit | number("openat2") + 1) == ENOSYS

    @pytest.mark.parametrize("machine", ["aarch64", "riscv64", "x86_64"])
    def test_a_filter_for_another_machine_can_be_made_here(self, machine: str) -> None:
        program = seccomp.compile_filter(profile(allow("read", "openat2")), machine)
        assert ask(program, "read", architecture=machine) == ALLOW
        assert ask(program, "openat", architecture=machine) == ERRNO | errno.EPERM
        stranger = "aarch64" if machine == "x86_64" else "x86_64"
        assert ask(program, "read", architecture=stranger) == KILL

    def test_a_machine_nobody_knows_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="pdp11"):
            seccomp.compile_filter(profile(), "pdp11")


class TestNewerSystemCalls:
    """K26: what is newer than all that the profile lists does not exist, whatever the profile's default is."""

    def test_the_kernel_seems_to_lack_them(self) -> None:
        program = compiled(allow("read"), {"names": ["clone3"], "action": "SCMP_ACT_KILL"})
        assert ask(program, "clone3") == KILL, "listed to be refused is listed"
        for newer in (number("clone3") + 1, number("clone3") + 500, 0x3FFFFFFF):
            assert answer(program, X86_64, newer) == ENOSYS
        assert ask(program, "close") == ERRNO | errno.EPERM, "an older one gets the default"

    def test_each_architecture_has_its_own_newest(self) -> None:
        program = compiled(
            allow("read", "exit"), allow("socketcall"), architectures=["SCMP_ARCH_X86", "SCMP_ARCH_X86_64"]
        )
        assert answer(program, X86_64, number("exit")) == ALLOW
        assert answer(program, X86_64, number("exit") + 1) == ENOSYS
        assert answer(program, ARCHITECTURES["x86"], number("socketcall", "x86")) == ALLOW
        assert answer(program, ARCHITECTURES["x86"], number("exit") + 1) == ERRNO | errno.EPERM
        assert answer(program, ARCHITECTURES["x86"], number("socketcall", "x86") + 1) == ENOSYS

    def test_number_zero_may_be_the_newest(self) -> None:
        program = compiled(allow("read"))
        assert answer(program, X86_64, 0) == ALLOW
        assert answer(program, X86_64, 1) == ENOSYS

    @pytest.mark.parametrize("default", ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY"])
    def test_not_where_the_default_lets_them_through(self, default: str) -> None:
        refused = {"names": ["read"], "action": "SCMP_ACT_KILL"}
        program = compiled(refused, default=default, listenerPath="/run/listener")
        assert answer(program, X86_64, 9999) & 0xFFFF0000 == seccomp.ACTIONS[default]

    def test_a_profile_without_system_calls_has_no_newest(self) -> None:
        assert answer(compiled(), X86_64, 9999) == ERRNO | errno.EPERM
        assert answer(compiled(default="SCMP_ACT_ALLOW"), X86_64, 0) == ALLOW


class TestValidation:
    @pytest.mark.parametrize(
        ("seccomp_profile", "message"),
        [
            ({}, "linux.seccomp.defaultAction: missing"),
            ({"defaultAction": "SCMP_ACT_FOO"}, 'linux.seccomp.defaultAction: unknown action "SCMP_ACT_FOO"'),
            ({"defaultAction": 7}, 'linux.seccomp.defaultAction: unknown action "7"'),
            (
                {"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1},
                "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW has no errno",
            ),
            (profile(defaultErrnoRet=-1), "linux.seccomp.defaultErrnoRet: -1 is not a number from 0 to 4095"),
            (
                profile(architectures=["SCMP_ARCH_VAX"]),
                'linux.seccomp.architectures[0]: unknown architecture "SCMP_ARCH',
            ),
            (profile(architectures="SCMP_ARCH_X86"), "linux.seccomp.architectures: not a list"),
            (profile(flags=["TSYNC"]), 'linux.seccomp.flags[0]: unknown flag "TSYNC"'),
            (profile(syscalls={}), "linux.seccomp.syscalls: not a list"),
            (profile(allow("read"), allow()), "linux.seccomp.syscalls[1].names: at least one system call is needed"),
            (profile(allow("")), "linux.seccomp.syscalls[0].names[0]: not the name of a system call"),
            (profile({"names": ["read"]}), "linux.seccomp.syscalls[0].action: missing"),
            (
                profile(allow("read", errnoRet=1)),
                "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_ALLOW has no errno",
            ),
            (
                profile(allow("read", args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])),
                "linux.seccomp.syscalls[0].args[0].index: 6 is not a number from 0 to 5",
            ),
            (
                profile(allow("read", args=[{"index": 0, "value": 2**64, "op": "SCMP_CMP_EQ"}])),
                "linux.seccomp.syscalls[0].args[0].value: 18446744073709551616 is not",
            ),
            (
                profile(allow("read", args=[{"index": 0, "value": 1, "op": "=="}])),
                'linux.seccomp.syscalls[0].args[0].op: unknown operator "=="',
            ),
            (profile(listenerMetadata="x"), "linux.seccomp.listenerMetadata: there is no listenerPath"),
            (
                profile({"names": ["read"], "action": "SCMP_ACT_NOTIFY"}),
                "linux.seccomp.listenerPath: needed by SCMP_ACT_NOTIFY",
            ),
        ],
    )
    def test_what_cannot_be_right_is_refused_by_its_field(self, seccomp_profile: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            seccomp.compile_filter(seccomp_profile)
        assert str(caught.value).startswith(message)

    def test_unknown_system_calls_and_properties_are_ignored(self) -> None:
        strangers = ("no_such_call", "write\0", "\ud800", "schließen")
        program = compiled(allow("read", "exit", *strangers), allow("another_one", comment="?"), extension=True)
        assert ask(program, "read") == ALLOW
        assert ask(program, "write") == ERRNO | errno.EPERM

    def test_null_is_as_good_as_absent(self) -> None:
        rule = allow("read", args=None, errnoRet=None)
        assert ask(compiled(rule, defaultErrnoRet=None, architectures=None, flags=None), "read") == ALLOW


class TestFlags:
    @pytest.mark.parametrize(
        ("flags", "notify", "expected"),
        [
            (None, False, 4),
            ([], False, 0),
            (["SECCOMP_FILTER_FLAG_LOG"], False, 2),
            (["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], False, 1 | 4),
            ([], True, 8),
            (["SECCOMP_FILTER_FLAG_TSYNC"], True, 1 | 8 | 16),
            (["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], True, 32 | 8),
            (["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], False, 0),
        ],
    )
    def test_words_become_bits(self, flags: list[str] | None, notify: bool, expected: int) -> None:
        rule = {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}
        rules = [rule] if notify else []
        given_flags = {} if flags is None else {"flags": flags}
        whole = profile(*rules, default="SCMP_ACT_ALLOW", listenerPath="/run/listener", **given_flags)
        assert seccomp.flags(whole) == expected
        assert seccomp.notifies(whole) is notify


class TestCache:
    RULES = profile(allow("read", "write", "exit"))

    def test_the_second_time_the_program_comes_from_the_file(self, tmp_path: Path) -> None:
        directory = tmp_path / "new" / "seccomp"
        program = seccompcache.cached_filter(self.RULES, str(directory))
        assert program == seccomp.compile_filter(self.RULES)
        [file] = directory.iterdir()
        before = file.stat()
        assert seccompcache.cached_filter(self.RULES, str(directory)) == program
        assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_a_profile_that_was_changed_in_place_is_another(self, tmp_path: Path) -> None:
        rules = profile(allow("read", "write"))
        before = seccompcache.cached_filter(rules, str(tmp_path))
        rules["syscalls"][0]["names"].remove("write")
        assert seccompcache.cached_filter(rules, str(tmp_path)) == seccomp.compile_filter(rules) != before

    def test_another_profile_is_another_file_and_the_order_of_keys_is_none(self, tmp_path: Path) -> None:
        reordered = dict(reversed(self.RULES.items()))
        for rules in (self.RULES, reordered, profile(allow("read")), profile(allow("read"), defaultErrnoRet=2)):
            seccompcache.cached_filter(rules, str(tmp_path))
        assert len(list(tmp_path.iterdir())) == 3

    @pytest.mark.parametrize("damage", [b"", b"short", bytes(64)])
    def test_a_damaged_file_is_made_anew(self, tmp_path: Path, damage: bytes) -> None:
        program = seccompcache.cached_filter(self.RULES, str(tmp_path))
        [file] = tmp_path.iterdir()
        whole = file.read_bytes()
        for content in (damage, whole[:-8], whole[:-1] + b"\xff"):
            file.write_bytes(content)
            seccompcache.cached_filter(self.RULES, str(tmp_path / "other"))  # the last is in memory
            assert seccompcache.cached_filter(self.RULES, str(tmp_path)) == program
            assert file.read_bytes() == whole
        assert list(tmp_path.glob("*.bpf*")) == [file], "no temporary file is left"

    def test_an_invalid_profile_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput):
            seccompcache.cached_filter(profile(allow()), str(tmp_path))
        assert list(tmp_path.iterdir()) == []


def in_filtered_child(program: bytes, flags: int, work: Any) -> int:
    """The wait status of a child that does `work` under the filter."""
    pid = os.fork()
    if pid == 0:
        try:
            _libc.prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
            seccomp.load(program, flags)
            work()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 255)
        except BaseException:
            os._exit(254)
    return os.waitpid(pid, 0)[1]


class TestInTheKernel:
    def test_the_kernel_answers_as_the_profile_says(self) -> None:
        refused = {"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EXDEV}
        killed = {"names": ["sync"], "action": "SCMP_ACT_KILL_PROCESS"}
        rules = profile(refused, killed, default="SCMP_ACT_ALLOW")
        program, flags = seccomp.compile_filter(rules), seccomp.flags(rules)
        assert in_filtered_child(program, flags, lambda: os.getpriority(os.PRIO_PROCESS, 0)) >> 8 == errno.EXDEV
        assert in_filtered_child(program, flags, os.sync) & 0x7F == signal.SIGSYS
        assert in_filtered_child(program, flags, os.getppid) == 0

    def test_a_system_call_can_be_made_to_seem_absent(self) -> None:
        absent = {"names": ["openat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS}
        program = seccomp.compile_filter(profile(absent, default="SCMP_ACT_ALLOW"))
        status = in_filtered_child(program, 0, lambda: _libc.openat2(_libc.AT_FDCWD, "/", os.O_PATH, 0, 0))
        assert status >> 8 == errno.ENOSYS

    def test_a_program_that_is_none_is_refused(self) -> None:
        for program in (b"", bytes(8), seccomp.compile_filter(profile())[:-8]):
            status = in_filtered_child(program, 0, lambda: None)
            assert status >> 8 == errno.EINVAL

    def test_the_profile_of_containers_is_loaded_and_a_shell_runs_under_it(self) -> None:
        needs.file(CONTAINERS_PROFILE)
        rules = containers_profile()
        work = lambda: subprocess.run(["sh", "-c", "ls / | cat >/dev/null"], check=True)  # noqa: E731
        assert in_filtered_child(seccomp.compile_filter(rules), seccomp.flags(rules), work) == 0


def containers_profile() -> dict[str, Any]:
    """What podman gives a container on x86_64 without capabilities: a real profile, of 400 system calls."""
    content = json.loads(Path(CONTAINERS_PROFILE).read_text())
    return {
        "defaultAction": content["defaultAction"],
        "defaultErrnoRet": content.get("defaultErrnoRet"),
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            {key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key) not in (None, [])}
            for rule in content["syscalls"]
            if not rule.get("includes") or "amd64" in rule["includes"].get("arches", [])
        ],
    }


@pytest.mark.parametrize("architecture", ["x86_64", "x86"])
def test_the_tree_of_a_real_profile_answers_as_its_rules_in_a_row(architecture: str) -> None:
    needs.file(CONTAINERS_PROFILE)
    rules = seccompprofile.parse(containers_profile())
    newest = max(_libseccomp.system_call(name) or 0 for rule in rules.rules for name in rule.names)
    with _libseccomp.Filter(rules.default_action, _libseccomp.architecture("x86_64")) as chain:
        for name in ("x86", "x32"):
            chain.add_architecture(_libseccomp.architecture(name))
        assert seccomp.add_rules(chain, rules) > 300
        row = chain.export()
        chain.use_binary_tree()
        tree = chain.export()
    assert tree != row
    token = ARCHITECTURES[architecture]
    for called in range(newest + 1):
        for arguments in ((), (0x10000000,), (8, 2), (2**64 - 1, 2**64 - 1)):
            assert answer(tree, token, called, *arguments) == answer(row, token, called, *arguments), (
                called,
                arguments,
            )


words: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", "read", "SCMP_ACT_ALLOW", "SCMP_CMP_EQ", 0, 1, -1, 2.5, True, [], {}]
)
actions = st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_NOTIFY"]) | words
conditions = st.fixed_dictionaries(
    {"index": st.integers(0, 6), "value": st.integers(0, 3), "op": st.sampled_from(list(seccomp.OPERATORS)) | words},
    optional={"valueTwo": words},
)
rules = st.fixed_dictionaries(
    {
        "names": st.lists(st.sampled_from(["read", "ipc", "socket", "clone3", "x"]) | words, max_size=4),
        "action": actions,
    },
    optional={"args": st.lists(conditions, max_size=3) | words, "errnoRet": words},
)
profiles = st.fixed_dictionaries(
    {"defaultAction": actions, "syscalls": st.lists(rules, max_size=4) | words},
    optional={
        "architectures": st.lists(st.sampled_from(seccomp.ARCHITECTURES), max_size=3) | words,
        **dict.fromkeys(["defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"], words),
    },
)


@settings(max_examples=200, deadline=None)
@given(profiles)
def test_any_json_is_a_filter_or_refused(candidate: dict[str, Any]) -> None:
    # Invariant: a profile compiles to a program or raises InvalidInput, nothing else.
    try:
        program = seccomp.compile_filter(candidate)
    except InvalidInput:
        return
    assert program and len(program) % 8 == 0
