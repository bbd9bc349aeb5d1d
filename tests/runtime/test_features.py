"""`ringrun features` (runtime-spec, features.md): what it claims is what the other parts do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ringfence.linux import capabilities, seccomp
from ringfence.linux.mountoptions import parse_options
from ringfence.oci import runtime_spec
from tests import needs
from tests.bundles import Bundle
from tests.runtime.peers import Command


@pytest.fixture
def features(ringrun: Command) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ringrun("features").stdout)
    return document


@pytest.mark.parametrize("key", ["ociVersionMin", "ociVersionMax"])
def test_both_versions_are_accepted(features: dict[str, Any], ringrun: Command, bundle: Bundle, key: str) -> None:
    bundle.spec["ociVersion"] = features[key]
    assert ringrun("run", "--bundle", str(bundle.shell("echo ran").write()), "c1").stdout == "ran\n"


def test_every_hook_and_mount_option_is_known(features: dict[str, Any]) -> None:
    assert features["hooks"] == [
        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
    ]  # fmt: skip
    assert parse_options(features["mountOptions"]).data == []
    assert {"rro", "idmap", "tmpcopyup", "rprivate", "async"} <= set(features["mountOptions"])


def test_annotations_that_change_the_confinement_are_named(features: dict[str, Any]) -> None:
    assert all(isinstance(value, str) for value in features["annotations"].values())
    assert "run.oci.keep_original_groups" in features["potentiallyUnsafeConfigAnnotations"]
    assert "org.systemd.property." in features["potentiallyUnsafeConfigAnnotations"]


def test_namespaces_capabilities_and_cgroups(features: dict[str, Any]) -> None:
    linux = features["linux"]
    assert linux["namespaces"] == ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]
    assert capabilities.mask(linux["capabilities"]) == (2 << capabilities.last_cap()) - 1
    assert linux["cgroup"] == {"v1": True, "v2": True, "systemd": True, "systemdUser": False, "rdma": True}


def test_seccomp_and_which_of_its_flags_this_kernel_has(features: dict[str, Any]) -> None:
    told = features["linux"]["seccomp"]
    assert told["enabled"] and len(told["actions"]) == 9 and len(told["operators"]) == 7 and len(told["archs"]) == 23
    assert set(told["supportedFlags"]) <= set(told["knownFlags"]) == set(seccomp.FLAGS)
    assert "SECCOMP_FILTER_FLAG_TSYNC" in told["supportedFlags"]


def test_what_a_kernel_may_lack_is_told_as_what_the_code_knows(features: dict[str, Any]) -> None:
    linux = features["linux"]
    assert linux["apparmor"]["enabled"] and linux["selinux"]["enabled"]
    assert linux["intelRdt"] == {"enabled": True, "schemata": True, "monitoring": True}
    assert linux["mountExtensions"] == {"idmap": {"enabled": True}} and linux["netDevices"] == {"enabled": True}
    for mode in linux["memoryPolicy"]["modes"]:
        spec = {"ociVersion": "1.3.0", "root": {"path": "/"}, "linux": {"memoryPolicy": {"mode": mode}}}
        assert runtime_spec.check(spec) == []
    assert len(linux["memoryPolicy"]["flags"]) == 3


def test_it_has_all_that_runc_tells_of(features: dict[str, Any], short_directory: Path) -> None:
    needs.program("runc")
    runc = json.loads(Command("runc", short_directory)("features").stdout)
    # two words that file systems read and not the runtime
    assert set(runc["mountOptions"]) - {"acl", "noacl"} <= set(features["mountOptions"])
    for key in ("actions", "operators", "archs"):
        assert set(runc["linux"]["seccomp"][key]) <= set(features["linux"]["seccomp"][key])
    assert set(runc["linux"]["capabilities"]) <= set(features["linux"]["capabilities"])
