"""What is answered to whom: the names of the asker's own networks, and for all else what other servers say."""

from __future__ import annotations

from ringfence.errors import Corrupt
from ringfence.network.dns import message
from ringfence.network.dns.message import AA, CD, OPT, QR, RA, RD, TC, Message, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.network.dns.forwarding import Forwarder
    from ringfence.network.dns.names import Asker, Names, Network
    from ringfence.network.dns.resolvers import Resolvers

SIZE = 1232  # bytes of the largest answer of ours by UDP: more may be cut on its way (DNS Flag Day 2020)


class Answers:
    """Answers messages; `listen` has our addresses and the networks through which is asked there."""

    def __init__(self, names: Names, forwarder: Forwarder, resolvers: Resolvers) -> None:
        self.listen: Mapping[str, Network] = {}
        self._names = names
        self._forwarder = forwarder
        self._resolvers = resolvers

    def asked(self, data: bytes, source: str, port: int, asked: str, answer: Callable[[bytes], None]) -> None:
        """Call `answer` once, sooner or later: with a message, or with nothing if there is nothing to be said.

        `port` is 0 for a question by TCP, whose answer may be of any size.
        """
        through = self.listen.get(asked)
        asker = self._names.asker(source, asked, through) if through else None
        if len(data) < message.HEADER_SIZE:
            return answer(b"")
        question = message.parse_header(data)
        if question.response:  # to answer an answer is how two servers talk forever
            return answer(b"")
        if asker is None:  # not ours to serve, and an answer no longer than the question is no weapon against others
            return answer(message.encode(_answer(question, message.REFUSED)))
        try:
            question = message.parse(data)
        except Corrupt:
            return answer(message.encode(_answer(question, message.FORMERR)))
        reply = self._reply(question, asker)
        if reply is not None:
            return answer(_fitted(reply, min(question.size, SIZE) if port else message.MOST))
        servers = [server for server in asker.servers or self._resolvers.servers() if server not in self.listen]
        failure = message.encode(_answer(question, message.SERVFAIL))
        key = (source, port or object(), question.id, question.questions[0].key)
        self._forwarder.ask(key, source, servers, data, lambda found: answer(found or failure), stream=not port)

    def _reply(self, question: Message, asker: Asker) -> Message | None:
        """Our own answer; None if it is for others to answer."""
        if question.opcode:
            return _answer(question, message.NOTIMP)
        if len(question.questions) != 1:
            return _answer(question, message.FORMERR)
        opt = question.opt
        if opt and opt.ttl >> 16 & 0xFF:
            return _answer(question, message.BADVERS)
        [wanted] = question.questions
        if wanted.kind not in (message.IN, message.ANY):
            return _answer(question, message.REFUSED)
        records = self._names.records(asker, wanted)
        if records is not None:
            return _answer(question, message.NOERROR, records)
        return None if asker.forwards else _answer(question, message.NXDOMAIN)


def _answer(question: Message, code: int, records: list[Record] | None = None) -> Message:
    """An answer with the question's id, questions and EDNS."""
    flags = QR | question.flags & (0x7800 | RD | CD) | RA | code & 15
    opt = question.opt
    additional = [Record(b"\0", OPT, b"", code >> 4 << 24, SIZE)] if opt else []
    if records is not None:
        flags |= AA
    return Message(question.id, flags, question.questions[:1], records or (), (), additional)


def _fitted(reply: Message, size: int) -> bytes:
    """The message in at most so many bytes: if need be without records and marked, so that it is asked for by TCP."""
    data = message.encode(reply)
    if len(data) > size:
        data = message.encode(Message(reply.id, reply.flags | TC, reply.questions, (), (), reply.additional))
    return data
