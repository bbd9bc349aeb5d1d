"""Namespace modes, names, hosts, resolver and sysctls."""

from __future__ import annotations

import pytest

from ringfence.engine.options import parse

from .test_options import refusal


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("pid", ["private", "host", "container:web"]),
        ("ipc", ["none", "private", "shareable", "host", "container:web"]),
        ("uts", ["private", "host"]),
        ("cgroupns", ["private", "host"]),
    ],
)
def test_every_mode_of_a_namespace_is_taken(name: str, modes: list[str]) -> None:
    for mode in modes:
        assert getattr(parse({name: mode}), name) == mode


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pid", "none", '--pid: "none" is not one of private, host, container:NAME'),
        ("pid", "container:", '--pid: "container:" names no container'),
        ("ipc", "x", '--ipc: "x" is not one of none, private, shareable, host, container:NAME'),
        ("uts", "container:x", '--uts: "container:x" is not one of private, host'),
        ("cgroupns", "x", '--cgroupns: "x" is not one of private, host'),
        ("userns", "x", '--userns: "x" is not one of host, auto[:size=N,uidmapping=C:H:N,gidmapping=C:H:N]'),
        ("userns", "auto:size=0", '--userns: "auto:size=0" has a size out of range: 1 to 4294967295'),
        ("userns", "auto:colour=1", "--userns: \"auto:colour=1\" has an unknown setting 'colour'"),
        ("userns", "auto:", "--userns: \"auto:\" has an unknown setting ''"),
        ("userns", "auto:uidmapping=1", '--userns: "auto:uidmapping=1" has a mapping that is not '
                                        "CONTAINER:HOST:SIZE: 1"),
        ("userns", "keep-id", "--userns: keep-id: not built yet (use host or auto[:size=N])"),
        ("hostname", "a b", '--hostname: "a b" is not a host name'),
        ("hostname", "-a", '--hostname: "-a" is not a host name'),
        ("hostname", "x" * 65, f'--hostname: "{"x" * 65}" is longer than 64 characters'),
        ("add_host", "db", '--add-host: "db" is not of the form NAME:ADDRESS'),
        ("add_host", "db:300.1.1.1", '--add-host: "300.1.1.1" is not an IP address'),
        ("dns", "8.8.8", '--dns: "8.8.8" is not an IP address'),
        ("dns_search", "a b", '--dns-search: "a b" is not a host name'),
        ("dns_option", "a b", '--dns-option: "a b" is not a resolver option'),
        ("sysctl", "net.ipv4.ip_forward", '--sysctl: "net.ipv4.ip_forward" is not of the form NAME=VALUE'),
        ("sysctl", "kernel.panic=1", '--sysctl: "kernel.panic=1" is not allowed: only kernel parameters of the '
                                     "container's own namespaces can be set"),
        ("sysctl", "net/../kernel/panic=1", '--sysctl: "net/../kernel/panic=1" is not a kernel parameter'),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused(name: str, value: str, message: str) -> None:
    assert refusal(**{name: value}) == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"uts": "host", "hostname": "a"}, "--hostname: cannot be set with --uts host"),
        ({"uts": "host", "domainname": "a"}, "--domainname: cannot be set with --uts host"),
        ({"network": "container:x", "hostname": "a"}, "--hostname: cannot be set with --network container:x"),
        ({"network": "container:x", "dns": "1.1.1.1"}, "--dns: cannot be set with --network container:x"),
        ({"network": "container:x", "add_host": "a:1.1.1.1"}, "--add-host: cannot be set with --network container:x"),
        ({"network": "host", "sysctl": "net.core.somaxconn=1"}, "--sysctl: net.core.somaxconn is not allowed with "
                                                               "--network host"),
        ({"ipc": "host", "sysctl": "kernel.msgmax=1"}, "--sysctl: kernel.msgmax is not allowed with --ipc host"),
        ({"userns": "auto", "pid": "host"}, "--pid: host cannot be shared with --userns auto"),
        ({"userns": "auto", "network": "host"}, "--network: host cannot be shared with --userns auto"),
        ({"userns": "auto", "ipc": "container:x"}, "--ipc: container:x cannot be joined with --userns auto"),
        ({"userns": "auto", "privileged": True}, "--privileged: cannot be combined with --userns auto"),
    ],
)  # fmt: skip
def test_what_cannot_be_set_in_a_foreign_namespace_is_refused(raw: dict[str, object], message: str) -> None:
    assert refusal(**raw) == message


def test_userns_auto_may_fix_its_size_and_single_mappings() -> None:
    assert parse({"userns": "host"}).userns == {}
    assert parse({"userns": "auto:size=1000,uidmapping=0:@100000:10,gidmapping=5:6"}).userns == {
        "mode": "auto", "size": 1000, "uid": [[0, 100000, 10]], "gid": [[5, 6, 1]],
    }  # fmt: skip


def test_hosts_may_be_written_with_a_colon_or_an_equals_sign() -> None:
    assert parse({"add_host": ["a:1.2.3.4", "b=::1", "c:[fe80::1]"]}).add_host == ["a=1.2.3.4", "b=::1", "c=fe80::1"]


def test_sysctls_may_be_written_with_slashes() -> None:
    assert parse({"sysctl": ["net/core/somaxconn=5", "kernel.sem=1 2 3 4"]}).sysctl == {
        "net.core.somaxconn": "5", "kernel.sem": "1 2 3 4",
    }  # fmt: skip
