"""The seccomp profile of a container: docker's default (seccomp.json) or the user's own, made for one machine.

Profiles are in docker's form: the runtime-spec's `linux.seccomp` with `archMap` instead of `architectures`, and with
rules that hold only for some capabilities, architectures or kernels (`includes`, `excludes`). `resolve` turns one into
the runtime-spec's form. The default is docker's word for word, so that a program allowed there is allowed here.
"""

from __future__ import annotations

import os

from ringfence import json
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

DEFAULT_PROFILE = os.path.join(os.path.dirname(__file__), "seccomp.json")

# `uname -m`, the name in `arches` of a profile (Go's GOARCH), and libseccomp's name in `archMap`.
MACHINES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "i686": ("386", "SCMP_ARCH_X86"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "loongarch64": ("loong64", "SCMP_ARCH_LOONGARCH64"),
}

_default: dict[str, Any] | None = None
_resolved: dict[tuple[frozenset[str], str, tuple[int, int]], dict[str, Any]] = {}


def default_profile() -> dict[str, Any]:
    """Docker's default profile, read once."""
    global _default
    if _default is None:
        with open(DEFAULT_PROFILE, encoding="utf-8") as file:
            _default = json.load(file)
    return _default


def default(capabilities: frozenset[str], machine: str, kernel: tuple[int, int]) -> dict[str, Any]:
    """`linux.seccomp` of the default profile for a container with these bounding capabilities; shared, read only."""
    key = (capabilities, machine, kernel)
    found = _resolved.get(key)
    if found is None:
        found = _resolved[key] = resolve(default_profile(), capabilities, machine, kernel)
    return found


def resolve(
    profile: Mapping[str, Any], capabilities: frozenset[str], machine: str, kernel: tuple[int, int]
) -> dict[str, Any]:
    """`profile` as `linux.seccomp`: `machine` is `uname -m`'s word, `kernel` its version, such as (6, 18)."""
    go_name, native = MACHINES.get(machine, (machine, ""))
    result: dict[str, Any] = {"defaultAction": profile["defaultAction"]}
    for key in ("defaultErrnoRet", "flags", "listenerPath", "listenerMetadata"):
        if profile.get(key) is not None:
            result[key] = profile[key]
    architectures = list(profile.get("architectures") or ())
    for entry in profile.get("archMap") or ():
        if entry["architecture"] == native:
            architectures = [native, *(entry.get("subArchitectures") or ())]
    if architectures:
        result["architectures"] = architectures
    rules = []
    for rule in profile.get("syscalls") or ():
        facts = (capabilities, go_name, kernel)
        if _includes(rule.get("includes") or {}, *facts) and not _excludes(rule.get("excludes") or {}, *facts):
            rules.append(_rule(rule))
    result["syscalls"] = rules
    return result


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = rule.get("names") or [rule["name"]]
    kept = {key: rule[key] for key in ("action", "errnoRet", "args") if rule.get(key) not in (None, [])}
    return {"names": names, **kept}


def _includes(filter: Mapping[str, Any], capabilities: frozenset[str], arch: str, kernel: tuple[int, int]) -> bool:
    """Whether all conditions of `filter` hold."""
    return (
        all(name in capabilities for name in filter.get("caps") or ())
        and (not filter.get("arches") or arch in filter["arches"])
        and (not filter.get("minKernel") or kernel >= _version(filter["minKernel"]))
    )


def _excludes(filter: Mapping[str, Any], capabilities: frozenset[str], arch: str, kernel: tuple[int, int]) -> bool:
    """Whether one condition of `filter` holds."""
    return (
        any(name in capabilities for name in filter.get("caps") or ())
        or arch in (filter.get("arches") or ())
        or (bool(filter.get("minKernel")) and kernel >= _version(filter["minKernel"]))
    )


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def check_profile(where: str, profile: Any) -> None:
    """Raise InvalidInput unless `resolve` can read `profile`; the runtime checks actions, names and arguments."""

    def refuse(why: str) -> NoReturn:
        raise InvalidInput(f"{where}: {why}")

    if not isinstance(profile, dict):
        refuse("not a JSON object")
    if not isinstance(profile.get("defaultAction"), str):
        refuse("defaultAction is missing")
    if profile.get("architectures") and profile.get("archMap"):
        refuse("architectures and archMap exclude each other")
    for index, entry in enumerate(_list(profile, "archMap", refuse)):
        if not isinstance(entry, dict) or not isinstance(entry.get("architecture"), str):
            refuse(f"archMap[{index}].architecture is missing")
    for index, rule in enumerate(_list(profile, "syscalls", refuse)):
        here = f"syscalls[{index}]"
        if not isinstance(rule, dict) or not isinstance(rule.get("action"), str):
            refuse(f"{here}.action is missing")
        if bool(rule.get("name")) == bool(rule.get("names")):
            refuse(f"{here} needs either names or name")
        if not all(isinstance(name, str) for name in _list(rule, "names", refuse)):
            refuse(f"{here}.names is not a list of names")
        for key in ("includes", "excludes"):
            _check_filter(f"{here}.{key}", rule.get(key) or {}, refuse)


def _check_filter(here: str, filter: Any, refuse: Any) -> None:
    if not isinstance(filter, dict):
        refuse(f"{here} is not an object")
    for key in ("caps", "arches"):
        if not all(isinstance(word, str) for word in _list(filter, key, refuse)):
            refuse(f"{here}.{key} is not a list of names")
    version = filter.get("minKernel") or "0.0"
    parts = version.split(".") if isinstance(version, str) else []
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
        refuse(f"{here}.minKernel is not of the form MAJOR.MINOR")


def _list(parent: dict[str, Any], key: str, refuse: Any) -> list[Any]:
    found = parent.get(key) or []
    if not isinstance(found, list):
        refuse(f"{key} is not a list")
    return list(found)
