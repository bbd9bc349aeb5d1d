"""Which driver of control groups a command gets: by its privilege, and by who is to make its cgroups."""

from __future__ import annotations

from ringfence.linux import namespaces
from ringfence.linux.cgroups.driver import CgroupDriver, driver
from ringfence.linux.cgroups.layout import Layout, layout


def usable(manager: str = "") -> CgroupDriver:
    """The driver, systemd's where `manager` is "systemd" (Unsupported but for root), of this machine.

    "disabled" is one without hierarchies, for containers that stay in the cgroups of their caller.

    Without privilege it is that of what is delegated; its `base` is where new cgroups may be made.
    """
    if manager == "systemd":
        return _systemd()
    if manager == "disabled":
        none = driver(Layout([]))
        none.base = None
        return none
    if namespaces.privileged():
        return driver()
    from ringfence.linux.cgroups import rootless

    return rootless.delegated()


def _systemd() -> CgroupDriver:
    from ringfence.errors import Unsupported
    from ringfence.linux.cgroups.places import Places
    from ringfence.linux.cgroups.systemd import SystemdDriver

    if not namespaces.privileged():
        raise Unsupported("--systemd-cgroup: an ordinary user's systemd is not asked yet", hint="leave the flag out")
    return SystemdDriver(Places(layout(), False))
