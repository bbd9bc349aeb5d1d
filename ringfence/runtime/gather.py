"""Gathering what create and exec alike must know of the machine before they compile a plan: see facts.py."""

from __future__ import annotations

import os

from ringfence.linux import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def groups_settable() -> bool:
    """Whether processes of our user namespace may set supplementary groups (user_namespaces(7))."""
    if namespaces.privileged():
        return True
    with open("/proc/self/setgroups") as file:
        return file.read() != "deny\n"


def rare(spec: dict[str, Any], process: dict[str, Any], id: str) -> dict[str, Any]:
    """The facts that few ask for, as arguments of `Facts`: resctrl, network devices, security modules."""
    linux = spec.get("linux") or {}
    asked = [linux.get(name) for name in ("intelRdt", "netDevices", "mountLabel")]
    if not any(asked) and not process.get("apparmorProfile") and not process.get("selinuxLabel"):
        return {}
    from ringfence.runtime import rare_facts

    return rare_facts.gather(spec, process, id)


def seccomp(root: str, spec: dict[str, Any]) -> tuple[bytes | None, int]:
    """The compiled filter of linux.seccomp and its flags for seccomp(2); compiled once for all containers."""
    profile = (spec.get("linux") or {}).get("seccomp")
    if not profile:
        return None, 0
    from ringfence.linux import seccompcache, seccompprofile

    filter = seccompcache.cached_filter(profile, os.path.join(os.path.dirname(root), "seccomp"))
    return filter, seccompprofile.flags(profile)
