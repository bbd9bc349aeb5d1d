"""--network, --publish and their like: what people type, in docker's and podman's forms, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.engine import options_network
from ringfence.engine.options import parse
from ringfence.engine.options_network import request, requests
from ringfence.errors import InvalidInput, Unsupported

MAC = "02:42:0a:00:00:1f"


def test_without_a_word_it_is_the_network_bridge() -> None:
    options = parse({})
    assert options.network == "bridge" and list(requests(options)) == [request("bridge")]


@pytest.mark.parametrize("mode", ["none", "host", "container:web"])
def test_modes_are_no_networks_of_its_own(mode: str) -> None:
    options = parse({"network": mode})
    assert options.network == mode and not requests(options)


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("net1", [request("net1")]),
        (["net1", "net2"], [request("net1"), request("net2")]),
        ("net1:ip=10.0.0.9,interface=n3", [request("net1", ip="10.0.0.9", interface="n3")]),
        ("net1:ip6=fd00::9,mac=02:42:0A:00:00:01", [request("net1", ip6="fd00::9", mac="02:42:0a:00:00:01")]),
        ("net1:alias=db,alias=sql,interface_name=n1", [request("net1", aliases=["db", "sql"], interface="n1")]),
        ("name=net1,alias=db,mac-address=02-42-0A-00-00-1f", [request("net1", aliases=["db"], mac=MAC)]),
    ],
)
def test_networks_are_written_as_docker_or_podman_write_them(typed: Any, rows: list[dict[str, Any]]) -> None:
    options = parse({"network": typed})
    assert list(requests(options)) == rows and options.network == "net1"


def test_docker_s_flags_are_the_first_network_s() -> None:
    options = parse({"network": ["a", "b"], "ip": "10.0.0.9", "ip6": "fd00::9", "mac-address": "02:42:0a:00:00:01",
                     "network-alias": ["x", "y"]})  # fmt: skip
    first = request("a", ip="10.0.0.9", ip6="fd00::9", mac="02:42:0a:00:00:01", aliases=["x", "y"])
    assert list(requests(options)) == [first, request("b")]
    assert list(requests(parse({"ip": "10.0.0.9"}))) == [request("bridge", ip="10.0.0.9")]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"network": ""}, "names no network"),
        ({"network": "a b"}, "is not the name of a network"),
        ({"network": "container:"}, "names no container"),
        ({"network": ["a", "none"]}, "none cannot be combined"),
        ({"network": ["a", "a"]}, "a is given twice"),
        ({"network": ["a:interface=n1", "b:interface=n1"]}, "interface n1 is given twice"),
        ({"network": "a:ip=1.2.3"}, "is not an IP address"),
        ({"network": "a:ip=fd00::1"}, "is not an IPv4 address"),
        ({"network": "a:mac=1"}, "is not a MAC address"),
        ({"network": "a:mac=03:42:0a:00:00:01"}, "multicast"),
        ({"network": "a:interface=a/b"}, "is not the name of an interface"),
        ({"network": "a:interface=lo"}, "no interface can be given"),
        ({"network": "a:speed=1"}, "unknown setting"),
        ({"network": "a:ip="}, "no value"),
        ({"network": "host", "ip": "10.0.0.9"}, "--ip: cannot be set with --network host"),
        ({"network": "none", "publish": "80:80"}, "--publish: cannot be set with --network none"),
        ({"network": "container:x", "publish-all": True}, "--publish-all: cannot be set"),
        ({"network-alias": "-x"}, "is not a host name"),
        ({"publish": "80:"}, "is not of the form"),
        ({"publish": "0"}, "out of range"),
        ({"publish": "70000:80"}, "out of range"),
        ({"publish": "9" * 5000}, "out of range"),
        ({"publish": ["8080:80", "8080:81"]}, "publishes port 8080/tcp of this machine again"),
        ({"publish": ["8079-8080:80-81", "127.0.0.1:8080:82"]}, "port 8080/tcp of this machine again"),
        ({"publish": "82-80"}, "ends before it begins"),
        ({"publish": "80:80/icmp"}, "protocol"),
        ({"publish": "8000-8001:80-82"}, "different lengths"),
        ({"publish": "fd00::1:80:80"}, "[brackets]"),
        ({"publish": "[fd00::1:80:80"}, "is not of the form"),
        ({"publish": "1.2.3:80:80"}, "is not an IP address"),
        ({"expose": "x"}, "is not of the form"),
    ],
)
def test_what_cannot_be_is_one_clear_line(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words.replace("[", r"\[")) as caught:
        parse(raw)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("flag", ["link", "link-local-ip"])
def test_what_is_not_built_says_so(flag: str) -> None:
    with pytest.raises(Unsupported, match=f"--{flag}: not built yet"):
        parse({flag: ["a:b"]})


def row(port: int, first: int = 0, last: int = 0, ip: str = "", protocol: str = "tcp") -> dict[str, Any]:
    return {"port": port, "protocol": protocol, "ip": ip, "first": first, "last": last or first}


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("80", [row(80)]),
        ("8080:80", [row(80, 8080)]),
        ("127.0.0.1:8080:80", [row(80, 8080, ip="127.0.0.1")]),
        ("127.0.0.1::80", [row(80, ip="127.0.0.1")]),
        ("[::1]:8080:80/udp", [row(80, 8080, ip="::1", protocol="udp")]),
        ("53:53/SCTP", [row(53, 53, protocol="sctp")]),
        ("8000-8001:80-81", [row(80, 8000), row(81, 8001)]),
        ("8000-8010:80", [row(80, 8000, 8010)]),
        ("7000-7001", [row(7000), row(7001)]),
        ("0:80", [row(80)]),
        (["8080:80", "8080:80/udp"], [row(80, 8080), row(80, 8080, protocol="udp")]),
        (["8080-8081:80", "8080-8081:81"], [row(80, 8080, 8081), row(81, 8080, 8081)]),
        (["80", "80", "8080:80", "8080-8080:80/tcp"], [row(80), row(80, 8080)]),
    ],
)
def test_ports_are_written_as_dockers(typed: str | list[str], rows: list[dict[str, Any]]) -> None:
    assert list(parse({"publish": typed}).publish) == rows


@given(st.text(max_size=40))
def test_any_text_is_ports_or_one_clear_line(text: str) -> None:
    # Invariant: rows whose ports are from 1 to 65535, or InvalidInput in one line.
    try:
        rows = options_network.publish("--publish", text)
    except InvalidInput as error:
        assert str(error).startswith("--publish: ")
        return
    assert all(1 <= one["port"] <= 65535 and 0 <= one["first"] <= one["last"] <= 65535 for one in rows)


@given(st.text(alphabet="abn:=,.0127 efghimx-", max_size=40))
def test_any_text_is_a_network_or_one_clear_line(text: str) -> None:
    # Invariant: one row with a name, or InvalidInput in one line.
    try:
        (found,) = options_network.networks("--network", text)
    except InvalidInput as error:
        assert str(error).startswith("--network: ")
        return
    assert found["name"]
