"""Connections that one address answers are forgotten, those of others and of other protocols are not."""

from __future__ import annotations

import errno
import socket

from hypothesis import given
from hypothesis import strategies as st

from ringfence.linux import conntrack
from ringfence.linux.netfilter import NetfilterConnection
from ringfence.linux.netlink import pack_attribute
from ringfence.network.firewall import PROTOCOLS, Firewall
from tests.network.hosts import WEB, Machine, ask, on_machine


def test_what_an_address_answers_is_forgotten_and_nothing_else() -> None:
    def work(machine: Machine) -> None:
        first, second = machine.container(WEB), machine.container(WEB)
        Firewall("ringfence-test").open_network(WEB)  # whose rules make the kernel track connections at all
        for space in (first, second):
            for protocol in ("udp", "tcp"):
                space.serve(53, protocol)
                for address in space.addresses:
                    assert ask(address, 53, protocol).startswith(space.name)
        with NetfilterConnection() as connection:
            for address in first.addresses:
                packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
                assert [conntrack.forget(connection, PROTOCOLS["udp"], packed) for _ in range(2)] == [1, 0]
                assert conntrack.forget(connection, PROTOCOLS["tcp"], packed) == 1
            for address in second.addresses:
                packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
                assert conntrack.forget(connection, PROTOCOLS["udp"], packed) == 1

    on_machine(work)


@given(st.binary(max_size=60) | st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=20))).map(
    lambda pairs: pack_attribute(1, [pack_attribute(type, value) for type, value in pairs])))  # fmt: skip
def test_any_bytes_are_a_protocol_and_an_address_or_refused(data: bytes) -> None:
    # Invariant: a number and bytes that are among those given, or OSError EBADMSG.
    try:
        protocol, address = conntrack.answered_by(data)
    except OSError as error:
        assert error.errno == errno.EBADMSG
        return
    assert protocol >= 0
    assert address in data
