"""nftables over netlink, with nft(8) as the one who reads what we write and writes what we read."""

from __future__ import annotations

import errno
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux import nftables
from ringfence.linux.namespaces import Clone
from ringfence.linux.netlink import pack_attribute
from ringfence.linux.nftables import Element, Hook, NftablesConnection, SetFlag, Type
from ringfence.linux.nftexpressions import dnat, equal, find, mask, meta, payload, unequal, verdict
from tests import needs
from tests.linux import child

PORTS = [Type.PROTOCOL, Type.PORT], [Type.IPV4, Type.PORT]
KEY, DATA = b"\x06\0\0\0" + b"\x1f\x90\0\0", b"\x0a\x4e\0\x02" + b"\0\x50\0\0"  # tcp . 8080, 10.78.0.2 . 80


def alone(work: Callable[[NftablesConnection], None]) -> None:
    """Where there is no other table."""
    needs.root()
    needs.program("nft")

    def run() -> None:
        with NftablesConnection() as connection:
            work(connection)

    child.run(run, Clone.NEWNET)


def nft(*words: str) -> str:
    return subprocess.run(["nft", *words], capture_output=True, text=True, check=True).stdout


def test_nothing_to_change_is_no_wait() -> None:
    alone(lambda connection: connection.change([]))


def test_nft_shows_a_table_as_it_was_made() -> None:
    def work(connection: NftablesConnection) -> None:
        requests = [
            nftables.new_table("t"),
            nftables.new_set("t", "ports", *PORTS),
            nftables.new_set("t", "subnets", [Type.IPV4], [], SetFlag.INTERVAL),
            nftables.new_set("t", "bridges", [Type.INTERFACE]),
            nftables.new_chain("t", "published"),
            nftables.new_chain("t", "prerouting", "nat", Hook.PREROUTING, -100),
            nftables.new_rule("t", "prerouting", [meta("nfproto"), equal(b"\2"), verdict("jump", "published")], "why"),
            nftables.new_rule("t", "published", [
                meta("nfproto"), equal(b"\2"), meta("l4proto"), payload("transport", 2, 2, 1), find("ports"),
                dnat(nftables.NFPROTO_IPV4, 0, 1),
            ]),
            nftables.new_rule("t", "published", [meta("nfproto"), equal(b"\x0a"), payload("network", 24, 16),
                                                 mask(b"\xff\xc0" + bytes(14)), unequal(b"\xfe\x80" + bytes(14)),
                                                 verdict("drop")]),
            *nftables.new_elements("t", "ports", [Element(KEY, DATA, comment="box")]),
            *nftables.new_elements("t", "subnets", [Element(b"\x0a\x4e\0\0"), Element(b"\x0a\x4f\0\0", end=True)]),
            *nftables.new_elements("t", "bridges", [Element(b"br0".ljust(16, b"\0"))]),
        ]  # fmt: skip
        connection.change(requests)
        shown = " ".join(nft("list", "table", "inet", "t").split())
        for part in (
            "map ports { type inet_proto . inet_service : ipv4_addr . inet_service elements = { "
            'tcp . 8080 comment "box" : 10.78.0.2 . 80 } }',
            "set subnets { type ipv4_addr flags interval elements = { 10.78.0.0/16 } }",
            'set bridges { type ifname elements = { "br0" } }',
            'chain prerouting { type nat hook prerouting priority dstnat; policy accept; meta nfproto ipv4 '
            'jump published comment "why" }',
            "meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports",
            "ip6 daddr != fe80::/10 drop",
        ):  # fmt: skip
            assert part in shown, shown

    alone(work)


def test_what_nft_made_is_read() -> None:
    def work(connection: NftablesConnection) -> None:
        nft("add table inet t; add map inet t ports { type inet_proto . inet_service : ipv4_addr . inet_service; };"
            'add element inet t ports { tcp . 8080 comment "box" : 10.78.0.2 . 80 };'
            "add set inet t subnets { type ipv4_addr; flags interval; }; add element inet t subnets { 10.78.0.0/16 };"
            "add chain inet t c { type filter hook forward priority 0; policy drop; };"
            'add rule inet t c accept comment "why"; add table ip other; add chain ip other plain')  # fmt: skip
        assert connection.tables() == ["t"]
        [element] = connection.elements("t", "ports")
        assert (element.key, element.data, element.comment) == (KEY, DATA, "box")
        assert connection.element("t", "ports", KEY) == element
        assert connection.element("t", "ports", b"\x11" + KEY[1:]) is None
        bounds = {(one.key, one.end) for one in connection.elements("t", "subnets")}
        assert bounds >= {(b"\x0a\x4e\0\0", False), (b"\x0a\x4f\0\0", True)}
        assert connection.rules("t") == [("c", "why")]
        chains = [(one.family, one.table, one.name, one.hook, one.drops) for one in connection.chains()]
        assert chains == [(1, "t", "c", Hook.FORWARD, True), (2, "other", "plain", None, False)]

    alone(work)


def test_a_change_is_made_whole_or_not_at_all_and_says_which_request_failed() -> None:
    def work(connection: NftablesConnection) -> None:
        wrong = nftables.delete_elements("t", "ports", [Element(KEY)])
        with pytest.raises(FileNotFoundError) as caught:
            connection.change([nftables.new_table("t"), nftables.new_set("t", "ports", *PORTS), *wrong,
                               nftables.new_chain("t", "c")])  # fmt: skip
        assert caught.value.__notes__ == ["nftables: delete element inet t ports"]
        assert nft("list", "ruleset") == ""

    alone(work)


def test_an_element_may_be_added_again_but_not_with_other_data() -> None:
    def work(connection: NftablesConnection) -> None:
        connection.change([nftables.new_table("t"), nftables.new_set("t", "ports", *PORTS)])
        for _ in range(2):
            connection.change(nftables.new_elements("t", "ports", [Element(KEY, DATA)]))
        with pytest.raises(FileExistsError):
            connection.change(nftables.new_elements("t", "ports", [Element(KEY, b"\x0a\x4e\0\x03\0\x50\0\0")]))
        with pytest.raises(FileExistsError):
            connection.change([nftables.new_table("t", exclusive=True)])

    alone(work)


def test_a_change_that_rests_on_what_is_no_longer_so_is_refused() -> None:
    def work(connection: NftablesConnection) -> None:
        generation = connection.generation()
        nft("add table ip other")
        with pytest.raises(OSError) as caught:
            connection.change([nftables.new_table("t")], generation)
        assert caught.value.errno == errno.ERESTART
        connection.change([nftables.new_table("t")], connection.generation())
        assert connection.tables() == ["t"]

    alone(work)


def test_more_elements_than_one_request_holds_are_one_change() -> None:
    def work(connection: NftablesConnection) -> None:
        many = [Element(b"\x06\0\0\0" + port.to_bytes(2, "big") + b"\0\0", DATA, comment="x" * 64)
                for port in range(1, 20001)]  # fmt: skip
        connection.change([nftables.new_table("t"), nftables.new_set("t", "ports", *PORTS),
                           *nftables.new_elements("t", "ports", many)])  # fmt: skip
        assert set(connection.elements("t", "ports")) == set(many)

    alone(work)


def test_connections_are_gone_a_moment_after_they_were_closed_whatever_was_removed() -> None:
    def work(connection: NftablesConnection) -> None:
        for _ in range(20):
            with NftablesConnection() as other:
                other.change([nftables.new_table("t"), nftables.new_set("t", "ports", *PORTS)])
                other.change([nftables.delete_table("t")])
        deadline = time.monotonic() + 5
        while sockets() != 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def sockets() -> int:
        """How many there are of netfilter in this network namespace."""
        return sum(line.split()[1] == "12" for line in Path("/proc/net/netlink").read_text().splitlines())

    alone(work)


values = st.binary(max_size=20)


@given(st.binary(max_size=80) | st.lists(st.tuples(st.integers(0, 10), values)).map(
    lambda pairs: pack_attribute(1, [pack_attribute(type, value) for type, value in pairs])))  # fmt: skip
def test_any_bytes_are_elements_or_refused(data: bytes) -> None:
    # Invariant: a list of elements whose keys and data are among the bytes given, or OSError EBADMSG.
    try:
        elements = nftables.parse_elements(data)
    except OSError as error:
        assert error.errno == errno.EBADMSG
        return
    assert all(element.key in data and element.data in data for element in elements)


@given(st.binary(max_size=40))
def test_any_user_data_is_a_comment_or_none(userdata: bytes) -> None:
    # Invariant: text, whatever program wrote it; and what we write is read again.
    assert isinstance(nftables.parse_comment(userdata), str)
    packed = pack_attribute(1, [pack_attribute(6, b"\1\2xy" + b"\0\4abc\0")])
    assert nftables.parse_elements(packed)[0].comment == "abc"
