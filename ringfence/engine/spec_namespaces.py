"""Namespaces of the spec, and what is set inside them: id mappings, host name, sysctls."""

from __future__ import annotations

from ringfence.engine.options_namespaces import container_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ringfence.engine.options import Options
    from ringfence.engine.spec_host import HostFacts

_PROC_NAMES = {"network": "net", "pid": "pid", "ipc": "ipc"}  # in /proc/PID/ns, namespaces(7)


def namespaces(options: Options, host: HostFacts) -> list[dict[str, str]]:
    """One entry for each namespace that is the container's own, or another container's (with its path)."""
    found: list[dict[str, str]] = [{"type": "mount"}]
    for kind, mode in (("network", options.network), ("pid", options.pid), ("ipc", options.ipc), ("uts", options.uts),
                       ("cgroup", cgroup_mode(options))):  # fmt: skip
        if container_of(mode):
            found.append({"type": kind, "path": f"/proc/{host.pids[kind]}/ns/{_PROC_NAMES[kind]}"})
        elif mode != "host":
            found.append({"type": kind})
    if options.userns or host.uids:
        found.append({"type": "user"})
    return found


def cgroup_mode(options: Options) -> str:
    """Private unless told otherwise; a privileged container sees the host's cgroups, as docker's does."""
    return options.cgroupns or ("host" if options.privileged else "private")


def id_mappings(host: HostFacts) -> dict[str, list[dict[str, int]]]:
    """`uidMappings` and `gidMappings`, or nothing."""
    if not host.uids:
        return {}
    return {
        key: [{"containerID": inside, "hostID": outside, "size": size} for inside, outside, size in rows]
        for key, rows in (("uidMappings", host.uids), ("gidMappings", host.gids))
    }


def host_name(id: str, options: Options, host: HostFacts) -> str:
    """The name that $HOSTNAME and /etc/hostname show: the host's where the UTS or network namespace is the host's."""
    if options.uts == "host":
        return host.hostname
    return options.hostname or (host.hostname if options.network == "host" else id[:12])


def sysctls(options: Options, host: HostFacts) -> dict[str, str]:
    """Docker's two (any user may ping and bind low ports in a network namespace of the container's own), then ours."""
    found: dict[str, str] = {}
    if options.network != "host" and not container_of(options.network):
        found["net.ipv4.ip_unprivileged_port_start"] = "0"
        if not host.uids and not host.rootless:  # the range must be mapped in the user namespace (icmp(7))
            found["net.ipv4.ping_group_range"] = "0 2147483647"
    found.update(options.sysctl)
    return found
