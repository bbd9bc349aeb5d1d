"""Netlink (netlink(7)): messages and attributes to and from bytes, and a socket that asks and collects the answers.

What the kernel's headers call nlmsghdr is a Message's head, nlattr an attribute. Bytes that are not netlink raise
OSError EBADMSG and nothing else.
"""

from __future__ import annotations

import errno
import os
import struct
import sys

from ringfence.linux import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Self

_HEAD = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR = struct.Struct("=i")
_TYPE_MASK = 0x3FFF  # the two bits above say "nested" and "network byte order"
_MOST_ATTRIBUTE_BYTES = 0xFFFF - _ATTRIBUTE.size
_SOL_NETLINK = 270
_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 10, 11, 12
_EXTENDED_MESSAGE = 1  # NLMSGERR_ATTR_MSG


class Flag:
    """NLM_F_*."""

    REQUEST = 0x1
    MULTI = 0x2
    ACK = 0x4
    DUMP_INTR = 0x10
    CAPPED = 0x100  # in an answer, and so are the next; below are their meanings in a request
    ACK_TLVS = 0x200
    ROOT = 0x100
    MATCH = 0x200
    DUMP = 0x300
    REPLACE = 0x100
    EXCL = 0x200
    CREATE = 0x400
    APPEND = 0x800


class Control:
    """Message types that belong to netlink itself."""

    NOOP = 1
    ERROR = 2
    DONE = 3
    OVERRUN = 4


class Message:
    """One message: `type` and `flags` of its family, `payload` a fixed structure followed by attributes."""

    __slots__ = ("flags", "payload", "port", "sequence", "type")

    def __init__(self, type: int, flags: int, payload: bytes, sequence: int = 0, port: int = 0) -> None:
        self.type = type
        self.flags = flags
        self.payload = payload
        self.sequence = sequence
        self.port = port

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self._values() == other._values()

    def __repr__(self) -> str:
        return f"Message(type={self.type}, flags={self.flags:#x}, sequence={self.sequence}, payload={self.payload!r})"

    def _values(self) -> tuple[int, int, int, int, bytes]:
        return self.type, self.flags, self.sequence, self.port, self.payload


def pack_message(message: Message) -> bytes:
    """The bytes of one message, padded to four."""
    length = _HEAD.size + len(message.payload)
    head = _HEAD.pack(length, message.type, message.flags, message.sequence, message.port)
    return _padded(head + message.payload)


def parse_messages(data: bytes) -> list[Message]:
    """All messages of one datagram."""
    messages = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < _HEAD.size:
            raise _bad(f"{len(data) - offset} bytes are no message")
        length, type, flags, sequence, port = _HEAD.unpack_from(data, offset)
        if not _HEAD.size <= length <= len(data) - offset:
            raise _bad(f"a message claims {length} bytes of {len(data) - offset}")
        messages.append(Message(type, flags, data[offset + _HEAD.size : offset + length], sequence, port))
        offset += _aligned(length)
    return messages


def pack_attribute(type: int, value: bytes | int | str | Iterable[bytes]) -> bytes:
    """One attribute, padded to four: bytes as they are, an int as u32, a str with its NUL, or nested attributes.

    A value that the 16 bit length cannot tell is refused (EMSGSIZE): cut short, the rest would be read as attributes
    of the writer's choice (CVE-2021-43784).
    """
    if isinstance(value, int):
        payload = struct.pack("=I", value)
    elif isinstance(value, str):
        payload = os.fsencode(value) + b"\0"
    else:
        payload = value if isinstance(value, bytes) else b"".join(value)
    if len(payload) > _MOST_ATTRIBUTE_BYTES:
        raise OSError(errno.EMSGSIZE, f"netlink attribute {type} is {len(payload)} bytes long")
    return _padded(_ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), type) + payload)


def parse_attributes(data: bytes) -> list[tuple[int, bytes]]:
    """The types (without the two bits of meta information) and values, in their order; a type may come repeatedly."""
    attributes = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < _ATTRIBUTE.size:
            raise _bad(f"{len(data) - offset} bytes are no attribute")
        length, type = _ATTRIBUTE.unpack_from(data, offset)
        if not _ATTRIBUTE.size <= length <= len(data) - offset:
            raise _bad(f"an attribute claims {length} bytes of {len(data) - offset}")
        attributes.append((type & _TYPE_MASK, data[offset + _ATTRIBUTE.size : offset + length]))
        offset += _aligned(length)
    return attributes


def attribute_number(values: dict[int, bytes], type: int) -> int:
    """An unsigned number of whatever size, 0 if it is not there."""
    return int.from_bytes(values.get(type, b""), sys.byteorder)


def attribute_text(value: bytes) -> str:
    return os.fsdecode(value.rstrip(b"\0"))


class Connection:
    """A netlink socket of one family. It belongs to the network namespace in which it was made, for ever."""

    __slots__ = ("_sequence", "_socket")

    def __init__(self, family: int) -> None:
        self._socket = sockets.Socket(sockets.AF_NETLINK, sockets.SOCK_RAW | sockets.SOCK_CLOEXEC, family)
        self._sequence = 0
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def request(self, type: int, flags: int, payload: bytes) -> list[Message]:
        """Send one request and collect its answers until it is acknowledged.

        OSError has the kernel's errno and, as a note, its own explanation where it gave one.
        """
        self._sequence += 1
        acknowledged = 0 if flags & Flag.DUMP == Flag.DUMP else Flag.ACK
        request = Message(type, flags | Flag.REQUEST | acknowledged, payload, self._sequence)
        self._socket.sendto(pack_message(request), (0, 0))
        answers: list[Message] = []
        while True:
            for message in self._receive(self._sequence):
                if message.type in (Control.ERROR, Control.DONE):
                    error = _error(message)
                    if error:
                        raise error
                    return answers
                answers.append(message)

    def send(self, request: Message) -> list[Message]:
        """The answers to a request that is there as a value; a dump as `dump` does it."""
        if request.flags & Flag.DUMP == Flag.DUMP and not request.flags & Flag.CREATE:
            return self.dump(request.type, request.payload)
        return self.request(request.type, request.flags, request.payload)

    def request_all(self, requests: Sequence[Message]) -> list[OSError | None]:
        """Send several requests at once that have no answer but their acknowledgement, and tell what became of each.

        The kernel carries out one after the other in their order, also those after one that failed.
        """
        if not requests:
            return []
        first = self._sequence + 1
        self._sequence += len(requests)
        numbered = [
            Message(one.type, one.flags | Flag.REQUEST | Flag.ACK, one.payload, first + place)
            for place, one in enumerate(requests)
        ]
        self._socket.sendto(b"".join(map(pack_message, numbered)), (0, 0))
        results: dict[int, OSError | None] = {}
        while len(results) < len(requests):
            for message in self._receive(first):
                if message.type == Control.ERROR:
                    results[message.sequence] = _error(message)
        return [results[one.sequence] for one in numbered]

    def dump(self, type: int, payload: bytes) -> list[Message]:
        """All objects of a kind; asked again if one of them changed while the kernel listed them."""
        while True:
            answers = self.request(type, Flag.DUMP, payload)
            if not any(answer.flags & Flag.DUMP_INTR for answer in answers):
                return answers

    def _receive(self, first: int) -> list[Message]:
        """The messages of one datagram that answer the requests at hand, whose sequence numbers begin with `first`."""
        size = self._socket.recv_into(bytearray(1), 0, sockets.MSG_PEEK | sockets.MSG_TRUNC)
        data, (port, _groups) = self._socket.recvfrom(size)
        if port != 0:  # only the kernel has port 0; any process may send us something
            return []
        return [message for message in parse_messages(data) if first <= message.sequence <= self._sequence]


def _error(message: Message) -> OSError | None:
    """What an ERROR or DONE message reports; an errno of 0 is an acknowledgement."""
    if len(message.payload) < _ERROR.size:
        raise _bad(f"an acknowledgement of {len(message.payload)} bytes")
    number = -_ERROR.unpack_from(message.payload)[0]
    if number <= 0:
        return None
    error = OSError(number, os.strerror(number))
    if message.flags & Flag.ACK_TLVS:
        # With CAP_ACK, an error is followed by the head of the request only; DONE has none.
        start = _ERROR.size + (_HEAD.size if message.type == Control.ERROR else 0)
        for type, value in parse_attributes(message.payload[start:]):
            if type == _EXTENDED_MESSAGE:
                error.add_note(value.rstrip(b"\0").decode(errors="replace"))
    return error


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _padded(data: bytes) -> bytes:
    return data.ljust(_aligned(len(data)), b"\0")


def _bad(what: str) -> OSError:
    return OSError(errno.EBADMSG, f"malformed netlink: {what}")
