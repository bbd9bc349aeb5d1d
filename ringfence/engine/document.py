"""Docker's documents of one container: `Config`, `HostConfig` and their kin, from its record. Pure."""

from __future__ import annotations

from ringfence.engine import spec_process
from ringfence.engine.bandwidth import document as bandwidth
from ringfence.engine.options_health import healthcheck
from ringfence.engine.ports import exposed
from ringfence.engine.volumes import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ringfence.engine.options import Options
    from ringfence.engine.options_mounts import MountRequest
    from ringfence.engine.records import ContainerRecord
    from ringfence.network.values import Attachment, Network

_CALLER = ("HOSTNAME=", "TERM=")
"""What the engine itself puts into an environment: it belongs to one container, and no image made of it has it."""


def config(record: ContainerRecord, options: Options) -> dict[str, Any]:
    """`Config`: what an image config may hold too, as the container has it."""
    image = record.image_config
    entrypoint = image.get("Entrypoint") if options.entrypoint is None else list(options.entrypoint)
    if entrypoint == [""]:
        entrypoint = []
    entries = spec_process.environment(options, {"config": image}, "")
    found: dict[str, Any] = {
        "Hostname": options.hostname or record.id[:12],
        "Domainname": options.domainname,
        "User": options.user or image.get("User") or "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": options.tty,
        "OpenStdin": options.interactive,
        "StdinOnce": options.interactive,
        "Env": [entry for entry in entries if not entry.startswith(_CALLER)],
        "Cmd": record.args[len(entrypoint or ()) :] or None,
        "Image": record.image,
        "Volumes": image.get("Volumes"),
        **({"ExposedPorts": {port: {} for port in exposed(record, options)}} if exposed(record, options) else {}),
        "WorkingDir": options.workdir or image.get("WorkingDir") or "",
        "Entrypoint": entrypoint or None,
        "OnBuild": None,
        "Labels": record.labels,
        "StopSignal": options.stop_signal or image.get("StopSignal") or "SIGTERM",
        "StopTimeout": options.stop_timeout,
    }
    check = healthcheck(options, {"config": image})
    return {**found, "Healthcheck": check} if check else found


def host_config(record: ContainerRecord, options: Options) -> dict[str, Any]:
    """`HostConfig`: what concerns this machine."""
    return {**_life(record, options), **_isolation(options), **limits(options), **_process_limits(options)}


def mounts(record: ContainerRecord) -> list[dict[str, Any]]:
    """`Mounts`."""
    return [describe(mount) for mount in record.mounts]


NOWHERE = {"IPAddress": "", "IPPrefixLen": 0, "Gateway": "", "MacAddress": "", "EndpointID": "",
           "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "IPv6Gateway": ""}  # fmt: skip
"""What docker tells of a network that the container is not plugged into."""


def networks(options: Options) -> dict[str, Any]:
    """`NetworkSettings.Networks` of a container that is in no network: none and host are some to docker."""
    mode = options.network
    return {mode: {**NOWHERE, "NetworkID": ""}} if mode in ("none", "host") else {}


def network(record: ContainerRecord, asked: Mapping[str, Any], network: Network | None,
            attachment: Attachment | None) -> dict[str, Any]:  # fmt: skip
    """One of `NetworkSettings.Networks`; `attachment` is None while the container does not run."""
    wanted = {"IPv4Address": asked["ip"], "IPv6Address": asked["ip6"]}
    found: dict[str, Any] = {
        **NOWHERE,
        "IPAMConfig": {key: value for key, value in wanted.items() if value} or None,
        "Links": None,
        "Aliases": asked["aliases"] or None,
        "MacAddress": asked["mac"],
        "NetworkID": network.id if network else "",
        "Interface": asked["interface"],
        "DNSNames": [record.name, *asked["aliases"], record.id[:12]] if network and network.names else None,
    }
    if attachment is None or network is None:
        return found
    found |= {"EndpointID": endpoint_id(attachment), "MacAddress": attachment.mac, "Interface": attachment.interface}
    for one in attachment.addresses:
        address, _, prefix = one.partition("/")
        gateway = next((subnet.gateway for subnet in network.subnets if subnet.ipv6 == (":" in one)), "")
        keys = ("GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway") if ":" in one else (
            "IPAddress", "IPPrefixLen", "Gateway")  # fmt: skip
        found |= dict(zip(keys, (address, int(prefix), gateway), strict=True))
    return found


def endpoint_id(attachment: Attachment) -> str:
    """64 hexadecimal digits, as docker gives every endpoint."""
    from _blake2 import blake2b  # of what hashlib brings along, all that is needed

    return blake2b(f"{attachment.container}{attachment.network}".encode(), digest_size=32).hexdigest()


def _bind(request: MountRequest) -> str:
    """As `-v` would have it."""
    mode = ":ro" if "ro" in request["options"] else ""
    return f"{request['source']}:{request['target']}{mode}"


def _life(record: ContainerRecord, options: Options) -> dict[str, Any]:
    binds = [request for request in record.mounts if request["type"] in ("bind", "volume")
             and request["source"] and not request.get("anonymous")]  # fmt: skip
    return {
        "AutoRemove": record.auto_remove,
        "RestartPolicy": {
            "Name": options.restart["policy"],
            "MaximumRetryCount": options.restart["retries"],
        },
        "ContainerIDFile": options.cidfile,
        "LogConfig": {
            "Type": options.log_driver,
            "Config": {key: str(value) for key, value in options.log_opt.items()},
        },
        "Runtime": options.runtime,
        "Annotations": dict(options.annotation),
        "Binds": [_bind(request) for request in binds] or None,
        "VolumesFrom": [source["container"] for source in options.volumes_from] or None,
        "Tmpfs": {request["target"]: ",".join(request["options"]) for request in options.tmpfs},
        "PortBindings": _bindings(options),
        "PublishAllPorts": options.publish_all,
    }


def _bindings(options: Options) -> dict[str, list[dict[str, str]]]:
    """`PortBindings`: what --publish asked for."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in options.publish:
        ports = [str(port) for port in dict.fromkeys((row["first"], row["last"])) if port]
        binding = {"HostIp": row["ip"], "HostPort": "-".join(ports)}
        found.setdefault(f"{row['port']}/{row['protocol']}", []).append(binding)
    return found


def _isolation(options: Options) -> dict[str, Any]:
    return {
        "NetworkMode": options.network,
        "IpcMode": options.ipc,
        "PidMode": "" if options.pid == "private" else options.pid,
        "UTSMode": "" if options.uts == "private" else options.uts,
        "UsernsMode": options.userns.get("mode", ""),
        "CgroupnsMode": options.cgroupns or ("host" if options.privileged else "private"),
        "CapAdd": list(options.cap_add) or None,
        "CapDrop": list(options.cap_drop) or None,
        "GroupAdd": list(options.group_add) or None,
        "Privileged": options.privileged,
        "ReadonlyRootfs": options.read_only,
        "SecurityOpt": _security(options) or None,
        "Init": options.init,
        "Sysctls": dict(options.sysctl),
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_option),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": [entry.replace("=", ":", 1) for entry in options.add_host] or None,
        "CgroupParent": options.cgroup_parent,
        "Group": options.group,
    }


def _security(options: Options) -> list[str]:
    """`--security-opt` again from what was read from it; a profile is not shown in full."""
    found = []
    for key, value in options.security_opt.items():
        if key == "no_new_privileges":
            found.append(f"no-new-privileges={'true' if value else 'false'}")
        elif key == "seccomp":
            found.append(f"seccomp={value if isinstance(value, str) else 'profile'}")
        else:
            found.append(f"{key}={':'.join(value)}")
    return found


def limits(options: Options) -> dict[str, Any]:
    """The limits that a container has, or several share as a group."""
    return {
        "Memory": options.memory,
        "MemoryReservation": options.memory_reservation,
        "MemorySwap": options.memory_swap or 2 * options.memory,
        "NanoCpus": options.cpus,
        "CpuShares": options.cpu_shares,
        "CpuPeriod": options.cpu_period,
        "CpuQuota": options.cpu_quota,
        "CpusetCpus": options.cpuset_cpus,
        "CpusetMems": options.cpuset_mems,
        "PidsLimit": options.pids_limit or None,
        "BlkioWeight": options.blkio_weight,
        "BlkioWeightDevice": [{"Path": one["path"], "Weight": one["weight"]} for one in options.blkio_weight_device],
        **{
            f"BlkioDevice{key}": [{"Path": rate["path"], "Rate": rate["rate"]} for rate in getattr(options, name)]
            for key, name in (
                ("ReadBps", "device_read_bps"),
                ("WriteBps", "device_write_bps"),
                ("ReadIOps", "device_read_iops"),
                ("WriteIOps", "device_write_iops"),
            )
        },
        **bandwidth(options),
    }


def _process_limits(options: Options) -> dict[str, Any]:
    return {
        "MemorySwappiness": None if options.memory_swappiness < 0 else options.memory_swappiness,
        "OomKillDisable": options.oom_kill_disable,
        "OomScoreAdj": options.oom_score_adj or 0,
        "Devices": [
            {"PathOnHost": item["host"], "PathInContainer": item["container"], "CgroupPermissions": item["access"]}
            for item in options.device
        ],
        "ShmSize": options.shm_size,
        "Ulimits": [
            {"Name": limit["type"].removeprefix("RLIMIT_").lower(), "Soft": limit["soft"], "Hard": limit["hard"]}
            for limit in options.ulimit
        ],
    }
