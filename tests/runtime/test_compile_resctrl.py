"""linux.intelRdt in a plan: what is made, written and joined in which order (conformance J); no machine here has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import Conflict, NotFound
from ringfence.linux.resctrl import Resctrl
from ringfence.runtime import compile_resctrl
from ringfence.runtime.facts import Facts
from ringfence.runtime.plan import Plan


def compiled(root: Path, wanted: dict[str, Any]) -> tuple[list[tuple[str, str]], list[str]]:
    """(operation, path or text) of the plan, and the directories that go with the container."""
    spec = {"linux": {"intelRdt": wanted}}
    facts = Facts(id="c1", bundle="/b", state="/s", resctrl=Resctrl(str(root), wanted.get("closID") or "c1"))
    plan = Plan()
    compile_resctrl.create(plan, spec, facts)
    compile_resctrl.join(plan, spec, facts)
    done = [(one.name, str(one.arguments[0]).removeprefix(f"{root}/")) for one in plan.operations]
    done = [one for one in done if one[0] != "CGROUP_SET"]
    for operation in plan.operations:
        if operation.name == "CGROUP_SET" and isinstance(operation.arguments[1], bytes):
            done.append(("CGROUP_SET", operation.arguments[1].decode()))
    return done, [path.removeprefix(f"{root}/") for path in compile_resctrl.owned(spec, facts)]


def test_a_class_without_a_name_is_made_for_the_container_and_goes_with_it(tmp_path: Path) -> None:
    wanted = {"schemata": ["MB:0=20"], "memBwSchema": "MB:0=50", "l3CacheSchema": "L3:0=f"}
    done, owned = compiled(tmp_path, wanted)
    assert done == [("CGROUP_CREATE", "c1"), ("JOIN_CGROUP", "c1/tasks"), ("CGROUP_SET", "L3:0=f\nMB:0=50\nMB:0=20\n")]
    assert owned == ["c1"]


def test_a_named_class_that_exists_is_compared_joined_and_stays(tmp_path: Path) -> None:
    (tmp_path / "gold").mkdir()
    (tmp_path / "gold/schemata").write_text("    L3:0=0f;1=ff\n    MB:0=100\n")
    done, owned = compiled(tmp_path, {"closID": "gold", "l3CacheSchema": "L3:0=f"})
    assert ("JOIN_CGROUP", "gold/tasks") in done and ("CGROUP_CREATE", "gold") not in done and owned == []
    with pytest.raises(Conflict, match="has L3"):
        compiled(tmp_path, {"closID": "gold", "l3CacheSchema": "L3:0=3"})


def test_a_named_class_that_is_missing_needs_its_schemata(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="silver"):
        compiled(tmp_path, {"closID": "silver"})
    done, owned = compiled(tmp_path, {"closID": "silver", "schemata": ["L3:0=1"]})
    assert done[0] == ("CGROUP_CREATE", "silver") and owned == []


def test_monitoring_is_a_group_of_the_class_joined_after_it_and_goes_with_the_container(tmp_path: Path) -> None:
    done, owned = compiled(tmp_path, {"enableMonitoring": True})
    assert done == [
        ("CGROUP_CREATE", "c1"), ("CGROUP_CREATE", "c1/mon_groups/c1"),
        ("JOIN_CGROUP", "c1/tasks"), ("JOIN_CGROUP", "c1/mon_groups/c1/tasks"),
    ]  # fmt: skip
    assert owned == ["c1/mon_groups/c1", "c1"]
