"""`ringrun features`: what this runtime can do, as the runtime-spec has it (features.md, features-linux.md).

What the code knows is told, not what this kernel has; of flags of seccomp(2) both, as the specification asks.
"""

from __future__ import annotations

from ringfence import __version__, json
from ringfence.linux import capabilities, mountoptions, seccomp
from ringfence.oci import runtime_spec_fields as fields
from ringfence.oci import runtime_spec_rare
from ringfence.oci.runtime_spec import VERSION
from ringfence.runtime.compile_process import GROUPS_ANNOTATION, INIT_ANNOTATION
from ringfence.runtime.ringrun.verb import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.ringrun.verb import Call


def run(call: Call) -> int:
    print(json.dumps(features(), indent=4))
    return 0


def features() -> dict[str, Any]:
    """The document."""
    library = ".".join(str(number) for number in seccomp.library_version())
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": list(fields.HOOKS),
        "mountOptions": mountoptions.KNOWN,
        "linux": {
            "namespaces": sorted(fields.NAMESPACES),
            "capabilities": list(capabilities.NAMES[: capabilities.last_cap() + 1]),
            "cgroup": {"v1": True, "v2": True, "systemd": True, "systemdUser": False, "rdma": True},
            "seccomp": {
                "enabled": True,
                "actions": sorted(seccomp.ACTIONS),
                "operators": sorted(seccomp.OPERATORS),
                "archs": sorted(seccomp.ARCHITECTURES),
                "knownFlags": sorted(seccomp.FLAGS),
                "supportedFlags": seccomp.supported_flags(),
            },
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": True, "schemata": True, "monitoring": True},
            "memoryPolicy": {
                "modes": sorted(runtime_spec_rare.MEMORY_POLICY_MODES),
                "flags": sorted(runtime_spec_rare.MEMORY_POLICY_FLAGS),
            },
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        "annotations": {
            "io.github.seccomp.libseccomp.version": library,
            "org.opencontainers.runc.checkpoint.enabled": "false",
            "org.ringfence.version": __version__,
        },
        "potentiallyUnsafeConfigAnnotations": [GROUPS_ANNOTATION, INIT_ANNOTATION, "org.systemd.property."],
    }


VERB = Verb(run, "", "Print what this runtime can do as JSON", (), (0, 0))
