"""The seccomp profile of the OCI spec (`linux.seccomp`), checked and turned into the values that the kernel knows.

Source: runtime-spec, config-linux.md "Seccomp"; seccomp(2); the numbers are those of linux/seccomp.h and seccomp.h.
"""

from __future__ import annotations

import errno

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
# The actions that carry a number for the process or its tracer, and the highest the kernel hands on.
_HIGHEST_ERRNO = {"SCMP_ACT_ERRNO": 4095, "SCMP_ACT_TRACE": 0xFFFF}
OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
ARCHITECTURES = tuple(
    f"SCMP_ARCH_{name}"
    for name in (
        "X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32",
        "PPC", "PPC64", "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64", "LOONGARCH64", "M68K", "SH",
        "SHEB",
    )
)  # fmt: skip
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,
}
NEW_LISTENER = 8
TSYNC_ESRCH = 16
_MOST_ARGUMENTS = 6
_WHERE = "linux.seccomp"


class Condition:
    """A comparison of one system call argument: `value` OPERATOR; for MASKED_EQ (argument & value) == `value_two`."""

    __slots__ = ("index", "operator", "value", "value_two")

    def __init__(self, index: int, operator: int, value: int, value_two: int) -> None:
        self.index = index
        self.operator = operator
        self.value = value
        self.value_two = value_two


class Rule:
    """What happens to the system calls `names` when all `conditions` hold; `action` as the filter returns it."""

    __slots__ = ("action", "conditions", "names")

    def __init__(self, action: int, names: list[str], conditions: list[Condition]) -> None:
        self.action = action
        self.names = names
        self.conditions = conditions


class Profile:
    """A checked profile; actions include their errno."""

    __slots__ = ("architectures", "default_action", "rules")

    def __init__(self, default_action: int, architectures: list[str], rules: list[Rule]) -> None:
        self.default_action = default_action
        self.architectures = architectures
        self.rules = rules


def parse(seccomp: dict[str, Any]) -> Profile:
    """Check all of a profile. InvalidInput names the JSON field: `linux.seccomp.syscalls[3].action: ...`."""
    rules = [_rule(f"{_WHERE}.syscalls[{n}]", rule) for n, rule in enumerate(_list(seccomp, "syscalls", _WHERE))]
    flags(seccomp)
    return Profile(
        _action(seccomp, "defaultAction", "defaultErrnoRet", _WHERE),
        [_known(name, ARCHITECTURES, "architecture", where) for where, name in _items(seccomp, "architectures")],
        rules,
    )


def flags(seccomp: dict[str, Any]) -> int:
    """The flags for seccomp(2) SECCOMP_SET_MODE_FILTER, with what a listener needs where the profile notifies.

    A profile that does not speak of flags gets SPEC_ALLOW, as under runc and crun: the mitigation that it turns off
    slows interpreters down by half. InvalidInput also for what contradicts itself about the listener (K24, K25).
    """
    bits = 0
    for where, name in _items(seccomp, "flags"):
        bits |= FLAGS[_known(name, FLAGS, "flag", where)]
    if seccomp.get("flags") is None:
        bits = FLAGS["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    if seccomp.get("listenerMetadata") and not seccomp.get("listenerPath"):
        raise InvalidInput(f"{_WHERE}.listenerMetadata: there is no listenerPath to send it to")
    if not notifies(seccomp):
        return bits & ~FLAGS["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]  # the kernel takes it only with a listener
    if not seccomp.get("listenerPath"):
        raise InvalidInput(f"{_WHERE}.listenerPath: needed by SCMP_ACT_NOTIFY")
    # With a listener, the thread that could not be synchronized can no longer be told as the return value.
    return bits | NEW_LISTENER | (TSYNC_ESRCH if bits & FLAGS["SECCOMP_FILTER_FLAG_TSYNC"] else 0)


def notifies(seccomp: dict[str, Any]) -> bool:
    """Whether any action is SCMP_ACT_NOTIFY, so that loading the filter returns a listener."""
    rules = _list(seccomp, "syscalls", _WHERE)
    return "SCMP_ACT_NOTIFY" in (
        seccomp.get("defaultAction"),
        *(rule.get("action") for rule in rules if isinstance(rule, dict)),
    )


def _rule(where: str, rule: Any) -> Rule:
    if not isinstance(rule, dict):
        raise InvalidInput(f"{where}: not an object")
    names = _list(rule, "names", where)
    if not names:
        raise InvalidInput(f"{where}.names: at least one system call is needed")
    for n, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise InvalidInput(f"{where}.names[{n}]: not the name of a system call")
    conditions = [_condition(f"{where}.args[{n}]", condition) for n, condition in enumerate(_list(rule, "args", where))]
    return Rule(_action(rule, "action", "errnoRet", where), names, conditions)


def _action(holder: dict[str, Any], field: str, errno_field: str, where: str) -> int:
    name = _known(holder.get(field), ACTIONS, "action", f"{where}.{field}")
    highest = _HIGHEST_ERRNO.get(name)
    if holder.get(errno_field) is None:
        return ACTIONS[name] | (errno.EPERM if highest else 0)
    if highest is None:
        raise InvalidInput(f"{where}.{errno_field}: {name} has no errno")
    return ACTIONS[name] | _number(holder, errno_field, where, highest)


def _condition(where: str, condition: Any) -> Condition:
    if not isinstance(condition, dict):
        raise InvalidInput(f"{where}: not an object")
    operator = _known(condition.get("op"), OPERATORS, "operator", f"{where}.op")
    return Condition(
        _number(condition, "index", where, _MOST_ARGUMENTS - 1),
        OPERATORS[operator],
        _number(condition, "value", where, 2**64 - 1),
        _number(condition, "valueTwo", where, 2**64 - 1) if condition.get("valueTwo") is not None else 0,
    )


def _known(name: Any, names: dict[str, int] | tuple[str, ...], what: str, where: str) -> str:
    if name is None:
        raise InvalidInput(f"{where}: missing")
    if not isinstance(name, str) or name not in names:
        raise InvalidInput(f'{where}: unknown {what} "{name}"')
    return name


def _number(holder: dict[str, Any], field: str, where: str, highest: int) -> int:
    number = holder.get(field)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= highest:
        raise InvalidInput(f"{where}.{field}: {number!r} is not a number from 0 to {highest}")
    return number


def _list(holder: dict[str, Any], field: str, where: str) -> list[Any]:
    values = holder.get(field)
    if values is None:
        return []
    if not isinstance(values, list):
        raise InvalidInput(f"{where}.{field}: not a list")
    return values


def _items(seccomp: dict[str, Any], field: str) -> list[tuple[str, Any]]:
    """The items of a list with the path of each."""
    return [(f"{_WHERE}.{field}[{n}]", value) for n, value in enumerate(_list(seccomp, field, _WHERE))]
