"""Facts of the host that few specs ask for: resctrl, network devices, security modules. Imported only by those."""

from __future__ import annotations

from ringfence.errors import Unsupported
from ringfence.linux import resctrl, securitymodules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def gather(spec: dict[str, Any], process: dict[str, Any], id: str) -> dict[str, Any]:
    """Arguments of `Facts`. Unsupported names what this machine lacks."""
    linux = spec.get("linux") or {}
    found: dict[str, Any] = {"labels": _labels(linux, process)}
    if linux.get("intelRdt"):
        root = resctrl.mountpoint()
        if not root:
            raise Unsupported("linux.intelRdt: no resctrl is mounted on this machine")
        found["resctrl"] = resctrl.Resctrl(root, linux["intelRdt"].get("closID") or id)
    if linux.get("netDevices"):
        from ringfence.runtime import netdevices

        found["netdevices"] = netdevices.look(linux["netDevices"])
    return found


def _labels(linux: dict[str, Any], process: dict[str, Any]) -> dict[str, str]:
    """The fields that name a label, each with the file that takes it."""
    files = {}
    for field, where, value, module in (
        ("apparmorProfile", "process", process.get("apparmorProfile"), securitymodules.apparmor),
        ("selinuxLabel", "process", process.get("selinuxLabel"), securitymodules.selinux),
        ("mountLabel", "linux", linux.get("mountLabel"), securitymodules.selinux),
    ):
        if value:
            files[field] = module()
            if not files[field]:
                name = "AppArmor" if field == "apparmorProfile" else "SELinux"
                raise Unsupported(f"{where}.{field}: {name} is not enabled in this kernel")
    return files
