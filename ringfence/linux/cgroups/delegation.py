"""Delegation: the files of a v2 cgroup that its owner may write (cgroups(7), "Cgroups delegation")."""

from __future__ import annotations

_ALWAYS = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")


def files(listing: str = "/sys/kernel/cgroup/delegate") -> list[str]:
    """What the kernel lists, or without a list what all kernels have (runtime-spec, config-linux.md)."""
    try:
        with open(listing) as file:
            return file.read().split()
    except FileNotFoundError:
        return list(_ALWAYS)
