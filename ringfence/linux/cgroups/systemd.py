"""The systemd driver: cgroups that systemd makes, as transient scopes handed over to us (systemd: Control Group APIs).

A scope needs a process from its beginning on, and ends with its last. Moving the container's into it afterwards would
cost a grace period of the kernel, so a holder, which waits for the end of a pipe, is there first: the container is born
beside it, then the pipe is closed. Whoever makes the scope and is killed closes it as well, and systemd cleans up.
Limits are told to systemd too, which else would undo them when it is reloaded; what it has no word for is only written.
"""

from __future__ import annotations

import os
import time

from ringfence.errors import InvalidInput, Unsupported
from ringfence.linux.cgroups.driver import CgroupDriver
from ringfence.linux.cgroups.systemd_properties import annotated, properties
from ringfence.linux.dbus import CallFailed, Connection, Variant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ringfence.linux.cgroups.setting import Setting

_PRIVATE = "/run/systemd/private"  # systemd's own socket for root, which needs no bus
_BUS = "/run/dbus/system_bus_socket"
_NAME, _PATH, _MANAGER = "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
_GONE = "org.freedesktop.systemd1.NoSuchUnit"
_OURS = frozenset({"cpuset", "freezer", "net_cls", "net_prio", "perf_event", "hugetlb", "rdma", "misc"})  # of v1


def path(cgroups_path: str, id: str) -> str:
    """The cgroup of linux.cgroupsPath "slice:prefix:name", such as /system.slice/libpod-4d2f.scope; InvalidInput."""
    parts = (cgroups_path or f":ringrun:{id}").split(":")
    if len(parts) != 3:
        raise InvalidInput(f'linux.cgroupsPath: "{cgroups_path}" is not slice:prefix:name (--systemd-cgroup)')
    slice, prefix, name = parts
    if not name or "/" in prefix + name:
        raise InvalidInput(f'linux.cgroupsPath: "{cgroups_path}" does not name a unit')
    return f"{_slice(slice or 'system.slice', cgroups_path)}/{f'{prefix}-' if prefix else ''}{name}.scope"


def _slice(slice: str, cgroups_path: str) -> str:
    """A slice below its parents, which its name tells (systemd.slice(5)): a-b.slice is /a.slice/a-b.slice."""
    stem = slice.removesuffix(".slice")
    if slice == "-.slice":
        return ""
    parts = stem.split("-")
    if stem == slice or "/" in slice or "" in parts:
        raise InvalidInput(f'linux.cgroupsPath: "{cgroups_path}": "{slice}" is not the name of a slice')
    return "".join(f"/{'-'.join(parts[: n + 1])}.slice" for n in range(len(parts)))


def connect() -> Connection:
    """A connection to systemd; Unsupported where none runs."""
    for address, bus in ((_PRIVATE, False), (_BUS, True)):
        try:
            connection = Connection(address, bus=bus)
        except (FileNotFoundError, ConnectionRefusedError):
            continue
        if bus:
            connection.call(_NAME, _PATH, _MANAGER, "Subscribe")
            rule = f"type='signal',sender='{_NAME}',interface='{_MANAGER}',member='JobRemoved'"
            bus_name = "org.freedesktop.DBus"
            connection.call(bus_name, "/org/freedesktop/DBus", bus_name, "AddMatch", "s", rule)
        return connection
    raise Unsupported("--systemd-cgroup: systemd does not run on this machine", hint="leave the flag out")


class SystemdDriver(CgroupDriver):
    """A `CgroupDriver` whose cgroups are scopes of systemd."""

    _held = ""

    def keeps(self, directory: str) -> bool:
        """See `CgroupDriver.keeps`: systemd removes what it has made, and would miss the end of what others remove."""
        for hierarchy in self._layout.hierarchies:
            if directory.startswith(f"{hierarchy.mountpoint}/"):
                ours = hierarchy.controllers and _OURS.issuperset(hierarchy.controllers)
                return hierarchy.version == 2 or not ours
        return True

    def settings(self, cgroup: str, resources: Mapping[str, Any]) -> list[Setting]:
        """See `CgroupDriver.settings`. While the holder is there it counts as one more process."""
        settings = super().settings(cgroup, resources)
        for setting in settings if cgroup == self._held else ():
            if setting.path.endswith("/pids.max") and setting.value != "max":
                setting.value = str(int(setting.value) + 1)
        return settings

    def hold(self, cgroup: str, resources: Mapping[str, Any], annotations: Mapping[str, str], id: str) -> Scope:
        """See `CgroupDriver.hold`."""
        told = properties(self.settings(cgroup, resources))
        self._held = cgroup
        first = properties(self.settings(cgroup, resources)) | annotated(annotations)
        limits = {"TasksMax": told["TasksMax"]} if "TasksMax" in told else {}
        parents, _, unit = cgroup.rpartition("/")
        fixed = {
            "Description": Variant("s", f"ringrun container {id}"),
            "Slice": Variant("s", parents.rpartition("/")[2] or "-.slice"),
            "Delegate": Variant("b", True),
            "DefaultDependencies": Variant("b", False),
            "CollectMode": Variant("s", "inactive-or-failed"),
            **{f"{name}Accounting": Variant("b", True) for name in ("CPU", "Memory", "Tasks")},
            ("BlockIOAccounting" if self.kind == "v1" else "IOAccounting"): Variant("b", True),
        }
        try:
            return Scope(unit, {**fixed, **first}, limits)
        except BaseException:
            self._held = ""
            raise

    def tell(self, cgroup: str, settings: list[Setting]) -> None:
        """See `CgroupDriver.tell`."""
        changed = properties(settings)
        if changed:
            _set(os.path.basename(cgroup), changed)

    def remove(self, cgroup: str) -> None:
        """See `CgroupDriver.remove`: systemd is asked first."""
        connection = connect()
        try:
            for method, signature, values in (
                ("StopUnit", "ss", (os.path.basename(cgroup), "replace")),
                ("ResetFailedUnit", "s", (os.path.basename(cgroup),)),
            ):
                try:
                    connection.call(_NAME, _PATH, _MANAGER, method, signature, *values)
                except CallFailed as error:
                    if error.name != _GONE:
                        raise
        finally:
            connection.close()
        super().remove(cgroup)


class Scope:
    """A scope with its holder in it, until `release`."""

    def __init__(self, unit: str, properties: Mapping[str, Variant], limits: Mapping[str, Variant]) -> None:
        self._unit = unit
        self._limits = limits
        self._connection = connect()
        end, self._pipe = os.pipe2(os.O_CLOEXEC)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, end, 0)]
            self._pid = os.posix_spawnp("cat", ["cat"], {"PATH": os.defpath}, file_actions=actions)
        finally:
            os.close(end)
        try:
            self._start({**properties, "PIDs": Variant("au", [self._pid])})
        except BaseException:
            self._let_go()
            self._connection.close()
            raise

    def _start(self, properties: Mapping[str, Variant]) -> None:
        job = self._connection.call(
            _NAME, _PATH, _MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))",
            self._unit, "fail", list(properties.items()), [],
        )[0]  # fmt: skip
        while True:
            _id, ended, _unit, result = self._connection.signal("JobRemoved")
            if ended == job:
                break
        if result != "done":
            raise Unsupported(f"systemd did not start {self._unit}: {result}")

    def release(self) -> None:
        """The container's process is in it: let the holder go, and set the limits that had counted it."""
        self._let_go()
        try:
            if self._limits:
                asked = (self._unit, True, list(self._limits.items()))
                self._connection.call(_NAME, _PATH, _MANAGER, "SetUnitProperties", "sba(sv)", *asked)
        except CallFailed as error:
            if error.name != _GONE:  # the container has ended already
                raise
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Nothing is in it but the holder: let it end, and wait for systemd to have removed it."""
        self._let_go()
        try:
            self._connection.call(_NAME, _PATH, _MANAGER, "StopUnit", "ss", self._unit, "replace")
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                self._connection.call(_NAME, _PATH, _MANAGER, "GetUnit", "s", self._unit)
                time.sleep(0.01)
        except CallFailed as error:
            if error.name != _GONE:
                raise
        finally:
            self._connection.close()

    def _let_go(self) -> None:
        os.close(self._pipe)
        os.waitpid(self._pid, 0)


def _set(unit: str, properties: Mapping[str, Variant]) -> None:
    connection = connect()
    try:
        connection.call(_NAME, _PATH, _MANAGER, "SetUnitProperties", "sba(sv)", unit, True, list(properties.items()))
    finally:
        connection.close()
