"""The rdma controller (kernel: cgroup-v1/rdma.rst; cgroup-v2.rst, "RDMA")."""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux.cgroups.fields import UINT32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups.fields import Fields
    from ringfence.linux.cgroups.setting import Group, Setting


_KEYS = (("hca_handle", "hcaHandles"), ("hca_object", "hcaObjects"))


def v1(group: Group, resources: Fields) -> list[Setting]:
    devices, settings = resources.object("rdma"), []
    for name in devices.names():
        device = devices.object(name)
        values = [(key, device.integer(field, 0, UINT32)) for key, field in _KEYS]
        limits = [f"{key}={value}" for key, value in values if value is not None]
        if not limits:
            raise InvalidInput(f"{device.where}: neither hcaHandles nor hcaObjects is given")
        settings.append(group.set("rdma.max", f"{name} {' '.join(limits)}", device.where))
    return settings


v2 = v1
