"""A v2 controller that was off on a hybrid machine is on only as long as a container of ours is limited by it."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest

from ringfence.errors import RingfenceError
from ringfence.linux import cgroups
from ringfence.runtime.interface import Launch, Monitoring
from ringfence.runtime.native import OciRuntime
from tests import needs
from tests.bundles import Bundle

CONTROLLER = "hugetlb"
MARK = f"user.ringfence.lent.{CONTROLLER}"


@pytest.fixture
def tree() -> Path:
    """The v2 root of a hybrid machine, with the controller there and off."""
    needs.root()
    layout = cgroups.layout()
    if layout.kind != "hybrid" or layout.unified is None:
        needs.missing("a hybrid machine")
    assert layout.unified is not None
    root = Path(layout.unified.mountpoint)
    if CONTROLLER not in (root / "cgroup.controllers").read_text():
        pytest.skip(f"somebody has mounted the controller {CONTROLLER} as v1, or the kernel has none")
    if is_on(root):
        pytest.skip(f"somebody else has switched {CONTROLLER} on")
    return root


@pytest.fixture
def limited(bundle: Bundle) -> Bundle:
    """Below a cgroup of the test's own, which others do not end in."""
    bundle.spec["linux"]["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 << 20}]
    return bundle.shell("exec sleep 60")


def is_on(root: Path) -> bool:
    return CONTROLLER in (root / "cgroup.subtree_control").read_text()


def start(runtime: OciRuntime, bundle: Bundle, name: str, *, limit: bool) -> str:
    spec = copy.deepcopy(bundle.spec)
    if not limit:
        del spec["linux"]["resources"]["hugepageLimits"]
    id = f"{bundle.id}-{name}"
    runtime.start(Launch(id, spec, str(bundle.path), monitoring=Monitoring())).control.close()
    return id


def limit_of(root: Path, id: str) -> str:
    return (root / "ringrun" / id / "hugetlb.2MB.max").read_text().strip()


def test_the_last_one_that_is_limited_gives_it_back(tree: Path, limited: Bundle, runtime: OciRuntime) -> None:
    first, other, unlimited = (start(runtime, limited, name, limit=name != "c") for name in "abc")
    assert limit_of(tree, first) == limit_of(tree, other) == str(4 << 20)
    runtime.delete(first, force=True)
    assert limit_of(tree, other) == str(4 << 20), "somebody still needs it"
    runtime.delete(other, force=True)
    assert not is_on(tree) and not is_on(tree / "ringrun")
    assert MARK not in os.listxattr(tree)
    runtime.delete(unlimited, force=True)


def test_an_update_borrows_it_as_well(tree: Path, limited: Bundle, runtime: OciRuntime) -> None:
    id = start(runtime, limited, "a", limit=False)
    assert not is_on(tree)
    runtime.update(id, {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]})
    assert limit_of(tree, id) == "0"
    runtime.delete(id, force=True)
    assert not is_on(tree)


def test_who_found_it_on_leaves_it_on(tree: Path, limited: Bundle, runtime: OciRuntime) -> None:
    (tree / "cgroup.subtree_control").write_text(f"+{CONTROLLER}")
    try:
        id = start(runtime, limited, "a", limit=True)
        runtime.delete(id, force=True)
        assert is_on(tree)
        assert not is_on(tree / "ringrun")
    finally:
        (tree / "cgroup.subtree_control").write_text(f"-{CONTROLLER}")


def test_a_start_that_fails_at_any_of_its_writes_gives_it_back(
    tree: Path, limited: Bundle, runtime: OciRuntime
) -> None:
    def launch(fault: tuple[int, int]) -> Launch:
        return Launch(limited.id, limited.spec, str(limited.path), monitoring=Monitoring(), fault=fault)

    plan = runtime.plan(launch((-1, 0)))
    of_cgroups = [number for number, one in enumerate(plan.operations) if one.name.startswith("CGROUP")]
    assert len(of_cgroups) > 10
    for number in of_cgroups:
        with pytest.raises(RingfenceError):
            runtime.start(launch((number, 5)))
        assert not is_on(tree) and MARK not in os.listxattr(tree)


def test_after_a_kill_the_next_one_gives_it_back(tree: Path, limited: Bundle, runtime: OciRuntime) -> None:
    """Of somebody whose container is gone without having been deleted, only the mark tells."""
    os.makedirs(tree / "ringrun", exist_ok=True)
    for level in (tree, tree / "ringrun"):
        os.setxattr(level, MARK, b"")
        (level / "cgroup.subtree_control").write_text(f"+{CONTROLLER}")
    id = start(runtime, limited, "a", limit=False)
    runtime.delete(id, force=True)
    assert not is_on(tree) and MARK not in os.listxattr(tree)
