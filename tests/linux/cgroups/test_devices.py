"""Device rules: what they mean, as v1's writes and as v2's program."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux.cgroups import CgroupDriver
from ringfence.linux.cgroups.bpf import device_program
from ringfence.linux.cgroups.devices import v1 as v1_settings
from ringfence.linux.cgroups.setting import Group

Rule = dict[str, object]
DENY_ALL: Rule = {"allow": False, "access": "rwm"}
NULL: Rule = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}
GROUP = Group("/box", "/")


def lines(rules: list[Rule]) -> list[str]:
    return [f"{setting.path.rpartition('.')[2]} {setting.value}" for setting in v1_settings(GROUP, rules)]


def test_v1_writes_the_rules_in_order() -> None:
    block: Rule = {"allow": True, "type": "b", "major": 8, "minor": -1, "access": "mr"}
    deny: Rule = {"allow": False, "type": "c", "major": 1, "minor": 3, "access": "w"}
    assert lines([DENY_ALL, NULL, block, deny]) == ["deny a", "allow c 1:3 rwm", "allow b 8:* rm", "deny c 1:3 w"]


def test_what_no_rule_names_is_denied() -> None:
    assert lines([NULL]) == ["deny a", "allow c 1:3 rwm"]


def test_only_what_follows_the_last_rule_for_everything_counts() -> None:
    assert lines([DENY_ALL, NULL, {"allow": True, "type": "a", "access": "rwm"}]) == ["allow a"]


def test_a_rule_for_everything_of_one_kind_is_two_rules() -> None:
    assert lines([{"allow": True, "type": "a", "access": "m"}]) == ["deny a", "allow b *:* m", "allow c *:* m"]


def test_no_rules_change_nothing(anywhere: CgroupDriver) -> None:
    assert anywhere.devices("/box", []) == []
    assert anywhere.device_program("/box", []) is None


def test_exactly_one_of_v1_and_v2_applies(anywhere: CgroupDriver) -> None:
    assert bool(anywhere.devices("/box", [NULL])) != bool(anywhere.device_program("/box", [NULL]))
    assert bool(anywhere.device_program("/box", [NULL])) == (anywhere.kind == "v2")


def test_v1_cannot_deny_a_part_of_what_a_rule_allowed() -> None:
    consoles: Rule = {"allow": True, "type": "c", "major": 5, "access": "rwm"}
    with pytest.raises(Unsupported, match=r"linux\.resources\.devices\[2\]"):
        lines([DENY_ALL, consoles, {"allow": False, "type": "c", "major": 5, "minor": 1, "access": "w"}])


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({}, "allow"),
        ({"allow": "yes"}, "allow"),
        ({"allow": True, "type": "d"}, "type"),
        ({"allow": True, "access": "rx"}, "access"),
        ({"allow": True, "access": ""}, "access"),
        ({"allow": True, "major": -2}, "major"),
        ({"allow": True, "minor": "1"}, "minor"),
    ],
)
def test_a_wrong_rule_is_named(anywhere: CgroupDriver, rule: Rule, field: str) -> None:
    with pytest.raises(InvalidInput, match=rf"linux\.resources\.devices\[1\]\.{field}: "):
        anywhere.devices("/box", [NULL, rule])
        anywhere.device_program("/box", [NULL, rule])


NUMBERS = st.sampled_from([None, -1, 1, 3, 5])
RULES = st.lists(
    st.fixed_dictionaries({
        "allow": st.booleans(),
        "type": st.sampled_from(["a", "b", "c"]),
        "major": NUMBERS,
        "minor": NUMBERS,
        "access": st.sampled_from(["r", "w", "m", "rw", "rwm"]),
    }),
    max_size=6,
)  # fmt: skip
REQUESTS = st.tuples(
    st.sampled_from(["b", "c"]),
    st.sampled_from([1, 3, 5, 7]),
    st.sampled_from([1, 3, 5, 7]),
    st.sampled_from(["r", "w", "m", "rw"]),
)
Request = tuple[str, int, int, str]


def meant(rules: list[Rule], request: Request) -> bool:
    """What the specification says, read aloud: for each access the last rule that matches decides."""
    type, major, minor, access = request
    return all(
        next(
            (
                bool(rule["allow"])
                for rule in reversed(rules)
                if rule["type"] in ("a", type)
                and rule["major"] in (None, -1, major)
                and rule["minor"] in (None, -1, minor)
                and letter in str(rule["access"])
            ),
            False,
        )
        for letter in access
    )


def interpreted(program: bytes, request: Request) -> bool:
    """The verdict of the program by an interpreter of the few instructions it uses (kernel: bpf/standardization)."""
    type, major, minor, access = request
    wanted = sum({"m": 1, "r": 2, "w": 4}[letter] for letter in access)
    context = struct.pack("=III", wanted << 16 | {"b": 1, "c": 2}[type], major, minor)
    registers, position = [0] * 11, 0
    while True:
        opcode, register, offset, immediate = struct.unpack_from("=BBhI", program, position * 8)
        target = register & 15
        position += 1
        match opcode:
            case 0x61:
                registers[target] = struct.unpack_from("=I", context, offset)[0]
            case 0xB4:
                registers[target] = immediate
            case 0x54:
                registers[target] &= immediate
            case 0x74:
                registers[target] >>= immediate
            case 0x05:
                position += offset
            case 0x46:
                position += offset if registers[target] & immediate else 0
            case 0x56:
                position += offset if registers[target] != immediate else 0
            case 0x95:
                return bool(registers[0])
            case _:
                raise AssertionError(f"opcode {opcode:#x}")


@given(RULES, REQUESTS)
def test_the_program_decides_as_the_rules_mean(rules: list[Rule], request: Request) -> None:
    # Invariant: for any rules and any request the program's verdict is that of the specification.
    assert interpreted(device_program(rules), request) == meant(rules, request)


@given(RULES.filter(bool), REQUESTS)
def test_v1_decides_as_the_rules_mean_or_refuses_them(rules: list[Rule], request: Request) -> None:
    # Invariant: what v1 accepts it decides as the specification does (its list of exceptions, modelled here).
    try:
        settings = v1_settings(GROUP, rules)
    except Unsupported:
        return
    default, exceptions = True, dict[tuple[str, str, str], set[str]]()
    for setting in settings:
        allow = setting.path.endswith("allow")
        if setting.value == "a":
            default, exceptions = allow, {}
            continue
        device, access = setting.value.rsplit(" ", 1)
        major_text, minor_text = device[2:].split(":")
        key = (device[0], major_text, minor_text)
        if allow == default:
            exceptions.get(key, set()).difference_update(access)
        else:
            exceptions.setdefault(key, set()).update(access)
    type, major, minor, access = request
    for letter in access:
        excepted = any(
            key[0] == type and key[1] in ("*", str(major)) and key[2] in ("*", str(minor)) and letter in letters
            for key, letters in exceptions.items()
        )
        assert (default != excepted) == meant(rules, (type, major, minor, letter))
