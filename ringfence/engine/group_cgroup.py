"""The cgroup of a group: made when a first container needs it, so after each boot anew, and changed while it is in use.

Its limits hold for all containers in it and below it together, because each container's own cgroup is made below it.
`<state>/groups/<id>` is both its lock and the mark of what has been written into it: it holds the limits once all are,
and is empty while they are being written. So whoever comes after a crash knows to write them again, and a start that
finds them there writes nothing: a CPU quota that is written gives another period's worth of time away.
"""

from __future__ import annotations

import fcntl
import os

from ringfence import json
from ringfence.engine import bandwidth, spec, spec_host, spec_resources
from ringfence.engine.options import Options
from ringfence.errors import Failed
from ringfence.linux import cgroups, namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.engine.groups import GroupRecord
    from ringfence.linux.cgroups import CgroupDriver, Setting


def path(engine: Engine, name: str) -> str:
    """Its cgroup below each hierarchy's mount point. The ids in it keep groups of several data directories apart."""
    return _path(engine.groups.line(name))


def make(engine: Engine, name: str) -> None:
    """Make the cgroups of a group and of those above it, with their limits, if they are not there."""
    driver = cgroups.usable()
    if driver.base is None:  # an ordinary user to whom nothing is delegated: create has told so
        return
    line = engine.groups.line(name)
    for depth, record in enumerate(line):
        with Mark(engine, record) as mark:
            _make(driver, driver.base + _path(line[: depth + 1]), record, mark)


def remake(engine: Engine, record: GroupRecord) -> None:
    """Put the limits of a group into the kernel again, if its cgroup is there and an update of it was cut off."""
    driver = cgroups.usable()
    if driver.base is None or not os.path.exists(_mark_file(engine, record)):
        return
    cgroup = driver.base + path(engine, record.name)
    if driver.exists(cgroup):
        with Mark(engine, record) as mark:
            cut_off = not mark.read()
            _make(driver, cgroup, record, mark)
            if cut_off:
                bandwidth.change_group(engine, record)


def change(engine: Engine, record: GroupRecord, changed: Options, merged: Options) -> None:
    """Save a group's limits, and write those that `changed` into its cgroup if that is there. Failed: nothing changed.

    The record is written first: after a crash in between, `remake` goes on from there.
    """
    driver = cgroups.usable()
    before, after = record.options, dict(merged.to_json())
    with Mark(engine, record) as mark:
        cgroup = (driver.base or "") + path(engine, record.name)
        live = driver.base is not None and driver.exists(cgroup)
        mark.write("")
        record.options = after
        engine.groups.save(record)
        if live:
            try:
                _write_or_undo(driver.settings(cgroup, resources(driver, changed)))
                if any(changed.given(name) for name in bandwidth.FLAGS):
                    bandwidth.change_group(engine, record)
            except BaseException:
                record.options = before
                engine.groups.save(record)
                mark.write(_text(before))
                raise
        mark.write(_text(after))


def remove(engine: Engine, record: GroupRecord) -> None:
    """Remove the cgroup of a group that is marked as being removed. What is gone is fine."""
    driver = cgroups.usable()
    with Mark(engine, record) as mark:
        if driver.base is not None:
            above = path(engine, record.parent) if record.parent else spec.CGROUP_PARENT
            driver.remove(f"{driver.base}{above}/{_directory(record)}")
        mark.remove()


def check(options: Options) -> list[str]:
    """Refuse limits that this machine cannot apply to several containers together; returns warnings for the rest."""
    driver = cgroups.usable()
    wanted = spec_resources.limits(options, spec_host.block_devices(options))
    driver.settings(spec.CGROUP_PARENT, resources(driver, options))
    parts = ", ".join(_unenforceable(wanted, driver))
    return [f"limits of {parts} are not applied: this user has no part of cgroup v2 that has them"] if parts else []


def stats(engine: Engine, record: GroupRecord) -> dict[str, dict[str, int | None]]:
    """What all its containers use together; see CgroupDriver.stats."""
    driver = cgroups.usable()
    cgroup = (driver.base or "") + path(engine, record.name)
    return driver.stats(cgroup) if driver.base is not None and driver.exists(cgroup) else {}


def rates_of_one_only() -> bool:
    """Whether a process can be held to the rates of block devices of one cgroup only (v1), not also of those above."""
    return cgroups.usable().version("blkio", "io") == 1


class Mark:
    """The lock of one group's cgroup, held in a `with`, and the text that tells which limits are in it."""

    def __init__(self, engine: Engine, record: GroupRecord) -> None:
        self._file = _mark_file(engine, record)
        self._descriptor = -1

    def __enter__(self) -> Mark:
        os.makedirs(os.path.dirname(self._file), 0o700, exist_ok=True)
        while True:
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if os.fstat(self._descriptor).st_nlink:
                return self
            os.close(self._descriptor)  # the group was removed while we waited

    def __exit__(self, *_exception: object) -> None:
        os.close(self._descriptor)

    def read(self) -> str:
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0).decode()

    def write(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def remove(self) -> None:
        os.unlink(self._file)


def resources(driver: CgroupDriver, options: Options) -> dict[str, Any]:
    """`linux.resources` of a group, without what an ordinary user cannot have.

    v2's weights are to each other as the shares are, and so 100 for 1024, the defaults. The conversion that containers'
    shares undergo for OCI runtimes makes 1:2.3 of 1:3.
    """
    found = spec_resources.limits(options, spec_host.block_devices(options))
    if options.cpu_shares and driver.version("cpu") == 2:
        del found["cpu"]["shares"]
        weight = (options.cpu_shares * 100 + 512) // 1024
        found["unified"] = {"cpu.weight": str(min(max(weight, 1), 10000))}
    for part in _unenforceable(found, driver):
        del found[part]
    return found


def _unenforceable(resources: dict[str, Any], driver: CgroupDriver) -> list[str]:
    return [] if namespaces.privileged() else cgroups.unenforceable(resources, driver)


def _make(driver: CgroupDriver, cgroup: str, record: GroupRecord, mark: Mark) -> None:
    directories = driver.directories(cgroup)
    if mark.read() == _text(record.options) and all(map(os.path.isdir, directories)):
        return
    mark.write("")
    for directory in directories:
        try:
            os.mkdir(directory)
        except FileExistsError:
            continue
    wanted = resources(driver, Options.from_json(record.options))
    if driver.version("memory") == 1:  # before Linux 5.11 a cgroup counts only its own processes unless told otherwise
        wanted["memory"] = {"useHierarchy": True, **wanted.get("memory", {})}
    for setting in [*driver.preset(cgroup), *driver.settings(cgroup, wanted)]:
        _write(setting)
    mark.write(_text(record.options))


def _write_or_undo(settings: Sequence[Setting]) -> None:
    """All of them, or none: what was written is put back if the kernel refuses one."""
    done: list[tuple[str, str]] = []
    for setting in settings:
        before = _present(setting.path)
        try:
            _write(setting)
        except BaseException:
            for written, value in reversed(done):
                with open(written, "w") as file:
                    file.write(value)
            raise
        if before:
            done.append((setting.path, before))


def _present(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:  # an optional one, or `_write` says so
        return ""


def _write(setting: Setting) -> None:
    try:
        descriptor = os.open(setting.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, setting.value.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        if setting.optional:
            return
        raise Failed(f"{setting.reason}: write {setting.value} to {setting.path}: {error.strerror}",
                     errno=error.errno or 0) from error  # fmt: skip


def _path(line: Sequence[GroupRecord]) -> str:
    return "/".join([spec.CGROUP_PARENT, *map(_directory, line)])


def _directory(record: GroupRecord) -> str:
    return f"{record.name.rpartition('/')[2]}-{record.id[:12]}"


def _mark_file(engine: Engine, record: GroupRecord) -> str:
    return f"{engine.state}/groups/{record.id}"


def _text(options: dict[str, Any]) -> str:
    return json.dumps(options, separators=(",", ":"))
