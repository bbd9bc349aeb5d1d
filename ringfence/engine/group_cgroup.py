"""The cgroup of a group: made when a first container needs it, so after each boot anew, and changed while it is in use.

Its limits hold for all containers in it and below it together, because each container's own cgroup is made below it.
`<state>/groups/<id>` is both its lock and the mark of what has been made: where the cgroup is (an ordinary user's
depends on the session it was made in) and, once all are written, the limits in it. So whoever comes after a crash knows
to write them again, and a start that finds them there writes nothing: a CPU quota that is written gives another
period's worth of time away.
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
    if not os.path.exists(_mark_file(engine, record)):
        return
    driver = cgroups.usable()
    with Mark(engine, record) as mark:
        if mark.cgroup and not mark.limits and driver.exists(mark.cgroup):
            _make(driver, mark.cgroup, record, mark)
            bandwidth.change_group(engine, record)


def change(engine: Engine, record: GroupRecord, changed: Options, merged: Options) -> None:
    """Save a group's limits, and write those that `changed` into its cgroup if that is there. Failed: nothing changed.

    The record is written first: after a crash in between, `remake` goes on from there.
    """
    driver = cgroups.usable()
    before, after = record.options, dict(merged.to_json())
    with Mark(engine, record) as mark:
        cgroup = mark.cgroup
        mark.write(cgroup, "")
        record.options = after
        engine.groups.save(record)
        if driver.exists(cgroup):
            try:
                _write_or_undo(driver.settings(cgroup, resources(driver, changed)))
                if any(changed.given(name) for name in bandwidth.FLAGS):
                    bandwidth.change_group(engine, record)
            except BaseException:
                record.options = before
                engine.groups.save(record)
                mark.write(cgroup, _text(before))
                raise
        mark.write(cgroup, _text(after))


def remove(engine: Engine, record: GroupRecord) -> None:
    """Remove the cgroup of a group that is marked as being removed. What is gone is fine."""
    driver = cgroups.usable()
    with Mark(engine, record) as mark:
        cgroup = mark.cgroup
        if not cgroup and driver.base is not None:
            above = path(engine, record.parent) if record.parent else spec.CGROUP_PARENT
            cgroup = f"{driver.base}{above}/{_directory(record)}"
        if cgroup:
            driver.remove(cgroup)
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
    if not os.path.exists(_mark_file(engine, record)):
        return {}
    with Mark(engine, record) as mark:
        driver = cgroups.usable()
        return driver.stats(mark.cgroup) if driver.exists(mark.cgroup) else {}


def rates_of_one_only() -> bool:
    """Whether a process can be held to the rates of block devices of one cgroup only (v1), not also of those above."""
    return cgroups.usable().version("blkio", "io") == 1


class Mark:
    """The lock of one group's cgroup, held in a `with`; `cgroup` is where that is, `limits` what is written there.

    Both are empty before it is made, `limits` also while they are being written.
    """

    def __init__(self, engine: Engine, record: GroupRecord) -> None:
        self._file = _mark_file(engine, record)
        self._descriptor = -1
        self.cgroup = self.limits = ""

    def __enter__(self) -> Mark:
        os.makedirs(os.path.dirname(self._file), 0o700, exist_ok=True)
        while True:
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            status = os.fstat(self._descriptor)
            if status.st_nlink:
                text = os.pread(self._descriptor, status.st_size, 0).decode().rstrip(" ")
                self.cgroup, _, self.limits = text.partition("\n")
                return self
            os.close(self._descriptor)  # the group was removed while we waited

    def __exit__(self, *_exception: object) -> None:
        os.close(self._descriptor)

    def write(self, cgroup: str, limits: str) -> None:
        """In one write, and never shorter than before (spaces are no harm), so that a kill leaves it readable."""
        self.cgroup, self.limits = cgroup, limits
        text = f"{cgroup}\n{limits}".encode()
        os.pwrite(self._descriptor, text.ljust(os.fstat(self._descriptor).st_size), 0)

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
    if namespaces.privileged():
        return []
    from ringfence.linux.cgroups import rootless

    return rootless.unenforceable(resources, driver)


def _make(driver: CgroupDriver, cgroup: str, record: GroupRecord, mark: Mark) -> None:
    directories = driver.directories(cgroup)
    if (mark.cgroup, mark.limits) == (cgroup, _text(record.options)) and all(map(os.path.isdir, directories)):
        return
    mark.write(cgroup, "")
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
    mark.write(cgroup, _text(record.options))


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
