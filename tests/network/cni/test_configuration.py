"""CNI network configurations: what is read, what is refused and in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import InvalidInput, NotFound
from ringfence.network.cni import configuration

BRIDGE = {"type": "bridge", "bridge": "cni0", "keyA": ["passed", "on"], "capabilities": {"ips": True}}
NETWORK: dict[str, Any] = {"cniVersion": "1.0.0", "name": "dbnet", "plugins": [BRIDGE, {"type": "tuning"}]}


def write(path: Path, document: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def test_a_list_of_plugins_is_a_network(tmp_path: Path) -> None:
    network = configuration.load(write(tmp_path / "10.conflist", NETWORK))
    assert (network.name, network.versions, network.plugins) == ("dbnet", ["1.0.0"], [BRIDGE, {"type": "tuning"}])
    assert network.checked
    assert network.collected


def test_one_plugin_alone_is_a_network_of_the_older_form(tmp_path: Path) -> None:
    network = configuration.load(write(tmp_path / "10.conf", {"cniVersion": "0.3.1", "name": "old", **BRIDGE}))
    assert (network.name, network.versions, network.plugins) == ("old", ["0.3.1"], [BRIDGE])


def test_plugins_of_the_folder_beside_are_appended(tmp_path: Path) -> None:
    write(tmp_path / "dbnet" / "b.conf", {"type": "portmap"})
    write(tmp_path / "dbnet" / "a.conf", {"type": "bandwidth"})
    write(tmp_path / "dbnet" / "readme.txt", "not a plugin")
    path = write(tmp_path / "10.conflist", NETWORK)
    assert [one["type"] for one in configuration.load(path).plugins] == ["bridge", "tuning", "bandwidth", "portmap"]
    write(tmp_path / "10.conflist", {**NETWORK, "loadOnlyInlinedPlugins": True})
    assert [one["type"] for one in configuration.load(path).plugins] == ["bridge", "tuning"]


def test_of_the_versions_ours_are_kept_the_highest_last() -> None:
    several = {**NETWORK, "cniVersions": ["1.1.0", "0.4.0", "9.0.0"]}
    assert configuration.parse(several, "x").versions == ["0.4.0", "1.0.0", "1.1.0"]


def test_the_first_file_of_a_name_counts_and_others_errors_hide_nothing(tmp_path: Path) -> None:
    write(tmp_path / "20.conflist", {**NETWORK, "disableCheck": True})
    write(tmp_path / "10.conflist", NETWORK)
    write(tmp_path / "05.conflist", "{")
    write(tmp_path / "30.conflist", {**NETWORK, "name": "second"})
    found, problems = configuration.load_all(str(tmp_path))
    assert sorted(found) == ["dbnet", "second"]
    assert found["dbnet"].checked
    assert [str(problem).partition(":")[0] for problem in problems] == [str(tmp_path / "05.conflist")]
    with pytest.raises(NotFound, match=r"no CNI network other in .*05\.conflist: is not JSON"):
        configuration.find("other", str(tmp_path))
    assert configuration.load_all(str(tmp_path / "missing")) == ({}, [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": None}, "name: must be letters"),
        ({"name": "../up"}, "name: must be letters"),
        ({"name": "-x"}, "name: must be letters"),
        ({"cniVersion": None}, "cniVersion: must be a version"),
        ({"cniVersion": "0.2.0"}, "cniVersion: 0.2.0 is not supported (0.3.0 to 1.1.0 are)"),
        ({"cniVersions": "1.0.0"}, "cniVersion: must be a version"),
        ({"plugins": []}, "plugins: at least one is needed"),
        ({"plugins": {}}, "plugins: must be a list"),
        ({"plugins": ["bridge"]}, "plugins[0]: must be an object"),
        ({"plugins": [{}]}, "plugins[0].type: must be the file name of a plugin"),
        ({"plugins": [BRIDGE, {"type": "../bridge"}]}, "plugins[1].type: must be the file name of a plugin"),
        ({"plugins": [{**BRIDGE, "prevResult": {}}]}, "plugins[0].prevResult: is for the runtime to set"),
        ({"plugins": [{**BRIDGE, "cni.dev/x": 1}]}, "plugins[0].cni.dev/x: is for the runtime to set"),
        ({"plugins": [{**BRIDGE, "capabilities": ["ips"]}]}, "plugins[0].capabilities: must be an object"),
        ({"disableCheck": 1}, "disableCheck: must be true or false"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        configuration.parse({**NETWORK, **change}, "net.conflist")
    assert str(error.value).startswith(f"net.conflist: {message}")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("cniVersion", "cniVersions", "name", "plugins", "disableCheck", "disableGC", "type", "loadOnlyInlinedPlugins")


@given(st.dictionaries(st.sampled_from(KEYS), values) | values)
def test_any_json_is_a_network_or_refused(document: Any) -> None:
    # Whatever the JSON: InvalidInput in one line, or a network whose plugins can be named and versions are ours.
    try:
        network = configuration.parse(document, "file")
    except InvalidInput as error:
        assert str(error).startswith("file: ")
        return
    assert configuration.valid_name(network.name)
    assert set(network.versions) <= set(configuration.VERSIONS)
    assert all("/" not in one["type"] for one in network.plugins)
    again = configuration.parse(json.loads(network.source), "again")
    assert (again.name, again.versions, again.plugins) == (network.name, network.versions, network.plugins)
