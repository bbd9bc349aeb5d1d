"""Plan, namespaces: which are made, which are joined, id mappings, and what belongs to them (names, sysctls, lo)."""

from __future__ import annotations

from ringfence.errors import Unsupported
from ringfence.linux.mountoptions import MountFlag
from ringfence.linux.namespaces import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.runtime.facts import Facts
    from ringfence.runtime.plan import Plan

    Joins = dict[str, int]

_USER, _PID, _TIME, _MOUNT, _CGROUP, _NETWORK = (
    int(KINDS[kind].flag) for kind in ("user", "pid", "time", "mount", "cgroup", "network")
)
_BY_CLONE = ("user", "mount", "uts", "ipc", "pid", "network")


def requested(spec: dict[str, Any]) -> dict[str, str]:
    """Kind → path to join, "" for a new one (runtime-spec, config-linux: Namespaces)."""
    listed = (spec.get("linux") or {}).get("namespaces") or []
    return {item["type"]: item.get("path") or "" for item in listed}


def begin(plan: Plan, spec: dict[str, Any]) -> Joins:
    """A new network namespace is made beside what follows, and joined like one that was there before.

    It costs 0.5 of a start's 8 ms. In a new user namespace it is made by clone, so that it belongs to that one.
    """
    kinds = requested(spec)
    if kinds.get("network") != "" or "user" in kinds:
        return {}
    slot = plan.slot("network namespace")
    plan.runtime("NETWORK", slot, reason="linux.namespaces; ready when the container's first process needs it")
    return {"network": slot}


def open_namespaces(plan: Plan, spec: dict[str, Any], joins: Joins) -> Joins:
    """Open what is to be joined, while the host's paths are in sight; `joins` are those that `begin` makes."""
    kinds = requested(spec)
    if "mount" not in kinds or kinds["mount"]:
        raise Unsupported("linux.namespaces: a container without a mount namespace of its own is not built yet")
    joins = dict(joins)
    for kind, path in kinds.items():
        if path:
            joins[kind] = plan.slot(f"{kind} namespace")
            plan.runtime("OPEN", joins[kind], path, int(KINDS[kind].flag), reason="linux.namespaces: join this one")
    return joins


def clone(plan: Plan, spec: dict[str, Any], joins: Joins, cgroup_slot: int, facts: Facts) -> None:
    """The first process, in its new namespaces; its id mapping is written by the runtime actor.

    A pid or time namespace is for children: the runtime actor enters it for the moment of the clone, and returns. Who
    is not root of the machine could not return, and so `enter` does it in the container actor.
    """
    linux = spec.get("linux") or {}
    flags = _new(spec, joins) if "user" not in joins else 0
    if facts.rootless:
        plan.runtime("CLONE", flags, cgroup_slot, -1, -1, "", reason="linux.namespaces")
    else:
        time = requested(spec).get("time")
        for_children = joins.get("pid", -1), joins.get("time", -1), _offsets(spec)
        plan.runtime("CLONE", flags | (_TIME if time == "" else 0), cgroup_slot, *for_children,
                     reason="linux.namespaces")  # fmt: skip
    if flags & _USER:
        uids, gids = linux.get("uidMappings") or [], linux.get("gidMappings") or []
        plan.runtime("MAPS", id_map(uids), id_map(gids), 0, reason="linux.uidMappings and linux.gidMappings")


def _offsets(spec: dict[str, Any]) -> str:
    """The text of /proc/PID/timens_offsets (time_namespaces(7))."""
    return "".join(
        f"{clock} {offset.get('secs', 0)} {offset.get('nanosecs', 0)}\n"
        for clock, offset in ((spec.get("linux") or {}).get("timeOffsets") or {}).items()
    )


def id_map(mappings: list[dict[str, int]]) -> str:
    """The text of /proc/PID/uid_map (user_namespaces(7)) for mappings as the runtime-spec writes them."""
    return "".join(f"{one['containerID']} {one['hostID']} {one['size']}\n" for one in mappings)


def host_id(mappings: list[dict[str, int]], id: int) -> int:
    """The id of the host that `id` is in a user namespace; 0 if it is not mapped."""
    for one in mappings:
        if 0 <= id - one["containerID"] < one["size"]:
            return one["hostID"] + id - one["containerID"]
    return 0


def _new(spec: dict[str, Any], joins: Joins) -> int:
    flags = 0
    for kind, path in requested(spec).items():
        if not path and kind in _BY_CLONE and kind not in joins:
            flags |= int(KINDS[kind].flag)
    return flags


def enter(plan: Plan, spec: dict[str, Any], joins: Joins, facts: Facts) -> None:
    """Join and make what clone could not: joined ones first, the cgroup namespace after the cgroups."""
    kinds = requested(spec)
    if facts.rootless:
        enter_for_children(plan, spec, joins)
    for kind, slot in joins.items():
        if kind not in ("pid", "time", "user"):
            plan.container("JOIN", slot, int(KINDS[kind].flag), kind, reason="linux.namespaces")
    flags = _CGROUP if kinds.get("cgroup") == "" else 0
    if "user" in joins:
        plan.container("JOIN", joins["user"], _USER, "user", reason="before the others are made, so that it owns them")
        flags |= _new(spec, joins)
    if flags:
        plan.container("UNSHARE", flags, reason="linux.namespaces")
    if "user" in joins and flags & _PID:
        plan.container("FORK", reason="a new pid namespace begins with the next child")
    if "user" in kinds:
        plan.container("BECOME", reason="what is made now belongs to the user namespace")
    if kinds.get("network") == "" and "network" not in joins:
        plan.container("LOOPBACK", reason="a network namespace begins with lo down")
    plan.container(
        "PROPAGATION", "/", int(MountFlag.REC | MountFlag.SLAVE), reason="nothing mounted here reaches the host"
    )


def enter_for_children(plan: Plan, spec: dict[str, Any], joins: Joins) -> None:
    """The pid and time namespaces, when the container actor does it (see `clone`)."""
    for kind in ("pid", "time"):
        if kind in joins:
            plan.container("JOIN", joins[kind], int(KINDS[kind].flag), kind, reason="linux.namespaces")
    new_time = requested(spec).get("time") == ""
    if new_time:
        plan.container("UNSHARE", _TIME, reason="linux.namespaces")
        if _offsets(spec):
            plan.container("WRITE", "/proc/self/timens_offsets", _offsets(spec).encode(), 0, reason="linux.timeOffsets")
    if new_time or not joins.keys().isdisjoint(("pid", "time")):
        plan.container("FORK", reason="they begin with the next child")


def devices(plan: Plan, facts: Facts) -> None:
    """linux.netDevices, into the network namespace that the container is in by now: see netdevices.py."""
    if facts.netdevices:
        plan.runtime("NETDEVICES", [one.name for one in facts.netdevices], reason="linux.netDevices")
    if facts.connect:
        plan.runtime("CONNECT", reason="the engine plugs links in, while the file systems are mounted here")


def connected(plan: Plan, facts: Facts) -> None:
    """Links are there before what may name them: sysctls, hooks, the program."""
    if facts.connect:
        plan.runtime("CONNECTED", reason="sysctls, hooks and the program find the links")


def parameters(plan: Plan, spec: dict[str, Any]) -> None:
    """Host name, domain name and sysctls; written through the host's procfs, before it goes out of sight."""
    if spec.get("hostname"):
        plan.container("HOSTNAME", spec["hostname"], reason="hostname")
    if spec.get("domainname"):
        plan.container("DOMAINNAME", spec["domainname"], reason="domainname")
    sysctls = (spec.get("linux") or {}).get("sysctl") or {}
    if sysctls:
        from ringfence.oci.runtime_spec import sysctl_path
    for key, value in sysctls.items():
        plan.container("SYSCTL", f"/proc/sys/{sysctl_path(key)}", str(value).encode(), 0, reason=f"linux.sysctl: {key}")
