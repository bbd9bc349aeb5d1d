"""What `compile` knows of the host and of the caller's wishes beside the spec: plain values, gathered beforehand."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ringfence.linux.cgroups import CgroupDriver
    from ringfence.linux.mounts import Mount
    from ringfence.linux.netdevices import NetDevice
    from ringfence.linux.resctrl import Resctrl
    from ringfence.runtime.interface import Monitoring


START_SOCKET, PID_FILE = "start.sock", "init"
"""In a container's state directory: where `start` knocks, and the pids of its first process and of its monitor."""


class Facts:
    """Everything outside of the spec that a plan depends on.

    id, bundle (absolute), state (the container's state directory): strings. `driver` and `cgroup`: its confinement, ""
    means no cgroup. `seccomp`: the compiled filter, or None. `root`: mounts of the root filesystem, or empty for the
    spec's root.path. `wait`: stop before the program until `start`. `rootless`: no privilege in the initial user
    namespace. `groups`: supplementary groups may be set. `keyring`: see Launch. For an exec: `namespaces`, (kind, path)
    of what is to be joined, and `subgroups`, controller → path of an existing cgroup below the container's ("" is every
    controller). `found_cgroup`: the cgroup was there before, made by somebody else. `delegate`: the files that belong
    to a cgroup's owner (cgroups(7)). `hide`: to change the root without pivot_root, the host's mount points that must
    go; None: with pivot_root. `connect`: the caller connects networks. `environment`: see Launch.hook_environment. For
    the others see rare_facts.py.
    """

    __slots__ = (
        "bundle",
        "cgroup",
        "connect",
        "delegate",
        "driver",
        "environment",
        "found_cgroup",
        "groups",
        "hide",
        "id",
        "keyring",
        "labels",
        "monitoring",
        "namespaces",
        "netdevices",
        "preserve",
        "resctrl",
        "root",
        "rootless",
        "seccomp",
        "seccomp_flags",
        "state",
        "subgroups",
        "volatile",
        "wait",
    )

    def __init__(
        self,
        *,
        id: str,
        bundle: str,
        state: str,
        driver: CgroupDriver | None = None,
        cgroup: str = "",
        seccomp: bytes | None = None,
        seccomp_flags: int = 0,
        root: Sequence[Mount] = (),
        volatile: bool = False,
        monitoring: Monitoring | None = None,
        environment: Sequence[str] = (),
        wait: bool = False,
        rootless: bool = False,
        groups: bool = True,
        preserve: int = 0,
        keyring: bool = True,
        namespaces: Sequence[tuple[str, str]] = (),
        subgroups: Mapping[str, str] | None = None,
        found_cgroup: bool = False,
        delegate: Sequence[str] = (),
        hide: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        resctrl: Resctrl | None = None,
        netdevices: Sequence[NetDevice] = (),
        connect: bool = False,
    ) -> None:
        self.id = id
        self.bundle = bundle
        self.state = state
        self.driver = driver
        self.cgroup = cgroup
        self.seccomp = seccomp
        self.seccomp_flags = seccomp_flags
        self.root = list(root)
        self.volatile = volatile
        self.monitoring = monitoring
        self.environment = environment
        self.wait = wait
        self.rootless = rootless
        self.groups = groups
        self.preserve = preserve
        self.keyring = keyring
        self.namespaces = list(namespaces)
        self.subgroups = subgroups or {}
        self.found_cgroup = found_cgroup
        self.delegate = delegate
        self.hide = hide
        self.labels = labels or {}
        self.resctrl = resctrl
        self.netdevices = netdevices
        self.connect = connect
