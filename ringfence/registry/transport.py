"""HTTP to registries: connections that are kept and used again, through proxies and TLS, with streams both ways.

What fails below HTTP is told as `Unreachable`: another try may help. Nothing is repeated here but a request to read on
a kept connection that the server had closed meanwhile.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from urllib.parse import urljoin, urlsplit

from ringfence import __version__
from ringfence.errors import Corrupt, Failed, InvalidInput
from ringfence.oci.digest import CHUNK, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol, Self

    from ringfence.registry.proxies import Proxies

    class Body(Protocol):
        """What a request sends; it may be asked for its pieces again."""

        size: int

        def pieces(self) -> Iterable[bytes]: ...


_PORTS = {"http": 80, "https": 443}
_PLAIN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


class Unreachable(Failed):
    """The server could not be reached, fell silent, or closed the connection too early."""


class Passing(Unreachable):
    """The server answered that it cannot just now (429, 5xx)."""


class NotTls(Unreachable):
    """The server speaks, but not TLS."""


class Url:
    """An absolute http or https URL: `target` is its path with the query."""

    __slots__ = ("host", "port", "scheme", "target")

    def __init__(self, scheme: str, host: str, port: int, target: str) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.target = target

    @classmethod
    def parse(cls, text: str) -> Url:
        """InvalidInput for anything else."""
        try:
            parts = urlsplit(text)
            scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
        except ValueError:
            scheme, host, port = "", "", None
        if scheme not in _PORTS or not host or not text.isascii() or not text.isprintable() or " " in text:
            raise InvalidInput(f'"{printable(text)}" is no http or https URL')
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(scheme, host, port or _PORTS[scheme], target)

    def join(self, location: str) -> Url:
        """Where a Location header leads from here."""
        try:
            joined = urljoin(str(self), location)
        except ValueError:
            joined = location
        return Url.parse(joined)

    @property
    def authority(self) -> str:
        """Host and port, the usual one left out, as it is written in URLs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


class Response:
    """An answer whose body is yet to be read. It is closed by whoever got it."""

    def __init__(self, transport: Transport, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse,
                 url: Url) -> None:  # fmt: skip
        self._transport = transport
        self._connection = connection
        self._answer = answer
        self._read = 0
        self.url = url
        self.status = answer.status
        self.headers = answer.headers
        self.length = answer.length  # bytes of the body; None: until the connection ends

    def header(self, name: str) -> str:
        """The first header of that name, or ""."""
        return self.headers.get(name) or ""

    def readinto(self, buffer: memoryview) -> int:
        """Put what has come of the body into the buffer, at its end 0; Unreachable if that came too early."""
        left = len(buffer) if self.length is None else min(self.length - self._read, len(buffer))
        if not left or self._answer.fp is None:
            return 0
        try:
            # The answer's own `readinto` waits until the buffer is full, but it alone understands chunks.
            read = self._answer.readinto if self._answer.chunked else self._answer.fp.readinto1
            count = read(buffer[:left])
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._transport.failure(error, self.url) from None
        self._read += count
        if not count and self.length is not None and self._read < self.length:
            raise Unreachable(f"{self.url.authority}: closed the connection after {self._read} of {self.length} bytes")
        return count

    def read(self, limit: int) -> bytes:
        """The whole body; Corrupt if it has more than `limit` bytes."""
        found, buffer = bytearray(), memoryview(bytearray(CHUNK))
        while count := self.readinto(buffer):
            found += buffer[:count]
            if len(found) > limit:
                raise Corrupt(f"{self.url.authority}: {printable(self.url.target)}: has more than {limit} bytes")
        return bytes(found)

    def close(self) -> None:
        """Keep the connection if the answer was read to its end."""
        whole = (self._answer.isclosed() or self._read == self.length) and not self._answer.will_close
        self._answer.close()
        self._transport.give_back(self._connection, self.url, whole=whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class Transport:
    """All connections of one client. Any number of threads may use it; `stop` ends what they wait for."""

    def __init__(self, proxies: Proxies, tls: Callable[[str, bool], ssl.SSLContext], patience: float) -> None:
        """`tls` gives the context for "host:port" and whether certificates are verified; `patience`: seconds without
        a byte."""
        self._proxies = proxies
        self._tls = tls
        self._patience = patience
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, int], list[http.client.HTTPConnection]] = {}
        self._busy: set[http.client.HTTPConnection] = set()
        self._stopped = threading.Event()

    def request(self, method: str, url: Url, headers: Mapping[str, str], body: Body | None = None, *,
                verify: bool = True) -> Response:  # fmt: skip
        """Send a request and return the answer with its head read; Unreachable, NotTls, Failed for a certificate."""
        while True:
            connection, kept = self._connection(url, verify)
            try:
                return Response(self, connection, self._exchange(connection, method, url, headers, body), url)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.give_back(connection, url, whole=False)
                if kept and method in ("GET", "HEAD") and isinstance(error, ConnectionError):
                    continue  # it was closed while nobody used it; what changes something may have been done
                raise self.failure(error, url) from None
            except BaseException:
                self.give_back(connection, url, whole=False)
                raise

    def wait(self, seconds: float) -> None:
        """Sleep, or end at once with the others when the client is stopped."""
        if self._stopped.wait(seconds):
            raise Unreachable("stopped")

    def stop(self) -> None:
        """Let all requests fail, now and later."""
        self._stopped.set()
        with self._lock:
            for kept in self._idle.values():
                for connection in kept:
                    connection.close()
            self._idle.clear()
            for connection in self._busy:
                _shut_down(connection)  # which its own thread closes

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def give_back(self, connection: http.client.HTTPConnection, url: Url, *, whole: bool) -> None:
        """A connection that is not used any more: kept if its last answer was read whole."""
        with self._lock:
            self._busy.discard(connection)
            if whole and not self._stopped.is_set():
                self._idle.setdefault(url.origin, []).append(connection)
                return
        connection.close()

    def failure(self, error: Exception, url: Url) -> Failed:
        """What is told of a failure below HTTP."""
        where = url.authority
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = error.verify_message or "it cannot be verified"
            return Failed(f"{where}: its certificate is not trusted: {reason}",
                          hint=f"put its authority's certificate into /etc/docker/certs.d/{where}/ca.crt")  # fmt: skip
        if proxy := self._proxies.find(url.scheme, url.host, url.port):
            where = f"{where} through the proxy {proxy.host}:{proxy.port}"
        if isinstance(error, ssl.SSLError):
            reason = (error.reason or str(error)).replace("_", " ").lower()
            kind = NotTls if error.reason in _PLAIN else Unreachable
            return kind(f"{where}: does not speak TLS as it should: {reason}")
        if isinstance(error, TimeoutError):
            return Unreachable(f"{where}: no answer for {self._patience:g} s")
        if isinstance(error, socket.gaierror):
            return Unreachable(f"{where}: {(error.strerror or str(error)).lower()}")
        if isinstance(error, (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected,
                              http.client.IncompleteRead)):  # fmt: skip
            return Unreachable(f"{where}: closed the connection")
        if isinstance(error, OSError):
            return Unreachable(f"{where}: {(error.strerror or str(error)).lower()}", errno=error.errno or 0)
        return Unreachable(f"{where}: answers with something that is not HTTP: {printable(str(error) or repr(error))}")

    def _connection(self, url: Url, verify: bool) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it was used before."""
        with self._lock:
            if self._stopped.is_set():
                raise Unreachable("stopped")
            kept = self._idle.get(url.origin)
            connection = kept.pop() if kept else None
            if connection is not None:
                self._busy.add(connection)
                return connection, True
        connection = self._new(url, verify)
        with self._lock:
            self._busy.add(connection)
        return connection, False

    def _new(self, url: Url, verify: bool) -> http.client.HTTPConnection:
        proxy = self._proxies.find(url.scheme, url.host, url.port)
        host, port = (proxy.host, proxy.port) if proxy else (url.host, url.port)
        if url.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._patience)
        context = self._tls(f"{url.host}:{url.port}", verify)
        secure = http.client.HTTPSConnection(host, port, timeout=self._patience, context=context)
        if proxy:
            secure.set_tunnel(url.host, url.port, headers=proxy.headers)
        return secure

    def _exchange(self, connection: http.client.HTTPConnection, method: str, url: Url, headers: Mapping[str, str],
                  body: Body | None) -> http.client.HTTPResponse:  # fmt: skip
        proxy = self._proxies.find(url.scheme, url.host, url.port) if url.scheme == "http" else None
        connection.putrequest(method, str(url) if proxy else url.target)
        for name, value in {"User-Agent": f"ringfence/{__version__}", **(proxy.headers if proxy else {}),
                            **headers}.items():  # fmt: skip
            connection.putheader(name, value)
        if body is not None or method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(body.size if body else 0))
        connection.endheaders()
        try:
            for piece in body.pieces() if body else ():
                connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may have answered before it had read everything, with a refusal that is worth reading
        return connection.getresponse()


def _shut_down(connection: http.client.HTTPConnection) -> None:
    """End a connection that another thread may be reading from."""
    opened = connection.sock
    if opened is None:
        return
    try:
        opened.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended already
