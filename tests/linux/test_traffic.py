"""Traffic control: what we make pyroute2 and tc see, what pyroute2 makes we see, and any bytes are read or refused."""

from __future__ import annotations

import errno
import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux import rtnetlink, traffic
from ringfence.linux.namespaces import Clone
from ringfence.linux.netlink import Message
from ringfence.linux.traffic import ROOT, TrafficConnection, handle
from tests import needs
from tests.linux import child


def in_network(work: Callable[[TrafficConnection, int, int], None]) -> None:
    """Do `work` in a network with an ifb and a veth, whose indexes it is given."""
    needs.root()

    def connected() -> None:
        with TrafficConnection() as connection:
            connection.new_link("ifb0", "ifb")
            connection.new_veth("left", "right")
            connection.set_up(connection.link("ifb0").index)
            work(connection, connection.link("ifb0").index, connection.link("left").index)

    child.run(connected, Clone.NEWNET)


def oracle() -> Any:
    from pyroute2 import IPRoute  # type: ignore[import-untyped]

    return IPRoute()


def tc(*words: str) -> str:
    needs.program("tc")
    return subprocess.run(["tc", *words], capture_output=True, check=True, text=True).stdout


def test_the_classes_that_we_make_are_seen_by_pyroute2_and_tc() -> None:
    def work(connection: TrafficConnection, ifb: int, _: int) -> None:
        connection.new_htb(ifb, 1)
        connection.new_htb(ifb, 1)  # what is there stays
        connection.set_class(ifb, handle(1, 1), ROOT, rate=50_000_000, ceil=50_000_000, burst=125_000)
        connection.set_class(ifb, handle(1, 0x2A), handle(1, 1), rate=8000, ceil=400 * 10**9, burst=125_000)
        connection.new_leaf(ifb, handle(1, 0x2A), 500_000)

        with oracle() as ip:
            [htb] = [one for one in ip.get_qdiscs(index=ifb) if one["parent"] == ROOT]
            assert (htb.get("kind"), htb["handle"]) == ("htb", handle(1, 0))
            seen = {one["handle"]: one for one in ip.get_classes(index=ifb)}
            top, leaf = seen[handle(1, 1)], seen[handle(1, 0x2A)]
            assert top.get_attr("TCA_OPTIONS").get_attr("TCA_HTB_PARMS")["rate"] * 8 == 50_000_000
            assert leaf["parent"] == handle(1, 1)
        shown = tc("class", "show", "dev", "ifb0")
        assert "class htb 1:1 root rate 50Mbit ceil 50Mbit burst 125000b cburst 125000b" in shown
        assert re.search(r"class htb 1:2a parent 1:1 leaf \S+ prio 0 rate 8Kbit ceil 400Gbit", shown)

        ours = {one.handle: one for one in connection.classes(ifb)}
        assert (ours[handle(1, 1)].rate, ours[handle(1, 0x2A)].ceil) == (50_000_000, 400 * 10**9)
        assert (ours[handle(1, 0x2A)].parent, ours[handle(1, 0x2A)].bytes) == (handle(1, 1), 0)

    in_network(work)


def test_the_redirections_that_we_make_are_seen_by_pyroute2_and_tc() -> None:
    def work(connection: TrafficConnection, ifb: int, left: int) -> None:
        connection.new_clsact(left)
        connection.new_clsact(left)
        for hook in traffic.HOOKS:
            for name in ("first", "second"):  # the second takes the place of the first
                connection.redirect(left, hook, ifb, handle(1, 2), name)
            [ours] = connection.redirections(left, hook)
            assert (ours.name, ours.target, ours.kind) == ("second", ifb, "bpf")
            filters = json.loads(tc("-j", "filter", "show", "dev", "left", hook))
            [shown] = [one for one in filters if "options" in one]
            assert shown["options"]["bpf_name"] == "second"
            [action] = shown["options"]["actions"]
            assert (action["kind"], action["mirred_action"], action["to_dev"]) == ("mirred", "redirect", "ifb0")
            with oracle() as ip:
                kinds = {one.get("kind") for one in ip.get_filters(index=left, parent=traffic.HOOKS[hook])}
            assert kinds == {"bpf"}
            connection.delete_redirection(left, hook)
            assert connection.redirections(left, hook) == []

    in_network(work)


def test_what_pyroute2_makes_we_see() -> None:
    def work(connection: TrafficConnection, ifb: int, left: int) -> None:
        with oracle() as ip:
            ip.tc("add", "htb", ifb, 0x10000, default=0)
            ip.tc("add-class", "htb", ifb, 0x10010, parent=0x10000, rate="256kbit", burst=6000)
            ip.tc("add", "clsact", left)
        assert ("htb", 0x10000) in [(one.kind, one.handle) for one in connection.qdiscs(ifb)]
        assert ("clsact", traffic.CLSACT) in [(one.kind, one.handle) for one in connection.qdiscs(left)]
        [made] = connection.classes(ifb)
        assert (made.handle, made.rate, made.ceil) == (0x10010, 256_000, 256_000)

    in_network(work)


def test_what_was_made_is_removed_and_errors_are_the_kernels() -> None:
    def work(connection: TrafficConnection, ifb: int, left: int) -> None:
        before = [(one.kind, one.parent) for one in connection.qdiscs(left)]
        connection.new_clsact(left)
        connection.delete_clsact(left)
        assert [(one.kind, one.parent) for one in connection.qdiscs(left)] == before
        connection.new_htb(ifb, 1)
        connection.set_class(ifb, handle(1, 1), ROOT, rate=8000, ceil=8000, burst=2000)
        connection.set_class(ifb, handle(1, 2), handle(1, 1), rate=8000, ceil=8000, burst=2000)
        refused: list[tuple[Callable[[], None], int]] = [
            (lambda: connection.delete_class(ifb, handle(1, 1)), errno.EBUSY),
            (lambda: connection.delete_class(ifb, handle(1, 9)), errno.ENOENT),
            (lambda: connection.new_clsact(999), errno.ENODEV),
        ]
        for attempt, number in refused:
            with pytest.raises(OSError) as caught:
                attempt()
            assert caught.value.errno == number
        connection.delete_class(ifb, handle(1, 2))
        connection.delete_class(ifb, handle(1, 1))
        assert connection.classes(ifb) == []

    in_network(work)


@given(st.binary(max_size=80))
def test_any_payload_is_an_object_or_refused(payload: bytes) -> None:
    # Invariant: a Qdisc, TrafficClass or Redirection, or OSError EBADMSG.
    head = bytes(20)
    named = head + b"\x08\x00\x01\x00bpf\x00"
    kinds: tuple[Any, ...] = (traffic.Qdisc, traffic.TrafficClass, traffic.Redirection)
    for kind in kinds:
        for candidate in (payload, head + payload, named + payload):
            try:
                rtnetlink.objects(kind, [Message(0, 0, candidate)])
            except OSError as error:
                assert error.errno == errno.EBADMSG
