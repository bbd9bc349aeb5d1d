"""User, entrypoint, capabilities, security options, signals and keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import options_process
from ringfence.engine.options import parse
from ringfence.errors import InvalidInput

from .test_options import refusal


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("env", "=x", '--env: "=x" is not an environment variable: its name is empty'),
        ("user", ":", '--user: ":" is not of the form USER[:GROUP]'),
        ("user", "a:b:c", '--user: "a:b:c" is not of the form USER[:GROUP]'),
        ("user", "4294967295", '--user: "4294967295" is out of range: ids go from 0 to 2147483647'),
        ("user", "a b", '--user: "a b" is not of the form USER[:GROUP]'),
        ("group_add", "", '--group-add: "" is not a group'),
        ("workdir", "tmp", '--workdir: "tmp" is not an absolute path'),
        ("cap_add", "CHOWNX", '--cap-add: "CHOWNX" is not a capability (see capabilities(7), or ALL)'),
        ("cap_drop", "NET_RAW,FOO", '--cap-drop: "FOO" is not a capability (see capabilities(7), or ALL)'),
        ("stop_signal", "SIGFOO", '--stop-signal: "SIGFOO" is not a signal'),
        ("stop_timeout", "-2", '--stop-timeout: "-2" is below -1 (wait for ever)'),
        ("detach_keys", "ctrl-1", "--detach-keys: \"ctrl-1\" has an unknown key 'ctrl-1'"),
        ("entrypoint", "[1", '--entrypoint: "[1" is not a JSON array of texts'),
        ("security_opt", "colour=red", '--security-opt: "colour=red" is not a known security option'),
        ("security_opt", "no-new-privileges=no", '--security-opt: "no-new-privileges=no" is neither true nor false'),
        ("security_opt", "apparmor=mine", "--security-opt: not built yet (apparmor=mine)"),
        ("security_opt", "label=type:x", "--security-opt: not built yet (label=type:x)"),
        ("security_opt", "unmask=proc", '--security-opt: "unmask=proc" is not a list of absolute paths'),
        ("security_opt", "seccomp=", '--security-opt: "seccomp=" names no profile'),
        ("security_opt", "seccomp=/nope", "--security-opt: cannot read /nope: No such file or directory"),
    ],
)
def test_a_bad_value_is_refused(name: str, value: str, message: str) -> None:
    assert refusal(**{name: value}) == message


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("{", "line 1 column 2 (char 1)"),
        ("[]", "not a JSON object"),
        ("{}", "defaultAction is missing"),
        ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_LOG"}]}',
         "syscalls[0] needs either names or name"),
        ('{"defaultAction": "x", "syscalls": [{"names": ["a"], "action": "x", "includes": {"minKernel": "new"}}]}',
         "syscalls[0].includes.minKernel is not of the form MAJOR.MINOR"),
    ],
)  # fmt: skip
def test_a_bad_seccomp_profile_is_named_with_the_place(tmp_path: Path, profile: str, message: str) -> None:
    path = tmp_path / "profile.json"
    path.write_text(profile)
    line = refusal(security_opt=f"seccomp={path}")
    assert line.startswith(f"--security-opt: seccomp profile {path}")
    assert line.endswith(message)


def test_security_options_are_gathered(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW"}))
    some = ["no-new-privileges", f"seccomp={path}", "unmask=/proc/acpi:/sys/firmware", "mask=/etc", "label=disable"]
    assert parse({"security_opt": some}).security_opt == {
        "no_new_privileges": True,
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"},
        "unmask": ["/proc/acpi", "/sys/firmware"],
        "mask": ["/etc"],
    }
    none = ["systempaths=unconfined", "seccomp:unconfined", "no-new-privileges:false", "apparmor:unconfined"]
    assert parse({"security_opt": none}).security_opt == {
        "no_new_privileges": False,
        "seccomp": "unconfined",
        "unmask": ["ALL"],
    }


def test_capabilities_may_be_written_in_any_case_with_or_without_their_prefix() -> None:
    assert parse({"cap_add": ["net_admin,CAP_SYS_TIME", "Net_Admin", "all"]}).cap_add == [
        "CAP_NET_ADMIN", "CAP_SYS_TIME", "ALL",
    ]  # fmt: skip


def test_an_entrypoint_is_a_program_or_an_argv() -> None:
    assert parse({"entrypoint": "sh"}).entrypoint == ["sh"]
    assert parse({"entrypoint": '["sh", "-c"]'}).entrypoint == ["sh", "-c"]
    assert parse({"entrypoint": ["sh", "-c"]}).entrypoint == ["sh", "-c"]
    assert parse({}).entrypoint is None


@pytest.mark.parametrize("keys", ["ctrl-p,ctrl-q", "a", "ctrl-@,ctrl-\\", "ctrl-[,b", ""])
def test_detach_keys_are_characters_and_control_characters(keys: str) -> None:
    assert parse({"detach_keys": keys}).detach_keys == keys


@given(st.one_of(st.text(max_size=20), st.text("ab:0123456789-/ ", max_size=14)))
def test_any_text_is_a_user_or_one_clear_line(typed: str) -> None:
    # Invariant: at most one colon, no blank, numbers of ids in range; or InvalidInput that begins with the flag.
    try:
        name, _, group = options_process.user("--user", typed).partition(":")
    except InvalidInput as error:
        assert str(error).startswith("--user: ")
    else:
        assert ":" not in group
        assert not any(character.isspace() for character in name + group)


@given(st.text(max_size=80))
def test_any_text_is_an_env_file_or_one_clear_line(content: str) -> None:
    # Invariant: every entry has a name without white space; or InvalidInput that names file and line.
    try:
        entries = options_process.parse_environment_file("--env-file", "f", content)
    except InvalidInput as error:
        assert str(error).startswith("--env-file: f:")
    else:
        assert all(entry.partition("=")[0].split() == [entry.partition("=")[0]] for entry in entries)
