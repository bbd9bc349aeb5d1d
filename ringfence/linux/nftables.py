"""nftables over netlink (nft(8), linux/netfilter/nf_tables.h): tables, chains, rules, sets, and their elements.

A change is a list of requests that the kernel carries out whole or not at all. One that rests on what was read before
it names the generation of the ruleset that it was read in, and is refused (ERESTART) if that is no longer the present
one. Names are text; keys and data are bytes as the kernel's registers hold them: each field padded to four bytes.
"""

from __future__ import annotations

import errno
import os
import struct

from ringfence.linux import sockets
from ringfence.linux.netfilter import HEAD, NetfilterConnection
from ringfence.linux.netlink import Control, Flag, Message, pack_attribute, pack_message, parse_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ringfence.linux.nftexpressions import Expression

NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6 = 1, 2, 10
_SO_SNDBUFFORCE = 32
_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN = 0, 1, 2, 3, 4
_NEWRULE, _GETRULE, _NEWSET = 6, 7, 9
_NEWSETELEM, _GETSETELEM, _DELSETELEM, _GETGEN = 12, 13, 14, 16
_NUMBER = struct.Struct(">I")
_ELEMENTS_IN_REQUEST = 500  # an attribute is at most 64 KiB long
_INTERVAL_END = 1  # NFT_SET_ELEM_INTERVAL_END
_COMMENT = 0  # the type of user data that nft(8) shows as a comment
_LONGEST_COMMENT = 127
_KEY_BYTE_ORDER, _HOST_BYTE_ORDER = 0, 1  # user data of a set


class SetFlag:
    """NFT_SET_*."""

    INTERVAL = 0x4
    MAP = 0x8


class Hook:
    """enum nf_inet_hooks."""

    PREROUTING = 0
    FORWARD = 2
    OUTPUT = 3
    POSTROUTING = 4


class Type:
    """What nft(8) shows a key as: its own numbers, kept in the kernel as they are given. (name, bytes in registers)."""

    IPV4 = (7, 4)
    IPV6 = (8, 16)
    PROTOCOL = (12, 4)
    PORT = (13, 4)
    INTERFACE = (41, 16)


class Element:
    """An element of a set: `data` of a map's, `end` for the end of an interval, which itself is outside of it."""

    __slots__ = ("comment", "data", "end", "key")

    def __init__(self, key: bytes, data: bytes = b"", *, end: bool = False, comment: str = "") -> None:
        self.key = key
        self.data = data
        self.end = end
        self.comment = comment

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Element) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"Element({self.key.hex()}: {self.data.hex()}{', end' if self.end else ''}, {self.comment!r})"

    def _values(self) -> tuple[bytes, bytes, bool]:
        return self.key, self.data, self.end


class Chain:
    """A chain of any table of any family; `hook` is None if others jump to it, `drops` what its policy says."""

    __slots__ = ("drops", "family", "hook", "name", "table")

    def __init__(self, family: int, values: dict[int, bytes]) -> None:
        self.family = family
        self.table = _text(values[1])
        self.name = _text(values[3])
        place = dict(parse_attributes(values.get(4, b"")))
        self.hook = _NUMBER.unpack(place[1])[0] if 1 in place else None
        self.drops = 5 in values and not any(values[5])


class Request:
    """One step of a change; see the functions below."""

    __slots__ = ("flags", "payload", "type", "what")

    def __init__(self, type: int, flags: int, payload: bytes, what: str) -> None:
        self.type = type
        self.flags = flags
        self.payload = payload
        self.what = what


def new_table(table: str, *, exclusive: bool = False) -> Request:
    """EEXIST if it is to be a new one and is there already."""
    flags = Flag.CREATE | (Flag.EXCL if exclusive else 0)
    return Request(_NEWTABLE, flags, pack_attribute(1, table), f"add table inet {table}")


def delete_table(table: str) -> Request:
    """With all that is in it; ENOENT."""
    return Request(_DELTABLE, 0, pack_attribute(1, table), f"delete table inet {table}")


def new_chain(table: str, chain: str, type: str = "", hook: int = 0, priority: int = 0) -> Request:
    """A chain that others jump to, or with a type ("nat", "filter") one of a hook's, whose policy is to accept."""
    base = b""
    if type:
        place = pack_attribute(1, _NUMBER.pack(hook)) + pack_attribute(2, struct.pack(">i", priority))
        base = pack_attribute(4, [place]) + pack_attribute(7, type)
    payload = pack_attribute(1, table) + pack_attribute(3, chain) + base
    return Request(_NEWCHAIN, Flag.CREATE, payload, f"add chain inet {table} {chain}")


def new_set(table: str, name: str, key: Sequence[tuple[int, int]], data: Sequence[tuple[int, int]] = (),
            flags: int = 0) -> Request:  # fmt: skip
    """A set whose keys are made of the fields of these types, or with data a map."""
    attributes = [
        pack_attribute(1, table),
        pack_attribute(2, name),
        pack_attribute(3, _NUMBER.pack(flags | (SetFlag.MAP if data else 0))),
        _typed(4, key),
        pack_attribute(10, _NUMBER.pack(1)),  # an id in this change, which the kernel wants to see
    ]
    if data:
        attributes.append(_typed(6, data))
    if list(key) == [Type.INTERFACE]:  # without a word about its byte order, nft(8) shows such a key as empty
        attributes.append(pack_attribute(13, struct.pack("=BBI", _KEY_BYTE_ORDER, 4, _HOST_BYTE_ORDER)))
    return Request(_NEWSET, Flag.CREATE, b"".join(attributes), f"add set inet {table} {name}")


def new_rule(table: str, chain: str, expressions: Iterable[Expression], comment: str = "") -> Request:
    """At the end of the chain."""
    payload = pack_attribute(1, table) + pack_attribute(2, chain)
    payload += pack_attribute(4, [pack_attribute(1, expression) for expression in expressions])
    if comment:
        payload += pack_attribute(7, _commented(comment))
    return Request(_NEWRULE, Flag.CREATE | Flag.APPEND, payload, f"add rule inet {table} {chain} # {comment}")


def new_elements(table: str, name: str, elements: Sequence[Element]) -> list[Request]:
    """What is there already stays; EEXIST if it has other data, ENOENT if there is no such set."""
    return _of_elements(_NEWSETELEM, Flag.CREATE, table, name, elements)


def delete_elements(table: str, name: str, elements: Sequence[Element]) -> list[Request]:
    """By their keys alone; ENOENT if one is not there."""
    bare = [Element(element.key, end=element.end) for element in elements]
    return _of_elements(_DELSETELEM, 0, table, name, bare)


class NftablesConnection(NetfilterConnection):
    """A connection to the nftables of our network namespace, in the tables of the family inet."""

    __slots__ = ()

    def change(self, requests: Sequence[Request], generation: int = 0) -> None:
        """Carry out all requests or none; OSError has the errno of the first that failed, and a note that names it.

        ERESTART if `generation` is given and the ruleset, of whatever table, has changed since.
        """
        if not requests:
            return
        first = self._sequence + 1
        begin = pack_attribute(1, _NUMBER.pack(generation)) if generation else b""
        messages = [Message(_BATCH_BEGIN, Flag.REQUEST, HEAD.pack(0, 0, 10) + begin, first)]
        for number, request in enumerate(requests, 1):
            flags = request.flags | Flag.REQUEST | (Flag.ACK if number == len(requests) else 0)
            payload = HEAD.pack(NFPROTO_INET, 0, 0) + request.payload
            messages.append(Message(_SUBSYSTEM | request.type, flags, payload, first + number))
        self._sequence = first + len(requests)
        messages.append(Message(_BATCH_END, Flag.REQUEST, HEAD.pack(0, 0, 10), self._sequence + 1))
        data = b"".join(map(pack_message, messages))
        self._socket.setsockopt(sockets.SOL_SOCKET, _SO_SNDBUFFORCE, max(2 * len(data), 1 << 18))
        self._socket.sendto(data, (0, 0))
        try:
            self._await_acknowledgement(requests, first)
        finally:
            self._sequence += 1  # that of the end

    def _await_acknowledgement(self, requests: Sequence[Request], first: int) -> None:
        """The errors come in the order of the requests, and the acknowledgement of the last one after them."""
        failed: OSError | None = None
        while True:
            for message in self._receive(first):
                number = message.sequence - first
                if message.type != Control.ERROR:
                    continue
                error = -struct.unpack_from("=i", message.payload)[0]
                if error and failed is None:
                    failed = OSError(error, os.strerror(error))
                    failed.add_note(f"nftables: {requests[number - 1].what if number else 'the whole change'}")
                if number in (0, len(requests)):  # refused as a whole, or the last one
                    if failed is not None:
                        raise failed
                    return

    def generation(self) -> int:
        """The number of the ruleset, which changes with every change of it."""
        return _number(self._get(_GETGEN, b"")[0], 1)

    def tables(self) -> list[str]:
        """The names of the tables of this family."""
        return [_text(dict(answer)[1]) for answer in self._dump(_GETTABLE, b"")]

    def chains(self) -> list[Chain]:
        """Those of all tables of all families."""
        answers = self.dump(_SUBSYSTEM | _GETCHAIN, HEAD.pack(0, 0, 0))
        return [Chain(answer.payload[0], dict(parse_attributes(answer.payload[HEAD.size :]))) for answer in answers]

    def has_table(self, table: str) -> bool:
        """Asking beforehand costs less than failing: a change that fails waits for a grace period, 10 ms."""
        try:
            self._get(_GETTABLE, pack_attribute(1, table))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return False
        return True

    def rules(self, table: str) -> list[tuple[str, str]]:
        """The chain and the comment of each rule of a table, in their order."""
        found = []
        for answer in self._dump(_GETRULE, pack_attribute(1, table)):
            values = dict(answer)
            found.append((_text(values[2]), parse_comment(values.get(7, b""))))
        return found

    def elements(self, table: str, name: str) -> list[Element]:
        """All elements of a set; OSError ENOENT if it or the table is not there.

        Two readings must agree: the kernel makes a set's hash table larger after the change that filled it, and what
        it moves meanwhile may be missing from a dump, or be in it twice (nft_rhash_walk, net/netfilter/nft_set_hash.c).
        """
        before, present = None, self._dump_elements(table, name)
        while present != before:
            before, present = present, self._dump_elements(table, name)
        return list(present)

    def _dump_elements(self, table: str, name: str) -> set[Element]:
        answers = self._dump(_GETSETELEM, pack_attribute(1, table) + pack_attribute(2, name))
        return {element for answer in answers for element in parse_elements(dict(answer).get(3, b""))}

    def element(self, table: str, name: str, key: bytes) -> Element | None:
        """The element with that key, or None."""
        payload = _of_elements(_GETSETELEM, 0, table, name, [Element(key)])[0].payload
        try:
            answers = self._get(_GETSETELEM, payload)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return None
        return parse_elements(dict(answers[0])[3])[0]

    def _get(self, type: int, payload: bytes) -> list[list[tuple[int, bytes]]]:
        return self._parsed(self.request(_SUBSYSTEM | type, 0, HEAD.pack(NFPROTO_INET, 0, 0) + payload))

    def _dump(self, type: int, payload: bytes) -> list[list[tuple[int, bytes]]]:
        return self._parsed(self.dump(_SUBSYSTEM | type, HEAD.pack(NFPROTO_INET, 0, 0) + payload))

    def _parsed(self, answers: Iterable[Message]) -> list[list[tuple[int, bytes]]]:
        return [parse_attributes(answer.payload[HEAD.size :]) for answer in answers]


def _typed(attribute: int, fields: Sequence[tuple[int, int]]) -> bytes:
    """The type and the length of a key or of data: nft(8) has six bits for each field's type."""
    type = 0
    for number, _ in fields:
        type = type << 6 | number
    return pack_attribute(attribute, _NUMBER.pack(type)) + pack_attribute(attribute + 1, _NUMBER.pack(_size(fields)))


def _size(fields: Sequence[tuple[int, int]]) -> int:
    return sum(size for _, size in fields)


def _of_elements(type: int, flags: int, table: str, name: str, elements: Sequence[Element]) -> list[Request]:
    requests = []
    for start in range(0, len(elements), _ELEMENTS_IN_REQUEST):
        some = elements[start : start + _ELEMENTS_IN_REQUEST]
        payload = pack_attribute(1, table) + pack_attribute(2, name)
        payload += pack_attribute(3, [pack_attribute(1, [_element(element)]) for element in some])
        verb = {_NEWSETELEM: "add", _DELSETELEM: "delete", _GETSETELEM: "get"}[type]
        requests.append(Request(type, flags, payload, f"{verb} element inet {table} {name}"))
    return requests


def _element(element: Element) -> bytes:
    packed = pack_attribute(1, [pack_attribute(1, element.key)])
    if element.data:
        packed += pack_attribute(2, [pack_attribute(1, element.data)])
    if element.end:
        packed += pack_attribute(3, _NUMBER.pack(_INTERVAL_END))
    if element.comment:
        packed += pack_attribute(6, _commented(element.comment))
    return packed


def parse_elements(data: bytes) -> list[Element]:
    """The elements of a set as the kernel tells them; OSError EBADMSG if these are no attributes."""
    found = []
    for _, value in parse_attributes(data):
        values = dict(parse_attributes(value))
        end = bool(int.from_bytes(values.get(3, b""), "big") & _INTERVAL_END)
        found.append(Element(_value(values.get(1, b"")), _value(values.get(2, b"")), end=end,
                             comment=parse_comment(values.get(6, b""))))  # fmt: skip
    return found


def _value(data: bytes) -> bytes:
    return dict(parse_attributes(data)).get(1, b"")


def _commented(comment: str) -> bytes:
    text = comment.encode()[:_LONGEST_COMMENT] + b"\0"
    return bytes((_COMMENT, len(text))) + text


def parse_comment(userdata: bytes) -> str:
    """The comment among user data, which are bytes of type, length and value, written by whatever program."""
    while len(userdata) >= 2:
        type, length = userdata[0], userdata[1]
        if type == _COMMENT:
            return _text(userdata[2 : 2 + length])
        userdata = userdata[2 + length :]
    return ""


def _number(answer: list[tuple[int, bytes]], attribute: int) -> int:
    value: int = _NUMBER.unpack(dict(answer)[attribute])[0]
    return value


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
