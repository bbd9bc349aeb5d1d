"""update: new `linux.resources` for a live container."""

from __future__ import annotations

import errno
import os

from ringfence.errors import Failed, Unsupported
from ringfence.runtime.pause import DELEGATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.runtime.state import State


_REFUSALS = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOENT)


def update(record: State, driver: CgroupDriver, resources: dict[str, Any]) -> None:
    """Write the limits. Conflict if it is stopped, InvalidInput names a wrong field, Failed what the kernel refused."""
    record.require("update")
    if not record.cgroup:
        raise Unsupported(f"container {record.id} has no limits to change: it has no cgroup", hint=DELEGATION)
    loan = driver.lend(record.cgroup, resources)
    try:
        _apply(driver, record.cgroup, resources)
    finally:
        if loan is not None:
            loan.end()


def _apply(driver: CgroupDriver, cgroup: str, resources: dict[str, Any]) -> None:
    settings = driver.settings(cgroup, resources)
    driver.tell(cgroup, settings)
    for setting in settings:
        try:
            _write(setting.path, setting.value)
        except OSError as error:
            if setting.optional and error.errno in _REFUSALS:
                continue
            code = error.errno or 0
            raise Failed(
                f"{setting.reason}: write {setting.value} to {setting.path}: {error.strerror}", errno=code
            ) from error


def _write(path: str, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)
