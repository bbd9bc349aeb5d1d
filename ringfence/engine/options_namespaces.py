"""Options that choose the container's namespaces, and what is set inside them: names, hosts, resolver, sysctls."""

from __future__ import annotations

from ringfence.engine.options_kinds import Option, bad, each, number, pairs, text
from ringfence.errors import InvalidInput, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.engine.options import Options
    from ringfence.engine.options_kinds import Reader

HOST_GATEWAY = "host-gateway"
NAME_MAX = 64  # gethostname(2): HOST_NAME_MAX of Linux
NAMESPACED_KERNEL = ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")


def container_of(mode: str) -> str:
    """The container that a mode such as `container:web` names; empty for every other mode."""
    return mode[len("container:") :] if mode.startswith("container:") else ""


def _mode(*words: str, containers: bool = False) -> Reader:
    def read_mode(flag: str, value: Any) -> str:
        mode = text(flag, value)
        if containers and mode.startswith("container:"):
            if not container_of(mode):
                bad(flag, mode, "names no container")
            return mode
        if mode not in words:
            bad(flag, mode, f"is not one of {', '.join(words)}{', container:NAME' if containers else ''}")
        return mode

    return read_mode


def userns(flag: str, value: Any) -> dict[str, Any]:
    """`host`, or `auto[:size=N,uidmapping=CONTAINER:HOST:SIZE,gidmapping=…]`.

    → {} for the host's, or {"mode": "auto", "size": ids (0: the engine's choice), "uid": [[c, h, n]…], "gid": […]}.
    """
    words = text(flag, value)
    if words in ("", "host"):
        return {}
    mode, colon, settings = words.partition(":")
    if mode != "auto":
        if mode in ("keep-id", "nomap", "container", "ns", "private"):
            raise Unsupported(f"{flag}: {words}: not built yet", hint="use host or auto[:size=N]")
        bad(flag, words, "is not one of host, auto[:size=N,uidmapping=C:H:N,gidmapping=C:H:N]")
    found: dict[str, Any] = {"mode": "auto", "size": 0, "uid": [], "gid": []}
    for setting in settings.split(",") if colon else ():
        key, _, amount = setting.partition("=")
        if key == "size":
            found["size"] = number(flag, amount)
            if not 1 <= found["size"] <= 2**32 - 1:
                bad(flag, words, "has a size out of range: 1 to 4294967295")
        elif key in ("uidmapping", "gidmapping"):
            ends = amount.replace("@", "").split(":")
            if len(ends) not in (2, 3):
                bad(flag, words, f"has a mapping that is not CONTAINER:HOST:SIZE: {amount}")
            row = [number(flag, end) for end in ends] + [1] * (3 - len(ends))
            if min(row) < 0 or row[2] < 1:
                bad(flag, words, f"has a mapping that is not CONTAINER:HOST:SIZE: {amount}")
            found[key[:3]].append(row)
        else:
            bad(flag, words, f"has an unknown setting {key!r}")
    return found


def host_name(flag: str, value: Any) -> str:
    """A name of letters, digits, `-`, `_` and dots that the kernel can keep."""
    name = text(flag, value)
    if len(name) > NAME_MAX:
        bad(flag, name, f"is longer than {NAME_MAX} characters")
    if name and (not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name) or name[0] in "-." or ".." in name):
        bad(flag, name, "is not a host name")
    return name


def address(flag: str, value: Any) -> str:
    """An IPv4 or IPv6 address."""
    from ringfence.linux import sockets

    words = text(flag, value).strip()
    for family in (sockets.AF_INET, sockets.AF_INET6):
        try:
            sockets.inet_pton(family, words.partition("%")[0] if family == sockets.AF_INET6 else words)
        except (OSError, ValueError):
            continue
        return words
    bad(flag, value, "is not an IP address")


def extra_host(flag: str, value: Any) -> str:
    """`NAME:ADDRESS` or `NAME=ADDRESS` → `NAME=ADDRESS`; the address may be `host-gateway`, that of this machine."""
    words = text(flag, value)
    name, equals, where = words.partition("=")
    if not equals:
        name, equals, where = words.partition(":")
    if not equals or not name or name != "".join(name.split()):
        bad(flag, words, "is not of the form NAME:ADDRESS")
    if where == HOST_GATEWAY:
        return f"{name}={HOST_GATEWAY}"
    return f"{name}={address(flag, where.removeprefix('[').removesuffix(']'))}"


def search_domain(flag: str, value: Any) -> str:
    """A domain for resolv.conf(5); `.` alone means none."""
    name = text(flag, value).strip()
    if name != ".":
        host_name(flag, name.removesuffix("."))
        if not name:
            bad(flag, value, "is not a domain")
    return name


def resolver_option(flag: str, value: Any) -> str:
    """One word of resolv.conf(5)'s options line, such as `ndots:2`."""
    option = text(flag, value)
    if not option or option != "".join(option.split()):
        bad(flag, value, "is not a resolver option")
    return option


def sysctls(flag: str, value: Any) -> dict[str, str]:
    """`name=value` of a kernel parameter that a namespace owns."""
    found: dict[str, str] = {}
    for entry in pairs(flag, value):
        name, equals, content = entry.partition("=")
        if not equals or not name:
            bad(flag, entry, "is not of the form NAME=VALUE")
        name = name.strip().replace("/", ".")
        if not (
            name.startswith(("net.", "fs.mqueue."))
            or (name.startswith("kernel.") and name[len("kernel.") :] in NAMESPACED_KERNEL)
        ):
            bad(flag, entry, "is not allowed: only kernel parameters of the container's own namespaces can be set")
        if ".." in name:
            bad(flag, entry, "is not a kernel parameter")
        found[name] = content
    return found


OPTIONS = (
    Option("hostname", "value", host_name, "host name in the container (its short ID if not given)", short="h"),
    Option("domainname", "value", host_name, "NIS domain name in the container"),
    Option("pid", "value", _mode("private", "host", containers=True), "PID namespace: private, host, container:NAME"),
    Option("ipc", "value", _mode("none", "private", "shareable", "host", containers=True),
           "IPC namespace: none, private, shareable, host, container:NAME"),
    Option("uts", "value", _mode("private", "host"), "UTS namespace: private, host"),
    Option("userns", "value", userns, "user namespace: host, auto[:size=N,uidmapping=C:H:N,gidmapping=C:H:N]"),
    Option("cgroupns", "value", _mode("private", "host"), "cgroup namespace: private, host"),
    Option("sysctl", "list", sysctls, "kernel parameter of the container's namespaces (NAME=VALUE)"),
    Option("add-host", "list", each(extra_host), "add a line to /etc/hosts (NAME:ADDRESS)"),
    Option("dns", "list", each(address), "address of a name server"),
    Option("dns-option", "list", each(resolver_option), "option of the resolver", aliases=("dns-opt",)),
    Option("dns-search", "list", each(search_domain), "domain that the resolver searches; . for none"),
)  # fmt: skip


def check(options: Options) -> None:
    """Refuse what cannot be set inside a namespace that is not the container's own (docker's conflicting options)."""
    if options.uts == "host":
        for name in ("hostname", "domainname"):
            if getattr(options, name):
                raise InvalidInput(f"--{name}: cannot be set with --uts host")
    if container_of(options.network):
        for name in ("hostname", "add_host", "dns", "dns_option", "dns_search"):
            if getattr(options, name):
                raise InvalidInput(f"--{name.replace('_', '-')}: cannot be set with --network {options.network}")
    for name in options.sysctl:
        namespace = "network" if name.startswith("net.") else "ipc"
        if getattr(options, namespace) == "host":
            raise InvalidInput(f"--sysctl: {name} is not allowed with --{namespace} host")
    if options.userns:
        for name in ("pid", "network"):  # the host's namespaces belong to the host's user namespace
            if getattr(options, name) == "host":
                raise InvalidInput(f"--{name}: host cannot be shared with --userns auto")
        for name in ("pid", "ipc", "network"):
            if container_of(getattr(options, name)):
                raise InvalidInput(f"--{name}: {getattr(options, name)} cannot be joined with --userns auto")
        if options.privileged:
            raise InvalidInput("--privileged: cannot be combined with --userns auto")
