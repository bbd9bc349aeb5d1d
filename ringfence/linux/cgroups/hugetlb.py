"""The hugetlb controller (kernel: cgroup-v1/hugetlb.rst; cgroup-v2.rst, "HugeTLB")."""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux.cgroups.fields import UINT64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.linux.cgroups.fields import Fields
    from ringfence.linux.cgroups.setting import Group, Setting


def v1(group: Group, resources: Fields) -> list[Setting]:
    return _limits(group, resources, "limit_in_bytes", "rsvd.limit_in_bytes")


def v2(group: Group, resources: Fields) -> list[Setting]:
    return _limits(group, resources, "max", "rsvd.max")


def _limits(group: Group, resources: Fields, usage: str, reservation: str) -> list[Setting]:
    """Reservations are limited where the kernel can (5.7 and later), pages in use always: the first fails an mmap,
    the second kills by SIGBUS."""
    settings = []
    for item in resources.objects("hugepageLimits"):
        size, limit = item.string("pageSize"), item.integer("limit", 0, UINT64)
        if size is None or limit is None:
            raise InvalidInput(f"{item.where}: pageSize and limit are required")
        number, unit = size[:-2], size[-2:]
        if unit not in ("KB", "MB", "GB") or not number.isascii() or not number.isdecimal():
            raise InvalidInput(f'{item.field("pageSize")}: "{size}" is not a page size such as 2MB')
        settings.append(group.set(f"hugetlb.{size}.{reservation}", limit, item.where, optional=True))
        settings.append(group.set(f"hugetlb.{size}.{usage}", limit, item.where))
    return settings
