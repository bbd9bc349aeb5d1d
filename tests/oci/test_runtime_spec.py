"""config.json is refused for what the runtime-spec refuses, with its JSON path, and for nothing else."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput, NotFound
from ringfence.oci import runtime_spec
from tests import needs

Spec = dict[str, Any]
Change = Callable[[Spec], object]


def put(path: str, value: object) -> Change:
    """A change that sets `a.b.c` to a value; numbers are array indices, one past the end appends."""

    def change(spec: Spec) -> None:
        *parents, last = path.split(".")
        place: Any = spec
        for step in parents:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if isinstance(place, list):
            place[int(last) : int(last) + 1] = [value]
        else:
            place[last] = value

    return change


def both(first: Change, second: Change) -> Change:
    return lambda spec: (first(spec), second(spec))


def drop(path: str) -> Change:
    def change(spec: Spec) -> None:
        *parents, last = path.split(".")
        place: Any = spec
        for step in parents:
            place = place[step]
        del place[last]

    return change


RULE = {"names": ["write"], "action": "SCMP_ACT_ERRNO"}
# The line of docs/conformance/oci-runtime.md, what is done to the default spec, the whole message.
REFUSED: list[tuple[str, Change, str]] = [
    ("A03", drop("ociVersion"), "ociVersion: is required and missing"),
    ("A03", put("ociVersion", "1.0"), 'ociVersion: "1.0" is not a version like 1.3.0'),
    ("A03", put("ociVersion", "1.00.0"), 'ociVersion: "1.00.0" is not a version like 1.3.0'),
    ("A03", put("ociVersion", 1.0), "ociVersion: must be a string"),
    ("A04", put("ociVersion", "2.0.0"), 'ociVersion: "2.0.0" is not supported (this runtime speaks 1.3.0)'),
    ("A07", put("process.terminal", "yes"), "process.terminal: must be true or false"),
    ("A07", put("process.env", {"A": "1"}), "process.env: must be an array"),
    ("A07", put("process.args", ["a\0b"]), 'process.args[0]: "a\\u0000b" contains a NUL byte'),
    ("A07", put("process.args", ["\ud800"]), 'process.args[0]: "\\ud800" is not valid unicode'),
    ("A11", put("annotations", {"": "x"}), "annotations: has an empty key"),
    ("A11", put("annotations", {"a.b": 1}), 'annotations["a.b"]: must be a string'),
    ("B01", drop("root"), "root: is required and missing"),
    ("B01", put("root", {}), "root.path: is required and missing"),
    ("B01", put("root.path", ""), "root.path: must not be empty"),
    ("B06", put("mounts.0", {"type": "proc"}), "mounts[0].destination: is required and missing"),
    ("B59", put("mounts.0.options", ["bind", "idmap"]),
     "mounts[0].options: an id-mapped mount needs uidMappings and gidMappings or a user namespace"),
    ("B59", put("mounts.0.options", ["ridmap"]), "mounts[0]: only a bind mount can be id-mapped"),
    ("B61", put("mounts.0.uidMappings", [{"containerID": 0, "hostID": 1, "size": 1}]),
     "mounts[0]: uidMappings and gidMappings must be given together"),
    ("C05", drop("process.cwd"), "process.cwd: is required and missing"),
    ("C05", put("process.cwd", "tmp"), 'process.cwd: "tmp" is not an absolute path'),
    ("C05", put("process.cwd", ""), 'process.cwd: "" is not an absolute path'),
    ("C08", put("process.env", ["A=1", "B"]), 'process.env[1]: "B" is not of the form "NAME=value"'),
    ("C09", put("process.args", []), "process.args: must not be empty"),
    ("C09", drop("process.args"), "process.args: is required and missing"),
    ("C11", put("process.user.uid", -1), 'process.user.uid: "-1" is not between 0 and 4294967294'),
    ("C12", put("process.user.umask", 0o1000), 'process.user.umask: "512" is not between 0 and 511'),
    ("C16", put("process.rlimits.0.type", "RLIMIT_FOO"), 'process.rlimits[0].type: unknown rlimit "RLIMIT_FOO"'),
    ("C17", put("process.rlimits.1", {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1}),
     "process.rlimits[1].type: RLIMIT_NOFILE is given twice"),
    ("C15", put("process.rlimits.0.soft", 2000), "process.rlimits[0].soft: 2000 is above the hard limit 1024"),
    ("C25", put("process.oomScoreAdj", 1001), 'process.oomScoreAdj: "1001" is not between -1000 and 1000'),
    ("C29", put("process.scheduler", {"policy": "SCHED_X"}),
     'process.scheduler.policy: unknown scheduler policy "SCHED_X"'),
    ("C30", put("process.scheduler", {"policy": "SCHED_OTHER", "priority": 1}),
     "process.scheduler.priority: only SCHED_FIFO and SCHED_RR have one, not SCHED_OTHER"),
    ("C32", put("process.scheduler", {"policy": "SCHED_RR", "runtime": 1}),
     "process.scheduler.runtime: only SCHED_DEADLINE has one, not SCHED_RR"),
    ("C33", put("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8}),
     'process.ioPriority.priority: "8" is not between 0 and 7'),
    ("C34", put("process.execCPUAffinity", {"initial": "0-"}),
     'process.execCPUAffinity.initial: "0-" is not a list like "0-3,5"'),
    ("D01", put("linux.namespaces", [{"type": "mount"}]), "hostname: needs a uts namespace in linux.namespaces"),
    ("E02", put("hooks", {"poststop": [{"path": "x"}]}), 'hooks.poststop[0].path: "x" is not an absolute path'),
    ("E02", put("hooks", {"prestart": [{"path": "/x", "timeout": 0}]}),
     'hooks.prestart[0].timeout: "0" is not between 1 and 2147483647'),
    ("G09", put("linux.namespaces.0.path", "x"), 'linux.namespaces[0].path: "x" is not an absolute path'),
    ("G12", put("linux.namespaces.6", {"type": "pid"}), 'linux.namespaces[6].type: "pid" is listed twice'),
    ("G13", put("linux.namespaces.2", {"type": "foo"}), 'linux.namespaces[2].type: unknown namespace "foo"'),
    ("G14", put("linux.uidMappings", [{"containerID": 0, "hostID": 0, "size": 0}]),
     'linux.uidMappings[0].size: "0" is not between 1 and 4294967295'),
    ("G16", put("linux.gidMappings", [{"containerID": 0, "hostID": 0, "size": 1}]),
     "linux.gidMappings: needs a user namespace in linux.namespaces"),
    ("G16", put("linux.namespaces.6", {"type": "user"}),
     "linux.uidMappings: a new user namespace needs at least one mapping"),
    ("G17", put("linux.timeOffsets", {"boottime": {"secs": 1}}),
     "linux.timeOffsets: needs a time namespace in linux.namespaces"),
    ("H01", put("linux.devices", [{"type": "x", "path": "/dev/x"}]), 'linux.devices[0].type: unknown device type "x"'),
    ("H01", put("linux.devices", [{"type": "c", "path": "/dev/x", "major": 1}]),
     "linux.devices[0].minor: is required and missing"),
    ("H05", put("linux.netDevices", {"eth0": {"name": "a/b"}}),
     'linux.netDevices.eth0.name: "a/b" is not a network interface name'),
    ("H06", put("linux.netDevices", {"eth0": {"name": "a"}, "eth1": {"name": "a"}}),
     'linux.netDevices.eth1.name: "a" is given twice'),
    ("J01", put("linux.intelRdt", {"closID": ".."}), 'linux.intelRdt.closID: ".." is not a name of a class of service'),
    ("J02", put("linux.intelRdt", {"schemata": ["L3:0=f\nMB:0=1"]}),
     'linux.intelRdt.schemata[0]: "L3:0=f\\nMB:0=1" has more than one line'),
    ("J04", put("linux.memoryPolicy", {"mode": "MPOL_X"}),
     'linux.memoryPolicy.mode: unknown memory policy mode "MPOL_X"'),
    ("J05", put("linux.sysctl", {"kernel.panic": "1"}), 'linux.sysctl["kernel.panic"]: is not a namespaced sysctl'),
    ("J05", put("linux.sysctl", {"kernel.hostname": "x"}), 'linux.sysctl["kernel.hostname"]: is set by hostname'),
    ("J05", both(put("domainname", "one"), put("linux.sysctl", {"kernel.domainname": "other"})),
     'linux.sysctl["kernel.domainname"]: "other" is not what domainname says, "one"'),
    ("J05", put("linux.sysctl", {"net..ipv4": "1"}), 'linux.sysctl["net..ipv4"]: is not the name of a sysctl'),
    ("J05", put("linux.sysctl", {"net/../kernel/panic": "1"}),
     'linux.sysctl["net/../kernel/panic"]: is not the name of a sysctl'),
    ("J05", put("linux.sysctl", {"net.//.kernel.panic": "1"}),
     'linux.sysctl["net.//.kernel.panic"]: is not the name of a sysctl'),
    ("J05", put("linux.sysctl", {"user.max_user_namespaces": "1"}),
     'linux.sysctl["user.max_user_namespaces"]: needs a user namespace in linux.namespaces'),
    ("J06", put("linux.personality", {"domain": "LINUX", "flags": ["X"]}),
     "linux.personality.flags: no flag is defined by the runtime-spec"),
    ("K01", put("linux.seccomp", {"syscalls": []}), "linux.seccomp.defaultAction: is required and missing"),
    ("K03", put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["Z80"]}),
     'linux.seccomp.architectures[0]: unknown seccomp architecture "Z80"'),
    ("K20", put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{**RULE, "names": []}]}),
     "linux.seccomp.syscalls[0].names: must not be empty"),
    ("K21", put("linux.seccomp", {"defaultAction": "SCMP_ACT_ERRNO",
                                  "syscalls": [{"names": ["write"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}]}),
     "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_ALLOW returns no errno"),
    ("K13", put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {**RULE, "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]}),
     'linux.seccomp.syscalls[0].args[0].index: "6" is not between 0 and 5'),
    ("K22", put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}),
     'linux.seccomp.flags[0]: unknown seccomp flag "X"'),
    ("K24", put("linux.seccomp", {"defaultAction": "SCMP_ACT_NOTIFY"}),
     "linux.seccomp.listenerPath: is required by SCMP_ACT_NOTIFY and missing"),
    ("K25", put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}),
     "linux.seccomp.listenerMetadata: needs linux.seccomp.listenerPath"),
    ("L01", put("linux.rootfsPropagation", "hidden"), 'linux.rootfsPropagation: unknown propagation "hidden"'),
    ("L03", put("linux.maskedPaths.0", "proc"), 'linux.maskedPaths[0]: "proc" is not an absolute path'),
    ("L03", put("linux.readonlyPaths.0", "proc"), 'linux.readonlyPaths[0]: "proc" is not an absolute path'),
]  # fmt: skip
ACCEPTED: list[tuple[str, Change]] = [
    ("A03", put("ociVersion", "1.0.2-dev+build.1")),
    ("A05", put("process.unheardOf", {"anything": [1]})),
    ("A06", put("annotations", {"org.opencontainers.image.os": "linux", "x": ""})),
    ("B11", put("mounts.0.options", None)),
    ("C01", drop("process")),
    ("C11", drop("process.user")),
    ("C23", put("process.capabilities.bounding", ["CAP_FROM_THE_FUTURE"])),
    ("G11", put("linux.namespaces", [{"type": "uts"}])),
    ("H01", put("linux.devices", [{"type": "p", "path": "/dev/x"}])),
    ("H01", put("linux.devices", [{"type": "c", "path": "/dev/x", "major": 1, "minor": 3, "fileMode": 0o20666}])),
    ("J05", put("linux.sysctl", {"net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.1/forwarding": "1"})),
    ("J05", both(put("domainname", "one"), put("linux.sysctl", {"kernel/domainname": "one"}))),
    ("K08", put("linux.seccomp", {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [RULE]})),
    ("L01", put("linux.rootfsPropagation", "rslave")),
]


def changed(*changes: Change) -> Spec:
    spec = runtime_spec.default_spec()
    for change in changes:
        change(spec)
    return spec


@pytest.mark.parametrize(("line", "change", "message"), REFUSED, ids=[f"{row[0]}-{row[2]}" for row in REFUSED])
def test_a_wrong_value_is_refused_with_its_json_path(line: str, change: Change, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        runtime_spec.check(changed(change))
    assert str(refused.value) == message


@pytest.mark.parametrize(("line", "change"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_what_the_spec_allows_is_accepted_without_a_warning(line: str, change: Change) -> None:
    assert runtime_spec.check(changed(change)) == []


def test_what_takes_no_effect_is_a_warning() -> None:
    newer = changed(
        put("ociVersion", "1.9.0"),
        put("mounts.0.destination", "proc"),
        put("process.capabilities.ambient", ["CAP_KILL"]),
    )
    assert runtime_spec.check(newer) == [
        "ociVersion: 1.9.0 is newer than 1.3.0: properties added since are ignored",
        'mounts[0].destination: "proc" is relative: taken from / (deprecated)',
        'process.capabilities.ambient: "CAP_KILL" not in permitted and inheritable: not granted',
    ]


@pytest.mark.parametrize("rootless", [False, True])
def test_the_default_spec_is_runc_s_with_the_documented_differences(tmp_path: Path, rootless: bool) -> None:
    needs.program("runc")
    subprocess.run(["runc", "spec", *(["--rootless"] if rootless else [])], cwd=tmp_path, check=True)
    expected = runtime_spec.load(tmp_path / "config.json")
    expected["ociVersion"] = "1.3.0"
    expected["hostname"] = "ringrun"
    expected["process"]["capabilities"].pop("ambient", None)
    ours = runtime_spec.default_spec(rootless)
    for spec in (expected, ours):
        spec["linux"]["namespaces"] = sorted(entry["type"] for entry in spec["linux"]["namespaces"])
        spec["linux"]["namespaces"] = [kind for kind in spec["linux"]["namespaces"] if kind != "cgroup"]
    assert ours == expected


def test_a_process_object_is_checked_on_its_own() -> None:
    process = runtime_spec.default_spec()["process"]
    assert runtime_spec.check_process(process) == []
    with pytest.raises(InvalidInput, match=r'^process\.cwd: "x" is not an absolute path$'):
        runtime_spec.check_process({**process, "cwd": "x"})


def test_a_spec_like_docker_s_is_checked_in_less_than_a_millisecond() -> None:
    spec = runtime_spec.default_spec()
    rules: list[dict[str, Any]] = [{"names": [f"call{n}" for n in range(360)], "action": "SCMP_ACT_ALLOW"}]
    rules += [{**RULE, "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]} for _ in range(30)]
    spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": rules}
    times = []
    for _ in range(20):
        start = time.perf_counter()
        runtime_spec.check(spec)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.001


def test_load_tells_a_missing_file_from_a_bad_one(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(NotFound, match=f"^no spec at {path}"):
        runtime_spec.load(path)
    for content, problem in (
        (b'{"a": 1,}', "not valid JSON: .* (line 1, column 9)"),
        (b"[]", "must be an object"),
        (b"\xff", "not valid JSON"),
        (b'{"a": NaN}', "not valid JSON: nan is not a json value"),
        (b"[" * 100_000, "not valid JSON: nested too deeply"),
    ):
        path.write_bytes(content)
        with pytest.raises(InvalidInput) as refused:
            runtime_spec.load(path)
        assert str(refused.value).startswith(f"{path}: ")
        assert problem.partition(" .*")[0] in str(refused.value)
        assert "\n" not in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


def full_spec() -> Spec:
    """The default spec with something at every property that rules tie together."""
    return changed(
        put("hooks", {"prestart": [{"path": "/x", "timeout": 1, "args": ["x"], "env": ["A=1"]}]}),
        put("annotations", {"a": "b"}),
        put("linux.sysctl", {"net.core.somaxconn": "1"}),
        put("linux.devices", [{"type": "c", "path": "/dev/x", "major": 1, "minor": 3}]),
        put("linux.netDevices", {"eth0": {"name": "x"}}),
        put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [deepcopy(RULE)]}),
        put("linux.personality", {"domain": "LINUX"}),
        put("process.scheduler", {"policy": "SCHED_FIFO", "priority": 1}),
    )


@given(st.sampled_from(places(full_spec())), JSON)
def test_any_json_anywhere_is_accepted_or_refused_in_one_line(place: tuple[Any, ...], value: Any) -> None:
    # Invariant: check never raises anything but InvalidInput, whose message is one line that begins with a JSON path.
    spec: Any = full_spec()
    if not place:
        spec = value if isinstance(value, dict) else {}
    else:
        parent = spec
        for step in place[:-1]:
            parent = parent[step]
        parent[place[-1]] = value
    try:
        warnings = runtime_spec.check(spec)
    except InvalidInput as refused:
        assert "\n" not in str(refused) and str(refused).isprintable()
    else:
        assert all("\n" not in warning for warning in warnings)
        json.dumps(spec)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_spec_or_refused_in_one_line(data: bytes) -> None:
    # Invariant: parsing foreign bytes as JSON gives a value or InvalidInput with a message of one line.
    from ringfence.oci.shape import parse_json

    try:
        parse_json(data, "config.json")
    except InvalidInput as refused:
        assert str(refused).startswith("config.json: not valid JSON") and "\n" not in str(refused)
