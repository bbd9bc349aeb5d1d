"""Hooks: when each kind runs, where, with what, and what its failure means (docs/conformance/oci-runtime.md, E)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import Failed
from ringfence.runtime import state
from ringfence.runtime.interface import Launch
from ringfence.runtime.native import OciRuntime
from tests.bundles import Bundle
from tests.runtime.monitored import alive
from tests.runtime.peers import Command

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
STATUS = dict(zip(KINDS, ("creating", "creating", "creating", "created", "running", "stopped"), strict=True))
# What a hook tells: its kind, the state, its mount and pid namespaces, whether / is the container's, its environment.
TELL = (
    '{ echo $1; cat; echo; readlink /proc/self/ns/mnt /proc/self/ns/pid 2>/dev/null; test -e /only-in-the-image; '
    "echo $?; env | sort; echo .; } >>{told}"
)


def hook(script: str, *arguments: str, **fields: Any) -> dict[str, Any]:
    return {"path": "/bin/sh", "args": ["sh", "-c", script, "hook", *arguments], **fields}


@pytest.fixture
def telling(bundle: Bundle, short_directory: Path) -> Bundle:
    """A bundle whose hooks of every kind tell about themselves in the file `told`, seen by all of them."""
    told = short_directory / "told"
    told.write_text("")
    told.chmod(0o666)
    (bundle.rootfs / "only-in-the-image").touch()
    bundle.mount(str(told), "bind", told, "bind")
    tell = TELL.replace("{told}", str(told))
    bundle.spec["hooks"] = {kind: [hook(tell, kind, env=[f"KIND={kind}", "A=b c"])] for kind in KINDS}
    bundle.spec["annotations"] = {"a": "b"}
    bundle.shell(f"echo program >>{told}; sleep 30")
    return bundle


def told(directory: Path) -> list[list[str]]:
    """What each hook told, line by line; the program's only line is joined with what comes after it."""
    return [part.strip().splitlines() for part in (directory / "told").read_text().split("\n.\n") if part.strip()]


def test_each_kind_runs_in_its_place_and_time_with_the_state(
    telling: Bundle, ringrun: Command, short_directory: Path
) -> None:
    path = str(telling.write())
    out = short_directory / "out"
    assert ringrun.detached("create", "--bundle", path, telling.id, output=out) == 0, out.read_text()
    created = told(short_directory)
    assert [part[0] for part in created] == ["prestart", "createRuntime", "createContainer"]
    pid = ringrun.state(telling.id)["pid"]
    started = ringrun("start", telling.id)
    assert started.returncode == 0, started.stderr
    parts = told(short_directory)
    assert [part[0] for part in parts[3:]] in (["startContainer", "program"], ["startContainer", "poststart"])
    ringrun("delete", "--force", telling.id)
    parts = [[line for line in part if line != "program"] for part in told(short_directory)]

    assert [part[0] for part in parts] == list(KINDS)
    here, ours = os.readlink("/proc/self/ns/mnt"), os.readlink("/proc/self/ns/pid")
    for kind, part in zip(KINDS, parts, strict=True):
        document = json.loads(part[1])
        assert {key: document[key] for key in ("ociVersion", "id", "status", "bundle", "annotations")} == {
            "ociVersion": "1.3.0", "id": telling.id, "status": STATUS[kind], "bundle": path, "annotations": {"a": "b"},
        }, kind  # fmt: skip
        inside = kind in ("createContainer", "startContainer")
        assert document.get("pid") == (None if kind == "poststop" else 1 if inside else pid), kind
        assert (part[2] != here, part[3] != ours) == (inside, inside), kind
        assert part[4] == ("0" if kind == "startContainer" else "1"), f"{kind}: before pivot_root, paths are the host's"
        assert {"A=b c", f"KIND={kind}"} == {line for line in part[5:] if line[:4] != "PWD=" and "_=" not in line[:6]
                                             and not line.startswith(("SHLVL", "OLDPWD"))}  # fmt: skip


def test_hooks_of_a_kind_run_in_their_order(bundle: Bundle, runtime: OciRuntime, short_directory: Path) -> None:
    out = short_directory / "order"
    bundle.spec["hooks"] = {
        kind: [hook(f"echo {kind}{number} >>{out}") for number in range(3)]
        for kind in KINDS
        if kind != "startContainer"
    }
    bundle.shell("true").run(runtime)

    assert out.read_text().split() == [f"{kind}{n}" for kind in KINDS if kind != "startContainer" for n in range(3)]


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_a_hook_of_create_that_fails_destroys_the_container(
    kind: str, bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    """The hooks after it do not run, the program does not, poststop hooks do (runtime.md, Lifecycle, 3 to 5 and 13)."""
    out = short_directory / "out"
    bundle.spec["hooks"] = {name: [hook(f"echo {name} >>{out}")] for name in KINDS if name != "startContainer"}
    bundle.spec["hooks"][kind].insert(0, hook("exit 3"))

    with pytest.raises(Failed, match=f"{kind} hook /bin/sh exited with status 3"):
        bundle.shell("echo program").run(runtime)

    before = KINDS[: KINDS.index(kind)]
    assert out.read_text().split() == [*before, "poststop"]
    assert state.identifiers(runtime.root) == []


def test_a_start_that_fails_before_its_hooks_runs_none(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    out = short_directory / "out"
    bundle.spec["hooks"] = {kind: [hook(f"echo {kind} >>{out}")] for kind in ("createRuntime", "poststop")}
    bundle.mount("/x", "bind", "/no/such", "bind")

    with pytest.raises(Failed, match="/no/such"):
        bundle.run(runtime)
    assert not out.exists()


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
def test_a_hook_of_start_that_fails_destroys_the_container(
    kind: str, bundle: Bundle, ringrun: Command, short_directory: Path
) -> None:
    out, ran = short_directory / "out", bundle.rootfs / "ran"
    bundle.spec["hooks"] = {kind: [hook("exit 3")], "poststop": [hook(f"echo poststop >>{out}")]}
    path = str(bundle.shell("echo >/ran; sleep 30").write())
    assert ringrun.detached("create", "--bundle", path, bundle.id, output=short_directory / "log") == 0
    pid = ringrun.state(bundle.id)["pid"]

    started = ringrun("start", bundle.id)

    assert started.returncode != 0 and f"{kind} hook /bin/sh exited with status 3" in started.stderr
    assert out.read_text() == "poststop\n"
    assert not alive(pid)
    assert ringrun("state", bundle.id).returncode != 0, "it is gone"
    assert kind == "poststart" or not ran.exists()


def test_a_poststart_hook_that_fails_destroys_what_is_run_at_once(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    bundle.spec["hooks"] = {"poststart": [hook("exit 1")]}
    with pytest.raises(Failed, match="poststart"):
        bundle.shell("sleep 30").start(runtime)
    assert state.identifiers(runtime.root) == []


def test_a_poststop_hook_that_fails_is_a_warning_and_the_others_run(
    bundle: Bundle, ringrun: Command, short_directory: Path
) -> None:
    out = short_directory / "out"
    bundle.spec["hooks"] = {"poststop": [hook("exit 4"), {"path": "/no/such"}, hook(f"echo ran >{out}")]}

    done = ringrun("run", "--bundle", str(bundle.shell("true").write()), bundle.id)

    assert done.returncode == 0 and out.read_text() == "ran\n"
    assert done.stderr.count("warning") == 2 and "status 4" in done.stderr
    assert ringrun("state", bundle.id).returncode != 0


@pytest.mark.parametrize("kind", ["createContainer", "poststop"])
def test_a_hook_that_takes_too_long_is_killed(
    kind: str, bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    pid = short_directory / "pid"
    bundle.spec["hooks"] = {kind: [hook(f"echo $$ >{pid}; exec sleep 60", timeout=1)]}
    bundle.shell("true")
    if kind == "poststop":
        assert bundle.run(runtime).exit_code == 0
    else:
        with pytest.raises(Failed, match=kind):
            bundle.run(runtime)
    if kind != "createContainer":  # whose $$ is a number of its own namespace
        assert not alive(int(pid.read_text()))


def test_a_hook_without_an_environment_has_ours_and_start_container_the_process_s(
    bundle: Bundle, ringrun: Command, short_directory: Path
) -> None:
    """As under runc and crun; one that has an empty environment has none."""
    bundle.spec["process"]["env"] += ["OF=process"]
    say = f"echo $0 $OF >>{short_directory}/told"
    bundle.spec["hooks"] = {kind: [{"path": "/bin/sh", "args": [kind, "-c", say]}] for kind in KINDS}
    bundle.spec["hooks"]["startContainer"] = [hook("echo $OF >/inherited"), hook("echo $OF$OWN >/own", env=["OWN=own"])]
    bundle.spec["hooks"]["poststart"] += [hook(f"echo none $OF >>{short_directory}/told", env=[])]
    environment = {**os.environ, "OF": "caller"}

    done = ringrun("run", "--bundle", str(bundle.shell("cat /inherited /own").write()), bundle.id, env=environment)

    assert done.stdout == "process\nown\n", done
    kinds = [kind for kind in KINDS if kind != "startContainer"]
    expected = [f"{kind} caller" for kind in kinds]
    expected.insert(expected.index("poststart caller") + 1, "none")
    assert (short_directory / "told").read_text().splitlines() == expected


def test_create_container_hooks_find_the_mounts_below_the_root_that_the_bundle_names(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    """That is how hooks bring drivers into a container: they work on root.path of the bundle, where they stand."""
    volume = short_directory / "volume"
    volume.mkdir()
    bundle.mount("/volume", "bind", volume, "bind")
    look = "test -e rootfs/proc/self/status && echo found >rootfs/volume/by-path; ln -s driver rootfs/lib-by-hook"
    bundle.spec["hooks"] = {"createContainer": [hook(look)]}

    assert bundle.shell("readlink /lib-by-hook; cat /volume/by-path; grep -c rootfs /proc/self/mounts").run(
        runtime
    ).stdout == "driver\nfound\n0\n"


def test_a_hook_without_args_has_its_path_for_a_name(
    bundle: Bundle, runtime: OciRuntime, short_directory: Path
) -> None:
    script = short_directory / "script"
    script.write_text(f"#!/bin/sh\necho $0 $# >{short_directory}/out\n")
    script.chmod(0o755)
    bundle.spec["hooks"] = {"createRuntime": [{"path": str(script)}]}
    bundle.shell("true").run(runtime)

    assert (short_directory / "out").read_text() == f"{script} 0\n"


def test_the_plan_tells_every_hook_and_where_it_runs(bundle: Bundle, runtime: OciRuntime) -> None:
    bundle.spec["hooks"] = {kind: [hook("true")] for kind in KINDS}
    plan = runtime.plan(Launch(bundle.id, bundle.spec, str(bundle.path)))
    names = [one.name for one in plan.operations]

    told = [(one.actor, one.arguments[0]) for one in plan.operations if one.name == "HOOK"]
    assert told == [(0, "prestart"), (0, "createRuntime"), (1, "createContainer"), (1, "startContainer")]
    assert names.index("HOOK") < names.index("PIVOT") < len(names) - 1 - names[::-1].index("HOOK")
