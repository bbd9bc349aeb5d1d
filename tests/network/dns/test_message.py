"""Messages of the DNS: what they are, and that foreign bytes can do no more than be refused."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import Corrupt
from ringfence.network.dns import message
from ringfence.network.dns.message import NS, OPT, PTR, A, Message, Question, Record

HEADER = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0)
QUESTION = b"\x03web\x00\x00\x01\x00\x01"

labels = st.binary(min_size=1, max_size=20).map(lambda label: bytes([len(label)]) + label)
names = st.lists(labels, max_size=6).map(lambda parts: b"".join(parts) + b"\0")
words = st.integers(0, 0xFFFF)
records = st.one_of(
    st.builds(Record, names, words.filter(lambda type: type not in (NS, 5, PTR)), st.binary(max_size=40),
              st.integers(0, 0xFFFFFFFF), words),
    st.builds(Record, names, st.sampled_from([NS, 5, PTR]), names, st.integers(0, 0xFFFFFFFF), words),
)  # fmt: skip
messages = st.builds(Message, words, words, st.lists(st.builds(Question, names, words, words), max_size=3),
                     st.lists(records, max_size=5), st.lists(records, max_size=3),
                     st.lists(records, max_size=3))  # fmt: skip


@given(st.one_of(st.binary(max_size=600), st.binary(max_size=200).map(lambda rest: HEADER + rest)))
def test_any_bytes_are_a_message_or_corrupt(data: bytes) -> None:
    # Invariant: whatever comes by the network is parsed whole or raises Corrupt, in time that its length bounds.
    for parse in (message.parse, message.parse_question):
        try:
            parse(data)
        except Corrupt as error:
            assert str(error).startswith("DNS message: ")


@settings(deadline=None)
@given(messages, st.data())
def test_a_damaged_message_is_a_message_or_corrupt(whole: Message, data: st.DataObject) -> None:
    # Invariant: as above, for bytes that are nearly right.
    encoded = bytearray(message.encode(whole))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        message.parse(bytes(encoded))
    except Corrupt as error:
        assert str(error).startswith("DNS message: ")


@settings(deadline=None)
@given(messages)
def test_what_is_encoded_is_parsed_as_the_same(whole: Message) -> None:
    # Invariant: parse(encode(message)) is the message, with every capital letter where it was.
    parsed = message.parse(message.encode(whole))
    for field in Message.__slots__:
        assert getattr(parsed, field) == getattr(whole, field)


def test_a_name_that_was_there_is_told_by_a_pointer() -> None:
    web = message.name("web.example")
    answer = Message(1, 0, [Question(web, A)], [Record(web, A, bytes(4))] * 3)
    assert len(message.encode(answer)) == 12 + len(web) + 4 + 3 * (2 + 10 + 4)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEADER,
        HEADER + b"\xc0\x0c\x00\x01\x00\x01",  # a name that is itself
        HEADER + b"\x01a\xc0\x0c\x00\x01\x00\x01",  # a name that never ends
        HEADER + b"\xc0\xff\x00\x01\x00\x01",  # what comes later
        HEADER + b"\xc0\x00\x00\x01\x00\x01",  # the header
        HEADER + b"\x80web\x00\x00\x01\x00\x01",  # a label of no known kind
        HEADER + (b"\x3f" + b"a" * 63) * 4 + b"\x00\x00\x01\x00\x01",  # too long
        HEADER + QUESTION + b"more",
        HEADER + QUESTION[:-1],
    ],
)
def test_what_is_no_message_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt, match=r"^DNS message: "):
        message.parse(data)


def test_capitals_do_not_count_but_lengths_are_no_letters() -> None:
    assert Question(b"\x03WeB\x00", A) == Question(b"\x03web\x00", A)
    assert bytes(range(64)).lower() == bytes(range(64))


def test_names_are_written_as_they_travel() -> None:
    assert message.name("web.Example") == b"\x03web\x07Example\x00" == message.name("web.Example.")
    assert message.name(".") == b"\x00"


@pytest.mark.parametrize("text", ["", "a..b", ".a", "a" * 64, "a." * 127 + "a"])
def test_what_cannot_be_a_name_is_refused(text: str) -> None:
    with pytest.raises(Corrupt, match="is no name of the DNS"):
        message.name(text)


@given(st.ip_addresses())
def test_addresses_have_names_of_their_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    # Invariant: the reverse name is the one that the standard library tells.
    assert message.reverse_name(str(address)) == message.name(address.reverse_pointer)


def test_the_size_that_a_sender_takes_is_that_of_its_opt_but_never_less_than_plain() -> None:
    assert Message(1, 0).size == 512
    assert Message(1, 0, additional=[Record(b"\0", OPT, b"", 0, 4096)]).size == 4096
    assert Message(1, 0, additional=[Record(b"\0", OPT, b"", 0, 1)]).size == 512
