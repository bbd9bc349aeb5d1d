"""Mounts of the spec, and the paths of /proc and /sys that are masked or read-only.

The defaults are docker's (moby daemon/pkg/oci/defaults.go), and so is their order: /proc, /dev and /sys first, then
the container's own files of /etc, then what was asked for, parents before children.
"""

from __future__ import annotations

from ringfence.engine.options_namespaces import container_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ringfence.engine.options import Options
    from ringfence.engine.options_mounts import MountRequest
    from ringfence.engine.spec_host import HostFacts

ETC_FILES = ("resolv.conf", "hostname", "hosts")
_GUARDED = ["nosuid", "noexec", "nodev"]

PROC = {"destination": "/proc", "type": "proc", "source": "proc", "options": _GUARDED}
DEV = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
       "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}  # fmt: skip
DEVPTS = {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
          "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]}  # fmt: skip
MQUEUE = {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": _GUARDED}
SYS = {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*_GUARDED, "ro"]}
CGROUP = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": [*_GUARDED, "ro"]}
# A privileged container may write to both.
SYS_WRITABLE = {**SYS, "options": _GUARDED}
CGROUP_WRITABLE = {**CGROUP, "options": _GUARDED}

MADE = ("/dev", "/proc", "/sys", *(f"/etc/{name}" for name in ETC_FILES))
"""Mount points that every container has, whether its image does or not: making them is no change of the container's."""

# Who is not root of the machine may not mount what shows the machine's own namespaces, and gets what is mounted there.
OF_HOST = {
    "pid": (PROC, ["rbind", "rprivate", *_GUARDED]),
    "network": (SYS, ["rbind", "rprivate", "rro", *_GUARDED]),
    "ipc": (MQUEUE, ["bind", "rprivate", *_GUARDED]),
}

MASKED = ["/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
          "/sys/devices/virtual/powercap"]  # fmt: skip
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def mounts(options: Options, host: HostFacts) -> list[dict[str, Any]]:
    """`mounts` of the spec. What is asked for at the target of a default takes its place."""
    asked = sorted(host.mounts, key=lambda request: request["target"].count("/"))
    targets = {request["target"] for request in asked}
    defaults = [mount for mount in _defaults(options, host) if mount["destination"] not in targets]
    if "/dev" in targets:
        defaults = [mount for mount in defaults if not mount["destination"].startswith("/dev/")]
    return [*defaults, *_etc(options, host, targets), *(mount(request, mapped=bool(host.uids)) for request in asked)]


def _defaults(options: Options, host: HostFacts) -> list[dict[str, Any]]:
    writable = options.privileged and not options.read_only
    terminals = {**DEVPTS, "options": DEVPTS["options"][:-1]} if host.single else DEVPTS  # no id but ours: no group tty
    found: list[dict[str, Any]] = [PROC, DEV, terminals, SYS_WRITABLE if writable else SYS]
    found.append(CGROUP_WRITABLE if writable else CGROUP)
    found.append(MQUEUE)
    if host.rootless:
        found = [_of_host(mount, options) for mount in found if mount is not MQUEUE or host.mqueue]
    if container_of(options.ipc):
        found.append(_shared_shm(f"/proc/{host.pids['ipc']}/root/dev/shm"))
    elif options.ipc == "host":
        found.append(_shared_shm("/dev/shm"))
    elif options.ipc != "none":
        found.append({"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                      "options": [*_GUARDED, "mode=1777", f"size={options.shm_size}"]})  # fmt: skip
    return found


def _of_host(mount: dict[str, Any], options: Options) -> dict[str, Any]:
    for namespace, (one, flags) in OF_HOST.items():
        if getattr(options, namespace) == "host" and mount["destination"] == one["destination"]:
            return {**mount, "type": "bind", "source": mount["destination"], "options": flags}
    return mount


def _shared_shm(source: str) -> dict[str, Any]:
    """POSIX shared memory lives in a file system: who shares an IPC namespace must share it too (shm_overview(7))."""
    return {"destination": "/dev/shm", "type": "bind", "source": source, "options": ["bind", "rprivate", *_GUARDED]}


def _etc(options: Options, host: HostFacts, targets: set[str]) -> list[dict[str, Any]]:
    flags = ["bind", "rprivate", "ro"] if options.read_only else ["bind", "rprivate"]
    return [
        {"destination": f"/etc/{name}", "type": "bind", "source": f"{host.bundle}/{name}", "options": flags}
        for name in ETC_FILES
        if f"/etc/{name}" not in targets
    ]


def mount(request: MountRequest, *, mapped: bool) -> dict[str, Any]:
    """One mount that was asked for, of a container whose ids are `mapped` (--userns auto).

    A volume keeps the ids of the container's inside, so that containers with other user namespaces agree on them."""
    kind, source, options = "bind", request.get("path") or request["source"], request["options"]
    if request["type"] in ("tmpfs", "overlay"):
        kind = source = request["type"]
    elif request["type"] == "volume" and mapped:
        options = [*options, "idmap"]
    return {"destination": request["target"], "type": kind, "source": source, "options": options}


def masked(options: Options, host: HostFacts) -> list[str]:
    """`maskedPaths`: docker's, without those of --security-opt unmask, and those of --security-opt mask."""
    paths = [] if options.privileged else [*MASKED, *host.thermal]
    return _without(paths, options.security_opt.get("unmask", ())) + list(options.security_opt.get("mask", ()))


def readonly(options: Options) -> list[str]:
    """`readonlyPaths`."""
    return [] if options.privileged else _without(READONLY, options.security_opt.get("unmask", ()))


def _without(paths: list[str], unmasked: Sequence[str]) -> list[str]:
    if not unmasked:
        return paths
    return [
        path
        for path in paths
        if "ALL" not in unmasked and not any(path == open or path.startswith(f"{open}/") for open in unmasked)
    ]
