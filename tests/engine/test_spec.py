"""`spec.build`: what each option becomes in config.json, and that docker's defaults hold without any."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import spec, spec_process
from ringfence.engine.options import Options, parse
from ringfence.engine.spec_host import HostDevice, HostFacts
from ringfence.engine.users import User
from ringfence.errors import InvalidInput
from ringfence.oci import runtime_spec

ID = "0123456789ab" + "c" * 52
DEFAULT_CAPABILITIES = """
CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_NET_BIND_SERVICE
CAP_NET_RAW CAP_SYS_CHROOT CAP_MKNOD CAP_AUDIT_WRITE CAP_SETFCAP
"""


class Record:
    id = ID
    args = ("sh",)


def build(raw: dict[str, Any] | None = None, image: dict[str, Any] | None = None, **facts: Any) -> dict[str, Any]:
    """The spec for these options, checked as the runtime checks it; mounts are those of the options."""
    options = parse(raw or {})
    facts.setdefault("mounts", [*options.volume, *options.mount, *options.tmpfs])
    facts.setdefault("bundle", "/bundle")
    record: Any = Record()
    made = spec.build(record, {"config": image or {}}, options, HostFacts(**facts))
    assert runtime_spec.check(made) == []
    return json.loads(json.dumps(made))  # type: ignore[no-any-return]


def mounts(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["destination"]: mount for mount in made["mounts"]}


def kinds(made: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one.get("path", "") for one in made["linux"]["namespaces"]}


# defaults -------------------------------------------------------------------------------------------------------------


def test_without_options_all_namespaces_but_user_and_time_are_its_own() -> None:
    assert kinds(build()) == dict.fromkeys(("mount", "network", "pid", "ipc", "uts", "cgroup"), "")


def test_the_default_capabilities_are_dockers_and_never_inheritable() -> None:
    held = build()["process"]["capabilities"]
    assert held["bounding"] == held["effective"] == held["permitted"] == DEFAULT_CAPABILITIES.split()
    assert "inheritable" not in held
    assert "ambient" not in held


def test_the_default_mounts_are_dockers_in_dockers_order() -> None:
    made = build()
    assert [mount["destination"] for mount in made["mounts"]] == [
        "/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm",
        "/etc/resolv.conf", "/etc/hostname", "/etc/hosts",
    ]  # fmt: skip
    found = mounts(made)
    assert found["/dev/shm"]["options"] == ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]
    assert "ro" in found["/sys"]["options"]
    assert "ro" in found["/sys/fs/cgroup"]["options"]
    assert found["/etc/hosts"]["source"] == "/bundle/hosts"


def test_kernel_files_that_tell_of_the_host_are_masked_or_read_only() -> None:
    linux = build(thermal=["/sys/devices/system/cpu/cpu0/thermal_throttle"])["linux"]
    assert {"/proc/kcore", "/proc/keys", "/sys/firmware", "/proc/interrupts"} <= set(linux["maskedPaths"])
    assert "/sys/devices/system/cpu/cpu0/thermal_throttle" in linux["maskedPaths"]
    assert linux["readonlyPaths"] == ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def test_the_rest_of_a_plain_spec() -> None:
    made = build()
    assert made["hostname"] == ID[:12]
    assert made["linux"]["cgroupsPath"] == f"/ringfence/{ID}"
    assert made["linux"]["resources"] == {"devices": [{"allow": False, "access": "rwm"}]}
    assert made["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert made["linux"]["sysctl"] == {
        "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647",
    }  # fmt: skip
    assert made["process"]["cwd"] == "/"
    assert not made["process"]["noNewPrivileges"]
    assert made["root"] == {"path": "rootfs", "readonly": False}
    assert "oomScoreAdj" not in made["process"]
    assert "rlimits" not in made["process"]


# process --------------------------------------------------------------------------------------------------------------

IMAGE = {"Entrypoint": ["/entry", "-x"], "Cmd": ["default"]}


@pytest.mark.parametrize(
    ("raw", "image", "command", "argv"),
    [
        ({}, IMAGE, [], ["/entry", "-x", "default"]),
        ({}, IMAGE, ["mine"], ["/entry", "-x", "mine"]),
        ({}, {"Cmd": ["sh"]}, [], ["sh"]),
        ({}, {"Cmd": ["sh"]}, ["ls", "-l"], ["ls", "-l"]),
        ({"entrypoint": "/other"}, IMAGE, [], ["/other"]),
        ({"entrypoint": "/other"}, IMAGE, ["a"], ["/other", "a"]),
        ({"entrypoint": ""}, IMAGE, ["ls"], ["ls"]),
    ],
)
def test_the_argv_is_entrypoint_and_command_as_docker_joins_them(
    raw: dict[str, Any], image: dict[str, Any], command: list[str], argv: list[str]
) -> None:
    assert spec_process.arguments(parse(raw), {"config": image}, command) == argv


@pytest.mark.parametrize(("raw", "command"), [({}, []), ({"entrypoint": ""}, [])])
def test_a_container_without_a_program_is_refused(raw: dict[str, Any], command: list[str]) -> None:
    with pytest.raises(InvalidInput, match=r"^no command specified, and the image has none$"):
        spec_process.arguments(parse(raw), {}, command)


def test_the_environment_is_ours_then_the_images_then_the_callers() -> None:
    made = build({"env": ["B=mine", "C=3"], "tty": True}, {"Env": ["PATH=/image", "B=image", "A=1"]})
    assert made["process"]["env"] == ["PATH=/image", f"HOSTNAME={ID[:12]}", "TERM=xterm", "B=mine", "A=1", "C=3"]
    assert made["process"]["terminal"]
    assert build()["process"]["env"] == [spec_process.PATH, f"HOSTNAME={ID[:12]}"]


def test_a_user_other_than_root_has_no_effective_capabilities() -> None:
    process = build({"cap_add": "NET_ADMIN"}, user=User(5, 6, [6, 7]))["process"]
    assert process["user"] == {"uid": 5, "gid": 6, "additionalGids": [6, 7]}
    assert list(process["capabilities"]) == ["bounding"]
    assert "CAP_NET_ADMIN" in process["capabilities"]["bounding"]


@pytest.mark.parametrize(
    ("raw", "has", "lacks"),
    [
        ({"cap_add": ["SYS_ADMIN"]}, "SYS_ADMIN CHOWN", "NET_ADMIN"),
        ({"cap_drop": ["CHOWN"]}, "KILL", "CHOWN SYS_ADMIN"),
        ({"cap_drop": ["ALL"], "cap_add": ["KILL"]}, "KILL", "CHOWN SETUID"),
        ({"cap_add": ["ALL"], "cap_drop": ["KILL"]}, "SYS_ADMIN CHOWN", "KILL"),
        ({"cap_add": ["ALL"], "cap_drop": ["ALL"]}, "SYS_ADMIN CHOWN", ""),
        ({"cap_add": ["KILL"], "cap_drop": ["KILL"]}, "KILL", ""),
        ({"privileged": True}, "SYS_ADMIN NET_ADMIN", ""),
        ({"privileged": True, "cap_drop": ["KILL"]}, "SYS_ADMIN", "KILL"),
    ],
)
def test_capabilities_are_added_and_dropped(raw: dict[str, Any], has: str, lacks: str) -> None:
    held = build(raw)["process"]["capabilities"]["bounding"]
    assert {f"CAP_{name}" for name in has.split()} <= set(held)
    assert not {f"CAP_{name}" for name in lacks.split()} & set(held)


def test_all_capabilities_are_those_that_this_host_can_hand_on() -> None:
    assert build({"privileged": True}, bounding=0b101)["process"]["capabilities"]["bounding"] == [
        "CAP_CHOWN", "CAP_DAC_READ_SEARCH",
    ]  # fmt: skip


def test_other_options_of_the_process() -> None:
    made = build({"ulimit": "nofile=5:6", "oom_score_adj": -5, "workdir": "/w", "security_opt": "no-new-privileges",
                  "init": True, "annotation": {"a": "b"}}, {"WorkingDir": "/image"})  # fmt: skip
    assert made["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 6}]
    assert made["process"]["oomScoreAdj"] == -5
    assert made["process"]["cwd"] == "/w"
    assert made["process"]["noNewPrivileges"]
    assert made["annotations"] == {"a": "b", "org.ringfence.init": "true"}
    assert build({}, {"WorkingDir": "rel"})["process"]["cwd"] == "/rel"


# namespaces -----------------------------------------------------------------------------------------------------------


def test_the_hosts_namespaces_are_those_that_are_not_listed() -> None:
    made = build({"network": "host", "pid": "host", "ipc": "host", "uts": "host", "cgroupns": "host"}, hostname="me")
    assert list(kinds(made)) == ["mount"]
    assert "hostname" not in made
    assert "HOSTNAME=me" in made["process"]["env"]
    assert made["linux"]["sysctl"] == {}
    assert mounts(made)["/dev/shm"]["source"] == "/dev/shm"


def test_another_containers_namespaces_are_joined_by_its_pid() -> None:
    raw = {"network": "container:a", "pid": "container:b", "ipc": "container:c"}
    made = build(raw, pids={"network": 7, "pid": 8, "ipc": 9})
    assert {kind: path for kind, path in kinds(made).items() if path} == {
        "network": "/proc/7/ns/net", "pid": "/proc/8/ns/pid", "ipc": "/proc/9/ns/ipc",
    }  # fmt: skip
    assert mounts(made)["/dev/shm"]["source"] == "/proc/9/root/dev/shm"
    assert made["linux"]["sysctl"] == {}


def test_ipc_none_has_no_shared_memory() -> None:
    made = build({"ipc": "none"})
    assert "ipc" in kinds(made)
    assert "/dev/shm" not in mounts(made)


def test_userns_auto_maps_ids_and_volumes() -> None:
    volume = {"type": "volume", "source": "d", "path": "/v/d/_data", "target": "/d", "options": ["rbind", "rprivate"]}
    made = build({"userns": "auto"}, uids=[(0, 100000, 65536)], gids=[(0, 200000, 65536)], mounts=[volume])
    assert "user" in kinds(made)
    assert made["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 100000, "size": 65536}]
    assert made["linux"]["gidMappings"] == [{"containerID": 0, "hostID": 200000, "size": 65536}]
    assert mounts(made)["/d"] == {
        "destination": "/d", "type": "bind", "source": "/v/d/_data", "options": ["rbind", "rprivate", "idmap"],
    }  # fmt: skip
    assert "net.ipv4.ping_group_range" not in made["linux"]["sysctl"]


def test_names_and_sysctls() -> None:
    made = build({"hostname": "web", "domainname": "example", "sysctl": ["kernel.msgmax=5"], "cgroup_parent": "/mine/"})
    assert (made["hostname"], made["domainname"]) == ("web", "example")
    assert "HOSTNAME=web" in made["process"]["env"]
    assert made["linux"]["sysctl"]["kernel.msgmax"] == "5"
    assert made["linux"]["cgroupsPath"] == f"/mine/{ID}"


# mounts ---------------------------------------------------------------------------------------------------------------


def test_what_is_asked_for_comes_last_with_parents_before_children() -> None:
    made = build({"volume": ["/1:/a/b/c", "/2:/a"], "tmpfs": "/a/b"})
    assert [mount["destination"] for mount in made["mounts"]][-3:] == ["/a", "/a/b", "/a/b/c"]


@pytest.mark.parametrize("target", ["/dev/shm", "/etc/hosts", "/sys/fs/cgroup", "/proc"])
def test_what_is_asked_for_takes_the_place_of_a_default(target: str) -> None:
    made = build({"volume": f"/x:{target}"})
    found = [mount for mount in made["mounts"] if mount["destination"] == target]
    assert [mount["source"] for mount in found] == ["/x"]


def test_the_hosts_dev_takes_the_place_of_all_below_it() -> None:
    assert not any(path.startswith("/dev/") for path in mounts(build({"volume": "/dev:/dev"})))


def test_a_read_only_root_makes_the_files_of_etc_read_only_too() -> None:
    made = build({"read_only": True})
    assert made["root"]["readonly"]
    assert "ro" in mounts(made)["/etc/hosts"]["options"]


def test_unmask_and_mask() -> None:
    linux = build({"security_opt": ["unmask=/proc/acpi:/sys:/proc/bus", "mask=/etc/secret"]})["linux"]
    assert not {"/proc/acpi", "/sys/firmware"} & set(linux["maskedPaths"])
    assert "/proc/bus" not in linux["readonlyPaths"]
    assert linux["maskedPaths"][-1] == "/etc/secret"
    everything = build({"security_opt": "systempaths=unconfined"})["linux"]
    assert everything["maskedPaths"] == everything["readonlyPaths"] == []


def test_a_privileged_container_is_confined_by_namespaces_only() -> None:
    device = HostDevice("/dev/fuse", "c", 10, 229)
    made = build({"privileged": True}, devices=[device])
    linux = made["linux"]
    assert "seccomp" not in linux
    assert linux["maskedPaths"] == linux["readonlyPaths"] == []
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert linux["devices"][0]["path"] == "/dev/fuse"
    assert "ro" not in mounts(made)["/sys"]["options"]
    assert "ro" not in mounts(made)["/sys/fs/cgroup"]["options"]
    assert "cgroup" not in kinds(made)


def test_seccomp_may_be_turned_off_or_replaced() -> None:
    assert "seccomp" not in build({"security_opt": "seccomp=unconfined"})["linux"]
    assert "seccomp" in build({"security_opt": "seccomp=default", "privileged": True})["linux"]


# resources ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"memory": "64m"}, {"memory": {"limit": 64 << 20, "swap": 128 << 20}}),
        ({"memory": "64m", "memory_swap": "64m"}, {"memory": {"limit": 64 << 20, "swap": 64 << 20}}),
        ({"memory": "64m", "memory_swap": -1}, {"memory": {"limit": 64 << 20, "swap": -1}}),
        ({"memory_reservation": "8m"}, {"memory": {"reservation": 8 << 20}}),
        ({"memory_swappiness": 0}, {"memory": {"swappiness": 0}}),
        ({"memory": "8m", "oom_kill_disable": True},
         {"memory": {"limit": 8 << 20, "swap": 16 << 20, "disableOOMKiller": True}}),
        ({"cpus": "0.5"}, {"cpu": {"period": 100000, "quota": 50000}}),
        ({"cpu_shares": 5, "cpu_quota": 2000, "cpu_period": 10000, "cpuset_cpus": "0", "cpuset_mems": "0"},
         {"cpu": {"shares": 5, "quota": 2000, "period": 10000, "cpus": "0", "mems": "0"}}),
        ({"pids_limit": 9}, {"pids": {"limit": 9}}),
        ({"pids_limit": -1}, {"pids": {"limit": -1}}),
        ({"pids_limit": 0}, {"pids": {"limit": -1}}),
        ({"blkio_weight": 10}, {"blockIO": {"weight": 10}}),
        ({"device_read_bps": "/dev/x:1m", "device_write_iops": "/dev/x:5", "blkio_weight_device": "/dev/x:20"},
         {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 1 << 20}],
                      "throttleWriteIOPSDevice": [{"major": 8, "minor": 1, "rate": 5}],
                      "weightDevice": [{"major": 8, "minor": 1, "weight": 20}]}}),
    ],
)  # fmt: skip
def test_limits_become_resources(raw: dict[str, Any], expected: dict[str, Any]) -> None:
    found = build(raw, blocks={"/dev/x": (8, 1)})["linux"]["resources"]
    del found["devices"]
    assert found == expected


def test_a_device_is_made_and_allowed() -> None:
    device = HostDevice("/dev/f", "c", 10, 229, mode=0o600, uid=1, gid=2, access="rw")
    linux = build({"device_cgroup_rule": "b 8:* r"}, devices=[device])["linux"]
    assert linux["devices"] == [
        {"path": "/dev/f", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600, "uid": 1, "gid": 2}
    ]
    assert linux["resources"]["devices"][1:] == [
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
        {"allow": True, "type": "b", "major": 8, "access": "r"},
    ]


# cost and purity ------------------------------------------------------------------------------------------------------


def test_building_is_pure_and_costs_less_than_half_a_millisecond() -> None:
    options, host, record = parse({"memory": "64m", "volume": "/a:/b"}), HostFacts(), Record()
    given: Any = record
    first = json.dumps(spec.build(given, {}, options, host))
    best = 1.0
    for _ in range(200):
        begin = time.perf_counter()
        made = spec.build(given, {}, options, host)
        best = min(best, time.perf_counter() - begin)
    assert json.dumps(made) == first
    assert best < 0.0005


def test_the_way_to_a_spec_imports_nothing_heavy() -> None:
    heavy = ("typing", "dataclasses", "logging", "argparse", "pathlib", "subprocess", "asyncio", "inspect", "socket")
    script = (
        "import sys; before = set(sys.modules)\n"
        "import ringfence.engine.options, ringfence.engine.spec, ringfence.engine.spec_host\n"
        "import ringfence.engine.spec_files, ringfence.engine.users\n"
        f"print(*[name for name in {heavy!r} if name in set(sys.modules) - before])"
    )
    environment = {"PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, env=environment)
    assert (done.stdout.strip(), done.stderr) == ("", "")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "memory": st.sampled_from(["6m", "1g"]),
            "cpus": st.sampled_from(["0.01", "1"]),
            "network": st.sampled_from(["none", "host"]),
            "pid": st.sampled_from(["private", "host"]),
            "ipc": st.sampled_from(["none", "private", "shareable", "host"]),
            "uts": st.sampled_from(["private", "host"]),
            "cgroupns": st.sampled_from(["private", "host"]),
            "privileged": st.booleans(),
            "read_only": st.booleans(),
            "init": st.booleans(),
            "tty": st.booleans(),
            "cap_add": st.lists(st.sampled_from(["ALL", "NET_ADMIN", "SYS_TIME"])),
            "cap_drop": st.lists(st.sampled_from(["ALL", "KILL", "CHOWN"])),
            "tmpfs": st.sampled_from(["/t", "/dev/shm", "/dev"]),
            "security_opt": st.sampled_from(["unmask=ALL", "seccomp=unconfined", "no-new-privileges"]),
        },
    )
)
def test_every_combination_of_options_gives_a_spec_that_the_runtime_takes(raw: dict[str, Any]) -> None:
    # Invariant: a spec that build makes is valid, has no mount twice, and comes back from JSON as it was.
    made = build(raw)
    assert len(mounts(made)) == len(made["mounts"])
    assert Options.from_json(json.loads(json.dumps(parse(raw).to_json()))).to_json() == parse(raw).to_json()
