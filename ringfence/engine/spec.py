"""`build`: the OCI spec (config.json) of a container, from its image config, its options and facts of the host.

Pure: it reads and writes nothing. The parts of one spec are shared with other specs (default mounts, the seccomp
profile, parsed options), which keeps a build below half a millisecond: who changes a spec copies it first.
"""

from __future__ import annotations

from ringfence.engine import seccomp, spec_mounts, spec_namespaces, spec_process, spec_resources
from ringfence.linux import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from ringfence.engine.options import Options
    from ringfence.engine.spec_host import HostFacts

    class Record(Protocol):
        """What a spec needs of a container's record: its 64-digit id and its argv (spec_process.arguments)."""

        id: str
        args: list[str]


OCI_VERSION = "1.2.1"
CGROUP_PARENT = "/ringfence"
INIT_ANNOTATION = "org.ringfence.init"


def build(record: Record, image_config: Mapping[str, Any], options: Options, host: HostFacts) -> dict[str, Any]:
    """The spec. `image_config` is the whole image config (its own `config` object below it), or {} for none."""
    bounding = spec_process.bounding_set(options, host)
    names = capabilities.names(bounding)
    hostname = spec_namespaces.host_name(record.id, options, host)
    linux: dict[str, Any] = {
        "namespaces": spec_namespaces.namespaces(options, host),
        "cgroupsPath": cgroup(record.id, options, host),
        "resources": spec_resources.resources(options, host),
        "devices": spec_resources.devices(host),
        "maskedPaths": spec_mounts.masked(options, host),
        "readonlyPaths": spec_mounts.readonly(options),
        "sysctl": spec_namespaces.sysctls(options, host),
        **spec_namespaces.id_mappings(host),
    }
    filter = _seccomp(options, host, names)
    if filter is not None:
        linux["seccomp"] = filter
    result: dict[str, Any] = {
        "ociVersion": OCI_VERSION,
        "root": {"path": "rootfs", "readonly": options.read_only},
        "process": spec_process.process(record.args, options, image_config, host, hostname, names),
        "mounts": spec_mounts.mounts(options, host),
        "annotations": {**options.annotation, INIT_ANNOTATION: "true"} if options.init else options.annotation,
        "linux": linux,
    }
    if options.uts != "host":
        result["hostname"] = hostname
        if options.domainname:
            result["domainname"] = options.domainname
    return result


def cgroup(id: str, options: Options, host: HostFacts) -> str:
    """The container's cgroup, below each hierarchy's mount point."""
    if options.cgroup_parent:
        return f"/{options.cgroup_parent.strip('/')}/{id}"
    return f"{host.group or CGROUP_PARENT}/{id}"


def _seccomp(options: Options, host: HostFacts, capabilities: list[str]) -> dict[str, Any] | None:
    """`linux.seccomp`, or None for a container without a filter."""
    asked = options.security_opt.get("seccomp")
    if asked == "unconfined" or (options.privileged and asked is None):
        return None
    held = frozenset(capabilities)
    if isinstance(asked, dict):
        return seccomp.resolve(asked, held, host.machine, host.kernel)
    return seccomp.default(held, host.machine, host.kernel)
