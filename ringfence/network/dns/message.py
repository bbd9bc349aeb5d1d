"""Messages of the Domain Name System (RFC 1035; OPT of RFC 6891): whole bytes to values and back, or Corrupt.

A name is kept as it travels, uncompressed: each label behind its length, and a zero (b"\\x03web\\x00"). So a dot in a
label is no boundary of labels, and `lower()` folds case as RFC 4343 wants: a length, at most 63, is no capital letter.
"""

from __future__ import annotations

from struct import Struct

from ringfence.errors import Corrupt
from ringfence.linux.sockets import AF_INET, AF_INET6, inet_pton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

A, NS, CNAME, SOA, PTR, AAAA, OPT, ANY = 1, 2, 5, 6, 12, 28, 41, 255
IN = 1  # the class: Internet
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16  # RFC 1035 4.1.1, RFC 6891 9
QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010  # bits of the flags
PLAIN = 512  # bytes of a message by UDP whose sender has no EDNS (RFC 1035 4.2.1)
MOST = 65535
PORT = 53
HEADER_SIZE = 12  # bytes

_HEADER = Struct("!6H")
_QUESTION = Struct("!2H")
_RECORD = Struct("!2HIH")  # of a record, what stands between its name and its data
_POINTER, _LONGEST_NAME, _LONGEST_LABEL = 0xC0, 255, 63
_REACH = 0x4000  # a pointer has 14 bits
_HOLDS_NAME = (NS, CNAME, PTR)  # their data is a name, which may be compressed


class Question:
    """What is asked: `name` as it travels, `type`, and `kind`, its class."""

    __slots__ = ("kind", "name", "type")

    def __init__(self, name: bytes, type: int, kind: int = IN) -> None:
        self.name = name
        self.type = type
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Question) and self.key == other.key

    __hash__ = None  # type: ignore[assignment]

    @property
    def key(self) -> tuple[bytes, int, int]:
        """What two questions for the same have in common: capitals do not count."""
        return self.name.lower(), self.type, self.kind


class Record:
    """A resource record; of NS, CNAME and PTR, `data` is the name, uncompressed."""

    __slots__ = ("data", "kind", "name", "ttl", "type")

    def __init__(self, name: bytes, type: int, data: bytes, ttl: int = 0, kind: int = IN) -> None:
        self.name = name
        self.type = type
        self.data = data
        self.ttl = ttl
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]


class Message:
    """A whole message. `flags` has the 16 bits behind the id, the response code among them."""

    __slots__ = ("additional", "answers", "authority", "flags", "id", "questions")

    def __init__(self, id: int, flags: int, questions: Sequence[Question] = (), answers: Sequence[Record] = (),
                 authority: Sequence[Record] = (), additional: Sequence[Record] = ()) -> None:  # fmt: skip
        self.id = id
        self.flags = flags
        self.questions = list(questions)
        self.answers = list(answers)
        self.authority = list(authority)
        self.additional = list(additional)

    @property
    def response(self) -> bool:
        return bool(self.flags & QR)

    @property
    def opcode(self) -> int:
        return self.flags >> 11 & 15

    @property
    def code(self) -> int:
        """The response code, without the upper bits that OPT may add."""
        return self.flags & 15

    @property
    def opt(self) -> Record | None:
        """EDNS of the sender: `kind` is the size of UDP message it takes, `ttl` has the version in bits 16 to 23."""
        return next((record for record in self.additional if record.type == OPT), None)

    @property
    def size(self) -> int:
        """How large a message by UDP its sender takes."""
        opt = self.opt
        return max(opt.kind, PLAIN) if opt else PLAIN


def parse(data: bytes) -> Message:
    """A message of the wire. Corrupt if it is none, or something follows it."""
    id, flags, *counts = _header(data)
    questions, offset = _questions(data, counts[0])
    sections = []
    for count in counts[1:]:
        records = []
        for _ in range(count):
            record, offset = _record(data, offset)
            records.append(record)
        sections.append(records)
    if offset != len(data):
        raise Corrupt(f"DNS message: {len(data) - offset} bytes follow its end")
    return Message(id, flags, questions, *sections)


def parse_question(data: bytes) -> Message:
    """The header and the questions alone, of a message whose records are somebody else's to read."""
    id, flags, questions, *_ = _header(data)
    return Message(id, flags, _questions(data, questions)[0])


def parse_header(data: bytes) -> Message:
    """The header alone, of what need not be a message."""
    id, flags, *_ = _header(data)
    return Message(id, flags)


def _header(data: bytes) -> tuple[int, ...]:
    """The id, the flags, and how many records each section has."""
    if len(data) < HEADER_SIZE:
        raise Corrupt(f"DNS message: {len(data)} bytes are no header")
    return _HEADER.unpack_from(data)


def encode(message: Message) -> bytes:
    """A message for the wire; names that were there before are told by a pointer."""
    sections = (message.answers, message.authority, message.additional)
    out = bytearray(_HEADER.pack(message.id, message.flags, len(message.questions), *map(len, sections)))
    known: dict[bytes, int] = {}
    for question in message.questions:
        _put_name(out, question.name, known)
        out += _QUESTION.pack(question.type, question.kind)
    for section in sections:
        for record in section:
            _put_name(out, record.name, known)
            start = len(out)
            out += _RECORD.pack(record.type, record.kind, record.ttl, 0)
            if record.type in _HOLDS_NAME:
                _put_name(out, record.data, known)
            else:
                out += record.data
            size = len(out) - start - _RECORD.size
            _RECORD.pack_into(out, start, record.type, record.kind, record.ttl, size)
    return bytes(out)


def name(text: str) -> bytes:
    """A name as it travels, from the way it is written, such as web.example. Corrupt if it cannot be one."""
    out = bytearray()
    for label in text.removesuffix(".").split(".") if text != "." else ():
        encoded = label.encode("utf-8", "surrogateescape")
        if not 0 < len(encoded) <= _LONGEST_LABEL:
            raise Corrupt(f'"{text}" is no name of the DNS: "{label}" has not 1 to 63 bytes')
        out.append(len(encoded))
        out += encoded
    out.append(0)
    if len(out) > _LONGEST_NAME:
        raise Corrupt(f'"{text}" is no name of the DNS: it has more than 253 bytes')
    return bytes(out)


def reverse_name(address: str) -> bytes:
    """The name that stands for an address in questions for PTR (RFC 1035 3.5, RFC 3596 2.5)."""
    if ":" in address:
        digits = inet_pton(AF_INET6, address).hex()
        return name(".".join(reversed(digits)) + ".ip6.arpa")
    return name(".".join(map(str, reversed(inet_pton(AF_INET, address)))) + ".in-addr.arpa")


def _questions(data: bytes, count: int) -> tuple[list[Question], int]:
    questions, offset = [], HEADER_SIZE
    for _ in range(count):
        name, offset = _name(data, offset)
        if offset + _QUESTION.size > len(data):
            raise Corrupt(f"DNS message: a question ends at byte {len(data)}")
        questions.append(Question(name, *_QUESTION.unpack_from(data, offset)))
        offset += _QUESTION.size
    return questions, offset


def _record(data: bytes, offset: int) -> tuple[Record, int]:
    name, offset = _name(data, offset)
    start = offset + _RECORD.size
    if start > len(data):
        raise Corrupt(f"DNS message: a record ends at byte {len(data)}")
    type, kind, ttl, size = _RECORD.unpack_from(data, offset)
    end = start + size
    if end > len(data):
        raise Corrupt(f"DNS message: a record ends at byte {len(data)}")
    content = data[start:end]
    if type in _HOLDS_NAME:
        content, after = _name(data, start)
        if after != end:
            raise Corrupt(f"DNS message: the name at byte {start} does not fill its record")
    return Record(name, type, content, ttl, kind), end


def _name(data: bytes, offset: int) -> tuple[bytes, int]:
    """The name at `offset`, and where it ends. A pointer must lead to before the name, so that there is no loop."""
    out = bytearray()
    end, least = 0, offset
    while True:
        if offset >= len(data):
            raise Corrupt(f"DNS message: a name ends at byte {len(data)}")
        length = data[offset]
        if length & _POINTER == _POINTER:
            if offset + 2 > len(data):
                raise Corrupt(f"DNS message: a name ends at byte {len(data)}")
            end = end or offset + 2
            offset = (length & ~_POINTER) << 8 | data[offset + 1]
            if not HEADER_SIZE <= offset < least:
                raise Corrupt(f"DNS message: a pointer leads to byte {offset}, where no earlier name is")
            least = offset
            continue
        if length > _LONGEST_LABEL:
            raise Corrupt(f"DNS message: the label at byte {offset} is of an unknown kind")
        out += data[offset : offset + 1 + length]
        offset += 1 + length
        if len(out) > _LONGEST_NAME:
            raise Corrupt("DNS message: a name has more than 255 bytes")
        if not length:
            return bytes(out), end or offset


def _put_name(out: bytearray, name: bytes, known: dict[bytes, int]) -> None:
    """A name, whose longest end that is `known` is a pointer; its own ends become known."""
    offset = 0
    while name[offset]:
        tail = name[offset:]
        if tail in known:
            out += (known[tail] | _POINTER << 8).to_bytes(2, "big")
            return
        if len(out) < _REACH:
            known[tail] = len(out)
        step = 1 + name[offset]
        out += name[offset : offset + step]
        offset += step
    out.append(0)
