"""`process` of the spec: argv, environment, user, capabilities, ulimits."""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.linux import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine.options import Options
    from ringfence.engine.spec_host import HostFacts

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# moby daemon/pkg/oci/caps/defaults.go
DEFAULT_CAPABILITIES = capabilities.mask(
    ("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
     "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE")
)  # fmt: skip


def arguments(options: Options, image_config: Mapping[str, Any], command: Sequence[str]) -> list[str]:
    """The argv: the entrypoint, then the command; what the caller gave replaces the image's own, as docker does."""
    image = image_config.get("config") or {}
    entrypoint = options.entrypoint
    if entrypoint is None:
        entrypoint = image.get("Entrypoint") or []
        command = command or image.get("Cmd") or []
    elif list(entrypoint) == [""]:
        entrypoint = []
    argv = [*entrypoint, *command]
    if not argv:
        raise InvalidInput("no command specified, and the image has none")
    return argv


def environment(options: Options, image_config: Mapping[str, Any], hostname: str) -> list[str]:
    """PATH, HOSTNAME and TERM, then the image's entries, then the caller's; HOME is left to the runtime."""
    entries = [PATH, f"HOSTNAME={hostname}"]
    if options.tty:
        entries.append("TERM=xterm")
    entries += (image_config.get("config") or {}).get("Env") or ()
    entries += options.env
    return list({entry.partition("=")[0]: entry for entry in entries}.values())


def bounding_set(options: Options, host: HostFacts) -> int:
    """The mask of the capabilities that the container may have, from --cap-add, --cap-drop and --privileged."""
    added = _mask(options.cap_add, host.bounding)
    dropped = _mask(options.cap_drop, -1)
    if options.privileged or "ALL" in options.cap_add:
        return host.bounding & ~_mask([name for name in options.cap_drop if name != "ALL"], 0)
    return (DEFAULT_CAPABILITIES & ~dropped) | added


def _mask(names: Sequence[str], all: int) -> int:
    return all if "ALL" in names else capabilities.mask(tuple(names))


def process(
    argv: Sequence[str],
    options: Options,
    image_config: Mapping[str, Any],
    host: HostFacts,
    hostname: str,
    bounding: list[str],
) -> dict[str, Any]:
    """The `process` object. A user other than root gets no effective capabilities, as execve(2) would have it."""
    image = image_config.get("config") or {}
    cwd = options.workdir or image.get("WorkingDir") or "/"
    held = {"bounding": bounding}
    if host.user.uid == 0:
        held["effective"] = held["permitted"] = bounding
    result: dict[str, Any] = {
        "terminal": options.tty,
        "user": {"uid": host.user.uid, "gid": host.user.gid,
                 "additionalGids": [] if host.single and not options.group_add else host.user.additional_gids},
        "args": list(argv),
        "env": environment(options, image_config, hostname),
        "cwd": cwd if cwd.startswith("/") else f"/{cwd}",
        "capabilities": held,
        "noNewPrivileges": bool(options.security_opt.get("no_new_privileges")),
    }  # fmt: skip
    if options.ulimit:
        result["rlimits"] = options.ulimit
    if options.oom_score_adj is not None:
        result["oomScoreAdj"] = options.oom_score_adj
    return result
