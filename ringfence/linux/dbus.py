"""D-Bus (D-Bus Specification, "Message Protocol"): a codec and one blocking connection, for calls to systemd.

Only what such calls need: no descriptors, no export of objects. Values are int, bool, str, bytes (for `ay`), list and
tuple; a dict entry is a tuple of two, a variant is a `Variant`.
"""

from __future__ import annotations

import errno
import os
import time
from struct import Struct
from struct import error as StructError

from ringfence.linux import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_FIXED = {kind: Struct(f"<{code}") for kind, code in zip("ybnqiuxtd", "BIhHiIqQd", strict=True)}
_ALIGNMENT = {**{kind: fixed.size for kind, fixed in _FIXED.items()}, "s": 4, "o": 4, "a": 4, "(": 8, "{": 8}
_CLOSING = {"(": ")", "{": "}"}
_MOST = 1 << 27  # bytes of a message (specification, "Message Format")
_DEEPEST = 64  # containers within each other
_CALL, _RETURN, _ERROR, _SIGNAL = 1, 2, 3, 4
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _BODY = 1, 2, 3, 4, 5, 6, 8
_HEADER = "yyyyuua(yv)"


class Variant:
    """A value that brings its type along."""

    __slots__ = ("signature", "value")

    def __init__(self, signature: str, value: Any) -> None:
        self.signature = signature
        self.value = value

    def __repr__(self) -> str:
        return f"<{self.signature} {self.value!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variant) and (self.signature, self.value) == (other.signature, other.value)

    __hash__ = None  # type: ignore[assignment]


class Message:
    """A message that came: `fields` by their codes, `body` its values."""

    __slots__ = ("body", "fields", "kind")

    def __init__(self, kind: int, fields: dict[int, Any], body: list[Any]) -> None:
        self.kind = kind
        self.fields = fields
        self.body = body


class CallFailed(OSError):
    """The peer answered with an error; `name` is such as org.freedesktop.systemd1.NoSuchUnit."""

    def __init__(self, name: str, text: str, peer: str) -> None:
        super().__init__(errno.EPROTO, text, peer)
        self.name = name


def types(signature: str) -> list[str]:
    """The complete types of a signature, one by one; ValueError if it is none."""
    found, at = [], 0
    while at < len(signature):
        end = _end(signature, at, 0)
        found.append(signature[at:end])
        at = end
    return found


def _end(signature: str, at: int, depth: int) -> int:
    kind = signature[at : at + 1]
    if depth > _DEEPEST or not kind:
        raise ValueError(f"not a D-Bus signature: {signature!r}")
    if kind == "a":
        return _end(signature, at + 1, depth + 1)
    if kind in _CLOSING:
        start, at = at, at + 1
        while signature[at : at + 1] != _CLOSING[kind]:
            at = _end(signature, at, depth + 1)
        if at == start + 1:
            raise ValueError(f"not a D-Bus signature: {signature!r}")
        return at + 1
    if kind not in _ALIGNMENT and kind not in "gv":
        raise ValueError(f"not a D-Bus signature: {signature!r}")
    return at + 1


def encode(signature: str, values: Sequence[Any]) -> bytes:
    """The values as little-endian bytes that begin at a multiple of 8."""
    out = bytearray()
    for kind, value in zip(types(signature), values, strict=True):
        _put(out, kind, value)
    return bytes(out)


def _put(out: bytearray, kind: str, value: Any) -> None:
    first = kind[0]
    out += bytes(-len(out) % _ALIGNMENT.get(first, 1))
    if first in _FIXED:
        out += _FIXED[first].pack(value)
    elif first in "so":
        text = value.encode("utf-8", "surrogateescape")
        out += _FIXED["u"].pack(len(text)) + text + b"\0"
    elif first == "g":
        out += bytes([len(value)]) + value.encode() + b"\0"
    elif first == "v":
        _put(out, "g", value.signature)
        _put(out, value.signature, value.value)
    elif first == "a":
        place = len(out)
        out += bytes(4)
        out += bytes(-len(out) % _ALIGNMENT.get(kind[1], 1))
        start = len(out)
        for item in value:
            _put(out, kind[1:], item)
        out[place : place + 4] = _FIXED["u"].pack(len(out) - start)
    else:
        for part, item in zip(types(kind[1:-1]), value, strict=True):
            _put(out, part, item)


def decode(signature: str, data: bytes) -> list[Any]:
    """The values at the beginning of `data`; ValueError if these are not such bytes."""
    return _take_all(signature, data)[0]


def _take_all(signature: str, data: bytes) -> tuple[list[Any], int]:
    values, at = [], 0
    try:
        for kind in types(signature):
            value, at = _take(data, at, kind, 0)
            values.append(value)
    except (StructError, IndexError):
        raise ValueError("a D-Bus message is cut off") from None
    return values, at


def _take(data: bytes, at: int, kind: str, depth: int) -> tuple[Any, int]:
    first = kind[0]
    if depth > _DEEPEST:
        raise ValueError("a D-Bus value is too deep")
    at += -at % _ALIGNMENT.get(first, 1)
    if first in _FIXED:
        value = _FIXED[first].unpack_from(data, at)[0]
        return (bool(value) if first == "b" else value), at + _FIXED[first].size
    if first in "sog":
        length, size = (data[at], 1) if first == "g" else (_FIXED["u"].unpack_from(data, at)[0], 4)
        end = at + size + length
        if end >= len(data):
            raise IndexError
        return data[at + size : end].decode("utf-8", "surrogateescape"), end + 1
    if first == "v":
        inner, at = _take(data, at, "g", depth)
        if len(types(inner)) != 1:
            raise ValueError(f"a D-Bus variant has the signature {inner!r}")
        value, at = _take(data, at, inner, depth + 1)
        return Variant(inner, value), at
    if first == "a":
        return _take_array(data, at, kind[1:], depth)
    parts = []
    for part in types(kind[1:-1]):
        value, at = _take(data, at, part, depth + 1)
        parts.append(value)
    return tuple(parts), at


def _take_array(data: bytes, at: int, kind: str, depth: int) -> tuple[Any, int]:
    length = _FIXED["u"].unpack_from(data, at)[0]
    at += 4
    at += -at % _ALIGNMENT.get(kind[0], 1)
    end = at + length
    if end > len(data):
        raise IndexError
    if kind == "y":
        return data[at:end], end
    items = []
    while at < end:
        item, at = _take(data, at, kind, depth + 1)
        items.append(item)
    if at != end:
        raise ValueError("a D-Bus array ends within an element")
    return items, at


def message(data: bytes) -> tuple[Message, int] | None:
    """The first message in `data` and its length; None if it is not yet there as a whole, ValueError if it is none."""
    if len(data) < 16:
        return None
    if data[:1] != b"l":
        raise ValueError("not a little-endian D-Bus message")  # the byte order is the sender's: all of one machine's
    length = _FIXED["u"].unpack_from(data, 12)[0]
    start = 16 + length + -length % 8
    end = start + _FIXED["u"].unpack_from(data, 4)[0]
    if end > _MOST:
        raise ValueError("a D-Bus message is too long")
    if len(data) < end:
        return None
    _order, kind, _flags, _version, _length, _serial, fields = decode(_HEADER, data[: 16 + length])
    known = {code: variant.value for code, variant in fields}
    signature = known.get(_BODY, "")
    if not isinstance(signature, str):
        raise ValueError("a D-Bus message has no signature")
    return Message(kind, known, decode(signature, data[start:end])), end


class Connection:
    """A connection to the socket at `address`, a path; with `bus` a bus is there, which wants to be greeted.

    `patience` is how many seconds an answer may take: TimeoutError after it.
    """

    def __init__(self, address: str, *, bus: bool = False, patience: float = 30.0) -> None:
        self._address = address
        self._patience = patience
        self._data = b""
        self._serial = 0
        self._signals: list[Message] = []
        self._socket = sockets.Socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_CLOEXEC)
        try:
            self._socket.connect(address)
            self._authenticate()
            if bus:
                self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")
        except OSError as error:
            self._socket.close()
            if error.filename is None:
                error.filename = address
            raise

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _authenticate(self) -> None:
        """EXTERNAL without an identity: the peer looks at our credentials itself, right in a user namespace, too."""
        self._socket.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
        deadline = time.monotonic() + self._patience
        while b"OK " not in self._data or not self._data.partition(b"OK ")[2].partition(b"\r\n")[1]:
            if b"REJECTED" in self._data:
                raise PermissionError(errno.EACCES, "D-Bus refuses this user", self._address)
            self._receive(deadline)
        self._data = self._data.partition(b"OK ")[2].partition(b"\r\n")[2]

    def call(
        self, destination: str, path: str, interface: str, member: str, signature: str = "", *values: Any
    ) -> list[Any]:
        """Call a method and return the values of its answer. Raises CallFailed, TimeoutError, OSError."""
        self._serial += 1
        fields = [(_PATH, Variant("o", path)), (_INTERFACE, Variant("s", interface)), (_MEMBER, Variant("s", member))]
        fields += [(_DESTINATION, Variant("s", destination)), (_BODY, Variant("g", signature))]
        body = encode(signature, values)
        head = encode(_HEADER, [ord("l"), _CALL, 0, 1, len(body), self._serial, fields])
        self._socket.sendall(head + bytes(-len(head) % 8) + body)
        deadline = time.monotonic() + self._patience
        while True:
            answer = self._next(deadline)
            if answer.kind == _SIGNAL:
                self._signals.append(answer)
            elif answer.fields.get(_REPLY_SERIAL) == self._serial:
                break
        if answer.kind == _ERROR:
            text = str(answer.body[0]) if answer.body else str(answer.fields.get(_ERROR_NAME))
            raise CallFailed(str(answer.fields.get(_ERROR_NAME)), f"{member}: {text}", self._address)
        return answer.body

    def signal(self, member: str) -> list[Any]:
        """The values of the next signal of this name, of all that came since the connection was made."""
        deadline = time.monotonic() + self._patience
        while True:
            came = self._signals.pop(0) if self._signals else self._next(deadline)
            if came.kind == _SIGNAL and came.fields.get(_MEMBER) == member:
                return came.body

    def _next(self, deadline: float) -> Message:
        while True:
            try:
                found = message(self._data)
            except ValueError as error:
                raise OSError(errno.EBADMSG, str(error), self._address) from None
            if found is not None:
                self._data = self._data[found[1] :]
                return found[0]
            self._receive(deadline)

    def _receive(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), self._address)
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), self._address) from None
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the D-Bus peer has closed the connection", self._address)
        self._data += data
