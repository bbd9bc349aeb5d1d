"""`HostFacts`: all that `spec.build` must know beside the options, as plain values, and `gather`, which looks it up."""

from __future__ import annotations

import os
import stat

from ringfence.engine.options_namespaces import container_of
from ringfence.engine.users import User
from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ringfence.engine.options import Options
    from ringfence.engine.options_mounts import MountRequest

    IdMap = tuple[int, int, int]


class HostDevice:
    """A device node for the container: `path` inside it, `type` "c" or "b", numbers, mode bits, owner, `access` rwm."""

    __slots__ = ("access", "gid", "major", "minor", "mode", "path", "type", "uid")

    def __init__(self, path: str, type: str, major: int, minor: int, *, mode: int = 0o666, uid: int = 0, gid: int = 0,
                 access: str = "rwm") -> None:  # fmt: skip
        self.path = path
        self.type = type
        self.major = major
        self.minor = minor
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.access = access


class HostFacts:
    """`bundle`: the container's directory, which holds hosts, hostname and resolv.conf. `user`: see users.resolve.

    `mounts`: what was asked for, resolved (volumes.Volumes.resolve). `devices`: those of --device, or all of the host's
    for --privileged. `pids`: for each of network, pid, ipc that is `container:NAME`, the pid of that container's
    process. `blocks`: (major, minor) by path, of the devices that --device-read-bps and its siblings name. `uids`,
    `gids`: (container id, host id, size) of --userns auto. `group`: the cgroup of --group, or "". `bounding`: the
    capabilities that this process may hand on, as a mask. `thermal`: paths that docker masks on machines that
    have them. `rootless`: we are not root of the machine; `single`: not even of other ids than our own. `mqueue`:
    /dev/mqueue can be had, as a file system of the container's own or as the host's.
    """

    __slots__ = ("blocks", "bounding", "bundle", "devices", "gids", "group", "hostname", "kernel", "machine", "mounts",
                 "mqueue", "pids", "rootless", "single", "thermal", "uids", "user")  # fmt: skip

    def __init__(
        self,
        *,
        bundle: str = "",
        user: User | None = None,
        mounts: Sequence[MountRequest] = (),
        devices: Sequence[HostDevice] = (),
        pids: Mapping[str, int] | None = None,
        blocks: Mapping[str, tuple[int, int]] | None = None,
        uids: Sequence[IdMap] = (),
        gids: Sequence[IdMap] = (),
        group: str = "",
        hostname: str = "localhost",
        machine: str = "x86_64",
        kernel: tuple[int, int] = (6, 1),
        bounding: int = (1 << 41) - 1,
        thermal: Sequence[str] = (),
        rootless: bool = False,
        single: bool = False,
        mqueue: bool = True,
    ) -> None:
        self.bundle = bundle
        self.user = user or User()
        self.mounts = mounts
        self.devices = devices
        self.pids = pids or {}
        self.blocks = blocks or {}
        self.uids = uids
        self.gids = gids
        self.group = group
        self.hostname = hostname
        self.machine = machine
        self.kernel = kernel
        self.bounding = bounding
        self.thermal = thermal
        self.rootless = rootless
        self.single = single
        self.mqueue = mqueue


def gather(
    options: Options,
    *,
    bundle: str,
    user: User,
    mounts: Sequence[MountRequest] = (),
    pids: Mapping[str, int] | None = None,
    uids: Sequence[IdMap] = (),
    gids: Sequence[IdMap] = (),
    group: str = "",
) -> HostFacts:
    """The facts of this machine for these options. InvalidInput for a --device that is not one."""
    from ringfence.linux import capabilities, namespaces
    from ringfence.runtime.gather import groups_settable

    system = os.uname()
    return HostFacts(
        bundle=bundle,
        user=user,
        mounts=mounts,
        devices=_all_devices() if options.privileged else _devices(options),
        pids=pids,
        blocks=block_devices(options),
        uids=uids,
        gids=gids,
        group=group,
        hostname=system.nodename,
        machine=system.machine,
        kernel=kernel_version(system.release),
        bounding=capabilities.of()["bounding"],
        thermal=_thermal_paths(),
        rootless=not namespaces.privileged(),
        single=not groups_settable(),
        mqueue=options.ipc != "host" or os.path.isdir("/dev/mqueue"),
    )


def joined(options: Options) -> dict[str, str]:
    """The containers whose namespaces are joined: {"network": "web"} for `--network container:web`; see `pids`."""
    modes = {"network": options.network, "pid": options.pid, "ipc": options.ipc}
    return {kind: container_of(mode) for kind, mode in modes.items() if container_of(mode)}


def kernel_version(release: str) -> tuple[int, int]:
    """(6, 18) of `6.18.44-fc`."""
    numbers = []
    for part in release.split(".", 2)[:2]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or "0"))
    return numbers[0], numbers[1] if len(numbers) > 1 else 0


def _thermal_paths() -> list[str]:
    """Per-CPU counters that tell what other tenants compute (moby, GHSA-6fw5-f8r9-fgfm)."""
    cpus = "/sys/devices/system/cpu"
    if not os.path.exists(f"{cpus}/cpu0/thermal_throttle"):
        return []
    return [f"{cpus}/cpu{number}/thermal_throttle" for number in range(os.cpu_count() or 1)]


def _devices(options: Options) -> list[HostDevice]:
    found = []
    for asked in options.device:
        try:
            status = os.stat(asked["host"])
        except OSError as error:
            raise InvalidInput(f"--device: {asked['host']}: {(error.strerror or '').lower()}") from error
        if stat.S_ISDIR(status.st_mode):
            try:
                below = _below(asked["host"], asked["container"], asked["access"])
            except OSError as error:
                raise InvalidInput(f"--device: {error.filename}: {(error.strerror or '').lower()}") from error
            if not below:
                raise InvalidInput(f"--device: {asked['host']}: no devices in this directory")
            found += below
        elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            found.append(_device(asked["container"], status, asked["access"]))
        else:
            raise InvalidInput(f"--device: {asked['host']}: not a device")
    return list({device.path: device for device in found}.values())


def _device(path: str, status: os.stat_result, access: str) -> HostDevice:
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b"
    major, minor, mode = os.major(status.st_rdev), os.minor(status.st_rdev), stat.S_IMODE(status.st_mode)
    return HostDevice(path, kind, major, minor, mode=mode, uid=status.st_uid, gid=status.st_gid, access=access)


def block_devices(options: Options) -> dict[str, tuple[int, int]]:
    """(major, minor) by path, of the block devices whose speed or weight is set; InvalidInput if one is none."""
    found = {}
    for name in ("device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops", "blkio_weight_device"):
        for asked in getattr(options, name):
            flag, path = f"--{name.replace('_', '-')}", asked["path"]
            try:
                status = os.stat(path)
            except OSError as error:
                raise InvalidInput(f"{flag}: {path}: {(error.strerror or '').lower()}") from error
            if not stat.S_ISBLK(status.st_mode):
                raise InvalidInput(f"{flag}: {path}: not a block device")
            found[path] = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return found


# What a container gets in any case, by the runtime, or as mounts of its own.
_OWN = ("pts", "shm", "fd", "mqueue", "console", "ptmx", ".lxc", ".lxd-mounts", ".udev")


def _all_devices() -> list[HostDevice]:
    return _below("/dev", "/dev", "rwm", skip=_OWN)


def _below(source: str, target: str, access: str, skip: Sequence[str] = ()) -> list[HostDevice]:
    """The device nodes in a directory of the host, recursively; links are not followed."""
    found = []
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name in skip or entry.is_symlink():
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # gone since the directory was read, as a closed terminal's
                continue
            inside = f"{target}/{entry.name}"
            if stat.S_ISDIR(status.st_mode):
                found += _below(entry.path, inside, access)
            elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                found.append(_device(inside, status, access))
    return found
