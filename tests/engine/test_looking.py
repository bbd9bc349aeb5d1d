"""Looking at containers and images: ps and its filters, inspect, top, stats, events, images, df, info, explain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ringfence.engine import explain, health, stats, top
from ringfence.errors import Conflict, InvalidInput, NotFound
from ringfence.images.make import put_image
from tests import needs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence import Engine


@pytest.fixture
def names(engine: Engine) -> Callable[..., list[str]]:
    """Names that `ps --all` lists under a filter, of three containers: one new, one ended with 3, one running."""
    engine.create("host", ["true"], name="fresh", label=["tier=web"])
    engine.run("host", ["sh", "-c", "exit 3"], name="ended", label=["tier=db"])
    engine.run("host", ["sleep", "60"], detach=True, name="alive", volume=["data:/v"])

    def list_names(**filters: list[str]) -> list[str]:
        found = engine.ps(all=True, filters={key.replace("_", "-"): values for key, values in filters.items()})
        return sorted(container["Names"][0].removeprefix("/") for container in found)

    return list_names


def test_filters_choose_as_dockers_do(engine: Engine, names: Callable[..., list[str]]) -> None:
    assert names() == ["alive", "ended", "fresh"]
    assert names(status=["created", "running"]) == ["alive", "fresh"]
    assert names(exited=["3"]) == ["ended"] and names(exited=["4"]) == []
    assert names(label=["tier"]) == ["ended", "fresh"] and names(label=["tier=db"]) == ["ended"]
    assert names(name=["^e"]) == ["ended"]
    assert names(ancestor=["host"]) == ["alive", "ended", "fresh"] and names(ancestor=["other"]) == []
    assert names(before=["ended"]) == ["fresh"] and names(since=["ended"]) == ["alive"]
    assert names(volume=["data"]) == ["alive"] and names(network=["bridge"]) == ["alive", "ended", "fresh"]
    assert names(health=["none"], status=["running"]) == ["alive"]
    assert [found["Names"] for found in engine.ps()] == [["/alive"]]
    assert [found["Names"] for found in engine.ps(last=2)] == [["/alive"], ["/ended"]]


@pytest.mark.parametrize("filters", [{"nope": ["1"]}, {"status": ["nope"]}, {"exited": ["x"]}, {"name": ["["]},
                                     {"health": ["ill"]}, {"is-task": ["maybe"]}])  # fmt: skip
def test_a_wrong_filter_is_refused(engine: Engine, filters: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidInput, match="--filter"):
        engine.ps(filters=filters)


def test_inspect_has_dockers_keys_and_is_json(engine: Engine) -> None:
    container = engine.run("host", ["sleep", "60"], detach=True, name="web", memory="64m", env={"A": "1"}, cpus="0.5",
                           restart="on-failure:2", cap_add=["NET_ADMIN"], volume=["data:/v:ro"])  # fmt: skip
    found = container.inspect()
    assert json.loads(json.dumps(found)) == found
    assert (found["Name"], found["Path"], found["Args"]) == ("/web", "sleep", ["60"])
    assert found["State"]["Pid"] > 0 and found["State"]["StartedAt"] > found["Created"]
    assert found["HostConfig"]["Memory"] == 64 << 20 and found["HostConfig"]["NanoCpus"] == 500_000_000
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert found["HostConfig"]["CapAdd"] == ["CAP_NET_ADMIN"]
    assert "A=1" in found["Config"]["Env"] and found["Config"]["Cmd"] == ["sleep", "60"]
    assert [(mount["Name"], mount["Destination"], mount["RW"]) for mount in found["Mounts"]] == [("data", "/v", False)]
    assert engine.inspect("web", size=True)["SizeRootFs"] > engine.inspect("web", size=True)["SizeRw"]


def test_an_object_of_any_kind_is_found(engine: Engine) -> None:
    engine.volume_create("store")
    assert engine.inspect("host")["RepoTags"] == ["host:latest"]
    assert engine.inspect("store")["Scope"] == "local"
    with pytest.raises(NotFound, match="no such object: nothing"):
        engine.inspect("nothing")
    with pytest.raises(InvalidInput, match="--type"):
        engine.inspect("host", type="planet")


def test_the_memory_limit_bites_and_is_told(engine: Engine) -> None:
    eater = "x=x; while :; do x=$x$x; done"
    result = engine.run("host", ["sh", "-c", eater], memory="16m", memory_swap="16m", name="eater")
    state = engine.inspect("eater")["State"]
    assert (result.exit_code, state["OOMKilled"]) == (137, True)


def test_top_lists_the_containers_processes_only(engine: Engine) -> None:
    needs.ps()
    engine.run("host", ["sleep", "61.5"], detach=True, name="web")
    found = engine.top("web")
    assert "PID" in found["Titles"]
    assert [row[-1] for row in found["Processes"]] == ["sleep 61.5"]
    with pytest.raises(InvalidInput, match="must print the column PID"):
        engine.top("web", ["-o", "comm"])
    with pytest.raises(InvalidInput, match="top: ps"):
        engine.top("web", ["--nonsense"])


def test_the_last_column_of_top_keeps_its_spaces() -> None:
    assert top.select("PID CMD\n 1 a  b\n 2 c\n", {1})["Processes"] == [["1", "a  b"]]


def test_stats_tell_what_is_used_and_of_what(engine: Engine) -> None:
    container = engine.run("host", ["sh", "-c", "while :; do :; done"], detach=True, memory="32m", pids_limit=20)
    (entry,) = next(engine.stats([container.id], stream=False, interval=0.5))
    assert entry["memory_stats"]["limit"] == 32 << 20 and entry["pids_stats"]["limit"] == 20
    assert entry["cpu_stats"]["cpu_usage"]["total_usage"] > entry["precpu_stats"]["cpu_usage"]["total_usage"]
    assert float(entry["Summary"]["CPUPerc"].rstrip("%")) > 5
    assert entry["Summary"]["MemUsage"].endswith("/ 32MiB")


@pytest.mark.parametrize(("number", "text"), [(0, "0B"), (999, "999B"), (1000, "1kB"), (1_610, "1.61kB")])
def test_sizes_are_for_people(number: int, text: str) -> None:
    assert stats.size(number, stats.DECIMAL, 3) == text


def test_events_tell_a_life_in_order(engine: Engine) -> None:
    engine.run("host", ["sh", "-c", "exit 3"], rm=True, name="brief", label=["a=b"])
    found = list(engine.events(follow=False, filters={"container": ["brief"]}))
    assert [event["Action"] for event in found] == ["create", "start", "die", "destroy"]
    assert (
        found[2]["Actor"]["Attributes"] | {"exitCode": "3", "image": "host", "a": "b"}
        == (found[2]["Actor"]["Attributes"])
    )
    assert found == list(engine.events(follow=False, filters={"label": ["a=b"], "type": ["container"]}))
    assert list(engine.events(follow=False, filters={"event": ["pause"]})) == []
    with pytest.raises(InvalidInput, match="--filter"):
        engine.events(follow=False, filters={"colour": ["red"]})


def test_an_image_in_use_is_not_removed(engine: Engine) -> None:
    container = engine.run("host", ["sleep", "60"], detach=True)
    with pytest.raises(Conflict, match="in use by the running container"):
        engine.rmi("host", force=True)
    engine.tag("host", "other:1")
    assert engine.rmi("other:1") == [{"Untagged": "other:1"}]
    container.stop(timeout=0)
    with pytest.raises(Conflict, match="in use by the stopped container"):
        engine.rmi("host")


def test_images_have_dockers_keys_and_filters(engine: Engine) -> None:
    engine.tag("host", "app:2")
    (image,) = engine.images()
    assert sorted(image["RepoTags"]) == ["app:2", "host:latest"] and image["Size"] > 0
    assert engine.images("app") and engine.images("a*:2") and not engine.images("nope")
    assert [image["RepoTags"] for image in engine.images("app")] == [["app:2"]]
    assert not engine.images(filters={"dangling": ["true"]})
    assert engine.history("host")[0]["Id"] == image["Id"]


def test_system_tells_what_there_is(engine: Engine) -> None:
    engine.run("host", ["sh", "-c", "echo x > /x"])
    info, df = engine.info(), engine.df()
    assert (info["Containers"], info["ContainersStopped"], info["Images"]) == (1, 1, 1)
    assert df["Containers"]["Reclaimable"] > 0 and df["Images"]["Active"] == 1
    assert engine.version()["Os"] == "linux"


def test_an_image_of_several_manifests_is_one_with_all_its_names(engine: Engine) -> None:
    """As another compression of its layers makes them: what is counted is the image."""
    config = engine.image_store.get("host").config
    layers = engine.image_store.get("host").layers
    with engine.content.lease():
        put_image(engine.image_store, config, layers, ["docker.io/library/again:1"], {"another": "manifest"})
    found = engine.df()["Images"]
    assert (found["TotalCount"], len(found["Items"])) == (1, 1)
    assert sorted(found["Items"][0]["RepoTags"]) == ["again:1", "host:latest"]


def test_limits_change_while_it_runs(engine: Engine) -> None:
    container = engine.run("host", ["sleep", "60"], detach=True, memory="64m")
    engine.update(container.id, memory="128m", pids_limit=77)
    limits = engine.runtime.stats(container.id)
    assert (limits["memory"]["limit"], limits["pids"]["limit"]) == (128 << 20, 77)
    assert container.inspect()["HostConfig"]["Memory"] == 128 << 20
    for wrong in ({}, {"hostname": "x"}, {"memory": "lots"}):
        with pytest.raises(InvalidInput):
            engine.update(container.id, **wrong)


def test_a_container_is_explained(engine: Engine) -> None:
    script = "rm /etc/passwd; echo removed; sleep 60"
    one = engine.run("host", ["sh", "-c", script], detach=True, name="one", memory="64m")
    next(iter(one.logs(follow=True)))
    engine.run("host", ["sleep", "60"], detach=True, name="two", network="container:one")
    found = engine.explain(one.id)
    shared = {row["kind"]: row["containers"] for row in found["namespaces"]}
    assert shared["network"] == ["two"] and shared["pid"] == []
    assert {"Path": "/etc/passwd", "Kind": 2} in found["diff"]
    assert found["layers"][0]["role"] == "diff" and found["layers"][-1]["role"] == "base"
    page = explain.text(found)
    for text in ("its own", "shared with the host", "D /etc/passwd", "Plan (", "67108864"):
        assert text in page
    json.dumps(found)


def test_a_run_is_explained_before_anything_exists(engine: Engine) -> None:
    found = engine.explain_run("host", ["echo", "hi"], memory="64m")
    assert found["plan"] and found["namespaces"] == []
    assert any("67108864" in step["description"] for step in found["plan"])
    assert engine.ps(all=True) == []


def test_a_health_check_is_judged_by_failures_in_a_row() -> None:
    state = {"Status": "starting", "FailingStreak": 0, "Log": []}
    bad, good = {"ExitCode": 1}, {"ExitCode": 0}
    state = health.judge(state, bad, True, 2)
    assert (state["Status"], state["FailingStreak"]) == ("starting", 0), "failures of the start period do not count"
    state = health.judge(state, good, True, 2)
    assert state["Status"] == "healthy"
    state = health.judge(health.judge(state, bad, False, 2), bad, False, 2)
    assert (state["Status"], state["FailingStreak"]) == ("unhealthy", 2)
    assert len(health.judge({**state, "Log": [bad] * 5}, good, False, 2)["Log"]) == health.KEPT


def test_a_health_check_runs_in_the_container(engine: Engine) -> None:
    container = engine.run("host", ["sleep", "60"], detach=True, health_cmd="test -e /ok", health_retries=1,
                           health_interval="1h")  # fmt: skip
    assert container.inspect()["State"]["Health"]["Status"] == "starting"
    assert engine.healthcheck(container.id) == "unhealthy"
    assert engine.ps(filters={"health": ["unhealthy"]})[0]["Status"].endswith("(unhealthy)")


def test_arguments_with_spaces_stand_in_quotes_in_ps(engine: Engine) -> None:
    engine.create("host", ["sh", "-c", 'echo "a b"', "c"])
    assert engine.ps(all=True)[0]["Command"] == """sh -c 'echo "a b"' c"""
