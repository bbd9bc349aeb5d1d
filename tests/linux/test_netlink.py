"""Netlink messages and attributes are the bytes that pyroute2 makes of the same, and hostile bytes are refused."""

from __future__ import annotations

import errno
import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # type: ignore[import-untyped]
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg  # type: ignore[import-untyped]
from pyroute2.netlink.rtnl.rtmsg import rtmsg  # type: ignore[import-untyped]

from ringfence.linux import netlink
from ringfence.linux.netlink import Flag, Message, pack_attribute, parse_attributes

attributes = st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=40)), max_size=8)
messages = st.builds(
    Message,
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.binary(max_size=60),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
)


@given(messages, st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=15), st.integers(0, 2**32 - 1))
def test_a_message_is_what_pyroute2_reads_and_writes(message: Message, name: str, mtu: int) -> None:
    head = struct.pack("=BxHiII", 0, 1, 7, 0x1043, 0)
    message.payload = head + pack_attribute(3, name) + pack_attribute(4, mtu)
    packed = netlink.pack_message(message)
    oracle = ifinfmsg(packed)
    oracle.decode()
    fields = [oracle["header"][field] for field in ("type", "flags", "sequence_number", "pid")]
    assert fields == [message.type, message.flags, message.sequence, message.port]
    assert (oracle["index"], oracle["flags"]) == (7, 0x1043)
    assert [(slot[0], slot[1]) for slot in oracle["attrs"]] == [("IFLA_IFNAME", name), ("IFLA_MTU", mtu)]
    again = ifinfmsg()
    for field in ("header", "family", "ifi_type", "index", "flags", "change"):
        again[field] = oracle[field]
    again["attrs"] = [("IFLA_IFNAME", name), ("IFLA_MTU", mtu)]
    again.encode()
    [ours], [theirs] = netlink.parse_messages(packed), netlink.parse_messages(bytes(again.data))
    assert ours == theirs


@pytest.mark.parametrize(
    ("name", "value", "type", "ours"),
    [
        ("IFLA_IFNAME", "eth0", 3, "eth0"),
        ("IFLA_MTU", 1450, 4, 1450),
        ("IFLA_ADDRESS", "02:00:00:00:00:01", 1, bytes.fromhex("020000000001")),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]}, 18, [pack_attribute(1, "bridge")]),
    ],
)
def test_link_attributes_are_packed_as_pyroute2_packs_them(name: str, value: object, type: int, ours: object) -> None:
    oracle = ifinfmsg()
    oracle["attrs"] = [(name, value)]
    oracle.encode()
    [(packed_type, packed)] = parse_attributes(bytes(oracle.data[32:]))
    [(our_type, our)] = parse_attributes(pack_attribute(type, ours))  # type: ignore[arg-type]
    assert (our_type, _without_padding(our)) == (packed_type, _without_padding(packed))


def _without_padding(value: bytes) -> bytes:
    """pyroute2 leaves out the NUL after nested strings, which the kernel does not ask for."""
    return value.rstrip(b"\0")


@pytest.mark.parametrize(
    ("oracle", "size"), [(ifinfmsg(), 16), (ifaddrmsg(), 8), (rtmsg(), 12)], ids=["link", "address", "route"]
)
def test_the_fixed_parts_have_the_sizes_that_pyroute2_gives_them(oracle: ifinfmsg, size: int) -> None:
    oracle.encode()
    assert len(oracle.data) == 16 + size


@given(attributes)
def test_attributes_come_back_as_they_were_packed(pairs: list[tuple[int, bytes]]) -> None:
    packed = b"".join(pack_attribute(type, value) for type, value in pairs)
    assert len(packed) % 4 == 0
    assert parse_attributes(packed) == pairs


@given(st.lists(messages, max_size=5))
def test_messages_come_back_as_they_were_packed(several: list[Message]) -> None:
    assert netlink.parse_messages(b"".join(map(netlink.pack_message, several))) == several


@given(st.binary(max_size=80) | st.lists(st.sampled_from([0, 1, 4, 8, 16, 255]), max_size=64).map(bytes))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    # Invariant: a list, or OSError EBADMSG, and nothing that is read lies outside of the bytes given.
    for parse in (netlink.parse_messages, parse_attributes):
        try:
            parsed = parse(data)
        except OSError as error:
            assert error.errno == errno.EBADMSG
            continue
        assert sum(len(item.payload if isinstance(item, Message) else item[1]) for item in parsed) <= len(data)


def test_the_last_one_need_not_be_padded() -> None:
    assert parse_attributes(struct.pack("=HH", 5, 3) + b"x") == [(3, b"x")]


def test_the_bits_that_say_nested_are_not_part_of_the_type() -> None:
    assert parse_attributes(struct.pack("=HHI", 8, 0x8003, 7)) == [(3, struct.pack("=I", 7))]


def test_an_attribute_longer_than_its_length_field_can_say_is_refused() -> None:
    """CVE-2021-43784: the length would wrap, and the rest be read as attributes of the writer's choice."""
    assert len(pack_attribute(1, bytes(0xFFFF - 4))) == 0x10000
    with pytest.raises(OSError) as caught:
        pack_attribute(1, bytes(0xFFFF - 3))
    assert caught.value.errno == errno.EMSGSIZE


def test_the_kernels_explanation_becomes_a_note() -> None:
    with netlink.Connection(socket.NETLINK_ROUTE) as connection:
        head = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
        bad = pack_attribute(3, b"a-name-that-is-longer-than-a-link-can-have\0")
        with pytest.raises(OSError) as caught:
            connection.request(18, 0, head + bad)
    assert caught.value.errno in (errno.ERANGE, errno.EINVAL)
    assert caught.value.__notes__, "no explanation was read"


def test_a_strangers_message_is_not_taken_for_the_kernels_answer() -> None:
    with netlink.Connection(socket.NETLINK_ROUTE) as connection:
        port = connection._socket.getsockname()[0] or _bound(connection)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as stranger:
            lie = netlink.pack_message(Message(netlink.Control.ERROR, 0, struct.pack("=i", -errno.EPERM), 1))
            try:
                stranger.sendto(lie, (port, 0))
            except PermissionError:
                pytest.skip("only root may send to others")
        answers = connection.request(18, Flag.DUMP, struct.pack("=BxHiII", 0, 0, 0, 0, 0))
    assert any(b"lo\0" in answer.payload for answer in answers)


def _bound(connection: netlink.Connection) -> int:
    connection._socket.bind((0, 0))
    return int(connection._socket.getsockname()[0])


def test_the_socket_is_not_inherited_by_programs() -> None:
    with netlink.Connection(socket.NETLINK_ROUTE) as connection:
        assert not os.get_inheritable(connection._socket.fileno())
