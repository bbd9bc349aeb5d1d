"""Namespaces of a container, new, joined or ours; what belongs to them: id maps, clocks, names, sysctls (D, G, J)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import RingfenceError
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle

FILES = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "user": "user",
         "cgroup": "cgroup", "time": "time"}  # fmt: skip
ENTERING = {"network": "--net", "ipc": "--ipc", "uts": "--uts", "pid": "--pid", "cgroup": "--cgroup", "time": "--time"}


def with_namespaces(bundle: Bundle, *kinds: str, **joined: str) -> Bundle:
    """Exactly these, and of the rest what that leaves possible: no host name without uts, no sysfs without network."""
    bundle.spec["linux"]["namespaces"] = [
        *[{"type": kind} for kind in kinds], *[{"type": kind, "path": path} for kind, path in joined.items()],
    ]  # fmt: skip
    if "uts" not in kinds:
        bundle.spec.pop("hostname", None)
    for need, type in (("ipc", "mqueue"), ("network", "sysfs")):
        if need not in (*kinds, *joined):
            bundle.spec["mounts"] = [one for one in bundle.spec["mounts"] if one["type"] != type]
    return bundle


def mapped(bundle: Bundle, *rows: tuple[int, int, int]) -> Bundle:
    """In a user namespace of its own, with a tree that belongs to its root."""
    bundle.spec["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        bundle.spec["linux"][kind] = [dict(zip(("containerID", "hostID", "size"), row, strict=True)) for row in rows]
    return bundle


def own(kind: str, pid: int | str = "self") -> str:
    return os.readlink(f"/proc/{pid}/ns/{FILES[kind]}")


@contextmanager
def somebody_with(kind: str) -> Iterator[int]:
    """A process that has a namespace of that kind of its own."""
    flags = [ENTERING[kind]] + (["--fork"] if kind in ("pid", "time") else [])
    with subprocess.Popen(["unshare", *flags, "sleep", "60"]) as process:
        pid = process.pid
        for _ in range(500):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            found = int(children[0]) if children and "--fork" in flags else pid
            if own(kind, found) != own(kind) and Path(f"/proc/{found}/comm").read_text() == "sleep\n":
                break
        yield found
        if found != pid:
            os.kill(found, 9)
        process.kill()


@pytest.mark.parametrize("kind", sorted(FILES))
def test_a_new_namespace_of_each_kind(bundle: Bundle, runtime: OciRuntime, kind: str) -> None:
    kinds = {"mount", "cgroup", kind}
    if kind == "user":  # whose root may mount only what belongs to its own other namespaces
        kinds |= {"pid", "ipc", "network"}
    with_namespaces(bundle, *sorted(kinds - {"user"}))
    if kind == "user":
        mapped(bundle, (0, 0, 1000))
    pid = bundle.shell("sleep 30").start(runtime)

    for other in FILES:
        assert (own(other, pid) != own(other)) == (other in kinds), other


@pytest.mark.parametrize("kind", sorted(ENTERING))
def test_a_namespace_is_joined_by_its_path(bundle: Bundle, runtime: OciRuntime, kind: str) -> None:
    with somebody_with(kind) as other:
        path = f"/proc/{other}/ns/{FILES[kind]}"
        with_namespaces(bundle, "mount", **{kind: path})
        pid = bundle.shell("sleep 30").start(runtime)
        assert own(kind, pid) == own(kind, other) != own(kind)
        runtime.delete(bundle.id, force=True)


def test_a_path_of_another_kind_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    with_namespaces(bundle, "mount", network="/proc/self/ns/ipc")
    with pytest.raises(RingfenceError, match="/proc/self/ns/ipc is not a namespace of that type"):
        bundle.run(runtime)


def test_a_path_that_is_no_namespace_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    for path in ("/etc/passwd", "/no/such"):
        with_namespaces(bundle, "mount", network=path)
        with pytest.raises(RingfenceError, match=path):
            bundle.run(runtime)


def test_what_is_not_listed_is_ours(bundle: Bundle, runtime: OciRuntime) -> None:
    pid = with_namespaces(bundle, "mount").shell("sleep 30").start(runtime)
    assert {kind for kind in FILES if own(kind, pid) != own(kind)} == {"mount"}


@pytest.mark.parametrize("change", [{"type": "mount", "path": "/proc/1/ns/mnt"}, None])
def test_a_mount_namespace_of_its_own_is_needed(
    bundle: Bundle, runtime: OciRuntime, change: dict[str, str] | None
) -> None:
    with_namespaces(bundle, "pid")
    bundle.spec["linux"]["namespaces"] += [change] if change else []
    with pytest.raises(RingfenceError, match="mount namespace"):
        bundle.run(runtime)


def test_several_ranges_of_ids_and_the_tree_as_it_was(bundle: Bundle, runtime: OciRuntime) -> None:
    mapped(bundle, (0, 100_000, 5), (5, 200_000, 1), (10, 0, 2))
    before = {path.name: path.stat().st_uid for path in bundle.rootfs.iterdir()}
    bundle.without_mount("/dev/pts").shell("cat /proc/self/uid_map /proc/self/gid_map; sleep 30")
    result = bundle.shell("cat /proc/self/uid_map /proc/self/gid_map").run(runtime)

    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows == [["0", "100000", "5"], ["5", "200000", "1"], ["10", "0", "2"]] * 2
    assert {path.name: path.stat().st_uid for path in bundle.rootfs.iterdir()} == before, "nothing was given away"


def test_offsets_of_the_clocks(bundle: Bundle, runtime: OciRuntime) -> None:
    needs.file("/proc/self/timens_offsets")
    bundle.spec["linux"]["namespaces"].append({"type": "time"})
    bundle.spec["linux"]["timeOffsets"] = {"monotonic": {"secs": 3600, "nanosecs": 5}, "boottime": {"secs": 1_000_000}}
    script = "cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime"
    *offsets, uptime = bundle.shell(script).run(runtime).stdout.splitlines()

    assert [line.split() for line in offsets] == [["monotonic", "3600", "5"], ["boottime", "1000000", "0"]]
    assert int(uptime) >= 1_000_000


def test_host_name_and_domain_name(bundle: Bundle, runtime: OciRuntime) -> None:
    before = Path("/proc/sys/kernel/hostname").read_text(), Path("/proc/sys/kernel/domainname").read_text()
    bundle.spec |= {"hostname": "a-host", "domainname": "a.domain"}
    bundle.shell("cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname")

    assert bundle.run(runtime).stdout == "a-host\na.domain\n"
    assert (Path("/proc/sys/kernel/hostname").read_text(), Path("/proc/sys/kernel/domainname").read_text()) == before


def test_sysctls_of_the_container_s_namespaces(bundle: Bundle, runtime: OciRuntime) -> None:
    wanted = {"kernel.msgmax": "9000", "net.ipv4.ip_forward": "1", "fs.mqueue.msg_max": "12", "kernel/shmmni": "99",
              "kernel.domainname": "by.sysctl"}  # fmt: skip
    before = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    bundle.spec["linux"]["sysctl"] = wanted
    files = " ".join(f"/proc/sys/{key.replace('.', '/')}" for key in wanted)

    assert bundle.shell(f"cat {files}").run(runtime).stdout.split() == list(wanted.values())
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == before


def test_a_sysctl_that_is_not_there_or_refused_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    for key, value in (("net.no.such", "1"), ("kernel.msgmax", "many")):
        bundle.spec["linux"]["sysctl"] = {key: value}
        with pytest.raises(RingfenceError, match=key.replace(".", "/")):
            bundle.run(runtime)


@pytest.mark.parametrize(("domain", "machine"), [("LINUX", os.uname().machine), ("LINUX32", "i686")])
def test_the_execution_domain(bundle: Bundle, runtime: OciRuntime, domain: str, machine: str) -> None:
    if os.uname().machine != "x86_64":
        needs.missing("x86_64")
    bundle.spec["linux"]["personality"] = {"domain": domain}
    assert bundle.shell("uname -m").run(runtime).stdout == f"{machine}\n"


#: the policy of a mapping as /proc/PID/numa_maps tells it
POLICIES: list[tuple[dict[str, Any], str]] = [
    ({"mode": "MPOL_DEFAULT"}, "default"),
    ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}, "bind=relative:0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}, "bind"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
    ({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}, "prefer (many):0"),
    ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
    ({"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0"}, "weighted interleave:0"),
    ({"mode": "MPOL_LOCAL"}, "local"),
]


@pytest.mark.parametrize(("policy", "told"), POLICIES)
def test_the_memory_policy(bundle: Bundle, runtime: OciRuntime, policy: dict[str, Any], told: str) -> None:
    needs.file("/proc/self/numa_maps")
    bundle.spec["linux"]["memoryPolicy"] = policy
    pid = bundle.shell("sleep 30").start(runtime)
    lines = Path(f"/proc/{pid}/numa_maps").read_text().splitlines()
    assert any(f" {told}" in line for line in lines), lines[:3]


def test_resctrl_that_is_not_mounted_is_an_error(bundle: Bundle, runtime: OciRuntime) -> None:
    if " resctrl " in Path("/proc/self/mounts").read_text():
        needs.missing("a machine without resctrl")
    for value in ({"closID": "x"}, {"enableMonitoring": True}, {"schemata": ["L3:0=f"]}):
        bundle.spec["linux"]["intelRdt"] = value
        with pytest.raises(RingfenceError, match=r"linux\.intelRdt: no resctrl is mounted"):
            bundle.run(runtime)
