"""linux.netDevices: the caller moves them when the executor asks for it, and takes them back when a create fails.

They are what a create takes from the host; a netlink speaker in the helper would be longer than its whole init.
"""

from __future__ import annotations

import errno
import os

from ringfence.errors import Failed, NotFound
from ringfence.linux.netdevices import NetDevice
from ringfence.linux.rtnetlink import RouteConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def look(wanted: dict[str, Any]) -> list[NetDevice]:
    """The devices with their addresses, before anything is done. NotFound if there is none of a name."""
    found = []
    with RouteConnection() as here:
        for name, device in wanted.items():
            try:
                found.append(NetDevice(here, name, (device or {}).get("name") or name))
            except OSError as error:
                if error.errno == errno.ENODEV:
                    raise NotFound(f"linux.netDevices.{name}: no such network device") from None
                raise Failed(f"linux.netDevices.{name}: {error.strerror}", errno=error.errno or 0) from error
    return found


class Mover:
    """Moves devices into the network namespace of a process, which it keeps open to take them back from."""

    __slots__ = ("_devices", "_namespace")

    def __init__(self, devices: Sequence[NetDevice]) -> None:
        self._devices = devices
        self._namespace = -1

    def move(self, pid: int) -> tuple[int, str]:
        """All of them; errno and words for the executor, errno 0 if it is done."""
        at = inside = ""
        try:
            self._namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            with RouteConnection() as here:
                for device in self._devices:
                    at, inside = device.name, device.inside
                    device.move(here, self._namespace)
        except OSError as error:
            return error.errno or errno.EIO, f"linux.netDevices.{at}: move into the container as {inside}"
        return 0, ""

    def take_back(self) -> None:
        """Whatever has been moved."""
        if self._namespace < 0:
            return
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with RouteConnection() as here:
                for device in reversed(self._devices):
                    device.take_back(here, self._namespace, own)
        finally:
            os.close(own)

    def close(self) -> None:
        """The namespace lives as long as it is open."""
        if self._namespace >= 0:
            os.close(self._namespace)
            self._namespace = -1
