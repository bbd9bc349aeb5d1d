"""Rules of the devices controller: checked once, written in v1's terms here; bpf.py makes v2's program of them.

Rules apply in order and the last one that matches decides, for each kind of access by itself (runtime-spec,
config-linux.md, "Allowed Device list"). What no rule names is denied, in both versions.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux.cgroups.fields import UINT32, Fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ringfence.linux.cgroups.setting import Group, Setting

ALL = "rwm"


class Rule:
    """`type` is "b" or "c", or "a" for every device there is; `major` and `minor` are None for any number."""

    __slots__ = ("access", "allow", "major", "minor", "type", "where")

    def __init__(self, allow: bool, type: str, major: int | None, minor: int | None, access: str, where: str) -> None:
        self.allow = allow
        self.type = type
        self.major = major
        self.minor = minor
        self.access = access
        self.where = where

    @property
    def catch_all(self) -> bool:
        return self.type == "a"

    @property
    def devices(self) -> tuple[str, int | None, int | None]:
        return self.type, self.major, self.minor

    def overlaps(self, devices: tuple[str, int | None, int | None]) -> bool:
        type, major, minor = devices
        return self.type == type and _meet(self.major, major) and _meet(self.minor, minor)

    def __str__(self) -> str:
        """As devices.allow takes it: "c 1:* rw"."""
        if self.catch_all:
            return "a"
        major, minor = ("*" if number is None else number for number in (self.major, self.minor))
        return f"{self.type} {major}:{minor} {self.access}"


def check(rules: Sequence[object], where: str = "linux.resources.devices") -> list[Rule]:
    """The rules that matter: those after the last one for all devices, which stands first in the result.

    A rule for all devices that gives numbers or not all access is one for block and one for character devices.
    """
    checked: list[Rule] = [Rule(False, "a", None, None, ALL, where)]
    for number, item in enumerate(rules):
        fields = Fields(item, f"{where}[{number}]")
        allow = fields.boolean("allow")
        if allow is None:
            raise InvalidInput(f"{fields.field('allow')}: missing")
        type = fields.string("type") or "a"
        if type not in ("a", "b", "c"):
            raise InvalidInput(f'{fields.field("type")}: "{type}" is none of a, b, c')
        major, minor = _number(fields, "major"), _number(fields, "minor")
        access = _access(fields)
        if type == "a" and major is None and minor is None and access == ALL:
            checked = [Rule(allow, "a", None, None, ALL, fields.where)]
        else:
            kinds = "bc" if type == "a" else type
            checked += [Rule(allow, kind, major, minor, access, fields.where) for kind in kinds]
    return checked


def v1(group: Group, rules: Sequence[Any]) -> list[Setting]:
    """The writes to devices.deny and devices.allow; none for no rules."""
    if not rules:
        return []
    checked = check(rules)
    _check_expressible(checked)
    return [group.set("devices.allow" if rule.allow else "devices.deny", rule, rule.where) for rule in checked]


def _check_expressible(rules: Sequence[Rule]) -> None:
    """v1 keeps a default and a flat list of exceptions to it: a rule can take back an exception, but no part of one."""
    default, exceptions = rules[0].allow, dict[tuple[str, int | None, int | None], set[str]]()
    for rule in rules[1:]:
        if rule.allow != default:
            exceptions.setdefault(rule.devices, set()).update(rule.access)
            continue
        for devices, access in exceptions.items():
            if devices == rule.devices:
                access.difference_update(rule.access)
            elif rule.overlaps(devices) and not access.isdisjoint(rule.access):
                raise Unsupported(f"{rule.where}: cgroup v1 cannot take back a part of an earlier rule ({rule})")


def _number(fields: Fields, name: str) -> int | None:
    """Device numbers are wildcards when they are absent, and -1 when engines write them out."""
    number = fields.integer(name, -1, UINT32)
    return None if number == -1 else number


def _access(fields: Fields) -> str:
    access = fields.string("access")
    if access is None:
        return ALL
    if not access or not set(access) <= set(ALL):
        raise InvalidInput(f'{fields.field("access")}: "{access}" is not made of r, w and m')
    return "".join([letter for letter in ALL if letter in access])


def _meet(one: int | None, other: int | None) -> bool:
    return one is None or other is None or one == other
