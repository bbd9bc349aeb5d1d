"""Where a container's cgroup is, whose it is, and when it is refused (docs/conformance/oci-runtime.md, I)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.errors import Conflict
from ringfence.linux.cgroups import delegation
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle

TOP = Path("/sys/fs/cgroup")


def path_of(pid: int) -> set[str]:
    """The cgroup of a process, which is the same in every hierarchy that has one of ours."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return {line.split(":", 2)[2] for line in lines if "/ringrun" in line or "rf-" in line}


@pytest.mark.parametrize(
    ("given", "place"),
    [("", "/ringrun/{id}"), ("rf-some/{id}", "/rf-some/{id}"), ("/ringrun/x-{id}", "/ringrun/x-{id}")],
)
def test_the_path_is_made_of_the_id_below_the_root_or_as_given(
    bundle: Bundle, runtime: OciRuntime, given: str, place: str
) -> None:
    if given:
        bundle.spec["linux"]["cgroupsPath"] = given.format(id=bundle.id)
    pid = bundle.shell("sleep 30").start(runtime)
    found = path_of(pid)
    runtime.delete(bundle.id, force=True)
    for parent in TOP.glob("**/rf-some"):
        parent.rmdir()
    assert found == {place.format(id=bundle.id)}


@pytest.fixture
def frozen(bundle: Bundle) -> Iterator[str]:
    """A frozen cgroup without any process."""
    path = f"/ringrun/{bundle.id}"
    v2 = [one for one in (TOP / "unified", TOP) if (one / "cgroup.procs").exists()]
    directory = Path(f"{v2[0] if v2 else TOP / 'freezer'}{path}")
    directory.mkdir(parents=True)
    file, on, off = ("cgroup.freeze", "1", "0") if v2 else ("freezer.state", "FROZEN", "THAWED")
    (directory / file).write_text(on)
    yield path
    (directory / file).write_text(off)
    directory.rmdir()


def test_a_frozen_cgroup_is_refused(bundle: Bundle, runtime: OciRuntime, frozen: str) -> None:
    bundle.spec["linux"]["cgroupsPath"] = frozen
    with pytest.raises(Conflict, match="is frozen"):
        bundle.run(runtime)


@pytest.fixture
def of_a_user(bundle: Bundle) -> Bundle:
    """Root of a user namespace, with a writable mount of its cgroups in a cgroup namespace."""
    needs.cgroup_v2_alone()
    linux = bundle.without_mount("/dev/pts").spec["linux"]
    linux["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        linux[kind] = [{"containerID": 0, "hostID": 100_000, "size": 10}]
    subprocess.run(["chown", "100000:100000", bundle.rootfs], check=True)
    cgroup = next(mount for mount in bundle.spec["mounts"] if mount["type"] == "cgroup")
    cgroup["options"] = [word for word in cgroup["options"] if word != "ro"]
    return bundle.shell("mkdir /sys/fs/cgroup/own && echo divided; stat -c %u /sys/fs/cgroup/memory.max; sleep 30")


def owners(bundle: Bundle, runtime: OciRuntime) -> dict[str, int]:
    pid = bundle.start(runtime)
    directory = Path(f"{TOP}{path_of(pid).pop()}")
    found = {name: (directory / name).stat().st_uid for name in (".", *delegation.files(), "memory.max")}
    for below in directory.iterdir():
        if below.is_dir():
            below.rmdir()
    return found


def test_its_user_owns_the_cgroup_and_what_the_kernel_delegates(of_a_user: Bundle, runtime: OciRuntime) -> None:
    found = owners(of_a_user, runtime)
    assert {name for name, uid in found.items() if uid == 100_000} == {".", *delegation.files()}
    assert {"cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} <= set(delegation.files())


@pytest.mark.parametrize("lacking", ["namespace", "writable mount"])
def test_without_one_of_the_conditions_it_stays_root_s(
    of_a_user: Bundle, runtime: OciRuntime, lacking: str
) -> None:
    if lacking == "namespace":
        linux = of_a_user.spec["linux"]
        linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] != "cgroup"]
    else:
        next(mount for mount in of_a_user.spec["mounts"] if mount["type"] == "cgroup")["options"].append("ro")
    assert set(owners(of_a_user, runtime).values()) == {0}


def test_a_kernel_without_a_list_delegates_three_files() -> None:
    """config-linux.md, Cgroup ownership: for kernels before 4.15, that have no /sys/kernel/cgroup/delegate."""
    assert {"cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} == set(delegation.files("/no/such/file"))
