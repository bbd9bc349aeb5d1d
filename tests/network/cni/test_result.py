"""What CNI plugins answer: results, errors, versions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.errors import Failed
from ringfence.network.cni import result
from tests.network.cni.test_configuration import values

ANSWER: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "cni0", "mac": "00:11:22:33:44:55"}, {"name": "eth0", "sandbox": "/run/netns/a", "mtu": 9}],
    "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 1}, {"address": "fd00::5/64"}],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}],
    "dns": {"nameservers": ["10.1.0.1"], "search": ["db.example"]},
}


def test_a_result_tells_interfaces_addresses_routes_and_dns() -> None:
    found = result.parse(json.dumps(ANSWER).encode(), "CNI plugin bridge")
    assert found.interfaces == [("cni0", "00:11:22:33:44:55", "", 0), ("eth0", "", "/run/netns/a", 9)]
    assert [(one.address, one.gateway, one.interface) for one in found.addresses] == [
        ("10.1.0.5/16", "10.1.0.1", "eth0"),
        ("fd00::5/64", "", ""),
    ]
    assert found.routes == [("0.0.0.0/0", ""), ("10.9.0.0/16", "10.1.0.9")]
    assert (found.nameservers, found.search) == (["10.1.0.1"], ["db.example"])
    assert found.document == ANSWER


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "what it answered is not JSON"),
        ("[]", "what it answered is not a JSON object"),
        ({"interfaces": {"name": "x"}}, "interfaces: is not a list of objects"),
        ({"ips": [{"address": "10.0.0.1"}]}, "ips[0].address: '10.0.0.1' has no prefix length"),
        ({"ips": [{"address": "10.0.0.300/8"}]}, "ips[0].address: '10.0.0.300/8' is not an address in CIDR notation"),
        ({"ips": [{"address": "10.0.0.1/8", "interface": 2}]}, "ips[0].interface: is not the index of an interface"),
        ({"routes": [{"dst": "default"}]}, "routes[0].dst: 'default' is not an address in CIDR notation"),
        ({"dns": {"nameservers": "1.1.1.1"}}, "nameservers: is not a list of strings"),
    ],
)
def test_an_answer_that_is_not_as_specified_is_the_plugins_failure(answer: Any, message: str) -> None:
    with pytest.raises(Failed) as error:
        result.parse((answer if isinstance(answer, str) else json.dumps(answer)).encode(), "CNI plugin odd")
    assert str(error.value).startswith(f"CNI plugin odd: {message}")


@pytest.mark.parametrize(
    ("status", "output", "complaint", "line"),
    [
        (1, b'{"code": 11, "msg": "no lease", "details": "the server\\nis away"}', "",
         "CNI plugin dhcp: ADD: no lease: the server is away (a passing condition)"),
        (1, b'{"code": 999, "msg": "its own"}', "", "CNI plugin dhcp: ADD: its own"),
        (2, b"", "panic: oh\nlast words\n", "CNI plugin dhcp: ADD ended with status 2: last words"),
        (-9, b"", "", "CNI plugin dhcp: ADD ended with status -9: it said nothing"),
    ],
)  # fmt: skip
def test_a_failure_is_told_in_the_plugins_words(status: int, output: bytes, complaint: str, line: str) -> None:
    assert str(result.failure("dhcp", "ADD", status, output, complaint)) == line


KEYS = ("interfaces", "ips", "routes", "dns", "name", "mac", "address", "interface", "dst", "nameservers", "msg")


@given(st.dictionaries(st.sampled_from(KEYS), values | st.lists(st.dictionaries(st.sampled_from(KEYS), values))))
def test_any_answer_is_a_result_or_a_failure(document: dict[str, Any]) -> None:
    # Whatever a plugin prints: a Result whose document is what was printed, or Failed in one line that names it.
    content = json.dumps(document).encode()
    try:
        assert result.parse(content, "CNI plugin x").document == document
    except Failed as error:
        assert str(error).startswith("CNI plugin x")
    assert "\n" not in str(result.failure("x", "ADD", 1, content, ""))
