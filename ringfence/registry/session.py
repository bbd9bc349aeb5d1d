"""One registry as one user sees it: the scheme it speaks, redirects, authorization, and requests that are repeated.

Redirects are followed here, because credentials must not follow to another server. What may pass (silence, a closed
connection, 429, 5xx) is tried again after a pause that doubles or is the registry's Retry-After; each pause is told.
"""

from __future__ import annotations

import time

from ringfence import json
from ringfence.errors import Denied, Failed, NotFound
from ringfence.oci.digest import printable
from ringfence.registry import challenge
from ringfence.registry.proxies import is_loopback
from ringfence.registry.tokens import Authorization, login_hint
from ringfence.registry.transport import NotTls, Passing, Unreachable, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ringfence.registry.credentials import Credential
    from ringfence.registry.transport import Body, Response, Transport

    Tell = Callable[[str], None]

_HUB = "registry-1.docker.io"  # where the API of docker.io is
_MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = {408: "request timeout", 429: "too many requests", 500: "internal server error", 502: "bad gateway",
            503: "service unavailable", 504: "gateway timeout"}  # fmt: skip
_LARGEST_COMPLAINT = 64 << 10  # bytes
_LONGEST_WAIT = 120.0  # seconds: a registry that wants more is not waited for


class Patience:
    """How often something is tried again, and the first pause before it, which doubles, in seconds."""

    __slots__ = ("pause", "retries")

    def __init__(self, retries: int = 5, pause: float = 1.0) -> None:
        self.retries = retries
        self.pause = pause

    def before(self, attempt: int) -> float:
        """The pause before the attempt with that number, from 1."""
        return float(min(self.pause * 2 ** (attempt - 1), _LONGEST_WAIT))


class Session:
    """Requests to `host` ("docker.io", "localhost:5000"). `insecure`: plain HTTP and any certificate will do."""

    def __init__(self, host: str, transport: Transport, credential: Callable[[], Credential | None], *,
                 insecure: bool = False, patience: Patience, tell: Tell) -> None:  # fmt: skip
        self.host = host
        self.insecure = insecure
        self.transport = transport
        self.patience = patience
        self.tell = tell
        self._plain_allowed = insecure or is_loopback(_name(host))
        self._base: Url | None = None
        self.authorization = Authorization(
            transport, host, credential, insecure=insecure, plain_allowed=self._plain_allowed
        )

    def request(self, method: str, path: str, *, scopes: Sequence[str] = (), headers: Mapping[str, str] | None = None,
                body: Body | None = None, url: Url | None = None, accept: Sequence[int] = (200,),
                repeat: bool = True) -> Response:  # fmt: skip
        """The answer, whose status is one of `accept`.

        `path` is below the registry's root; `url` is asked instead, if given. NotFound for 404, Denied for 401 and 403,
        Failed for others; Unreachable if nothing answered although it was tried again (unless `repeat` is false).
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._authorized(method, url or self._at(path), scopes, headers or {}, body)
            except NotTls as error:
                raise Failed(error.what, hint="call it insecure, if it is meant to speak plain HTTP") from None
            except Unreachable as error:
                if not repeat or attempt > self.patience.retries or self.transport.stopped or self._base is None:
                    raise  # one that has not answered yet is as likely a wrong name
                self._pause(error.what, attempt, None)
                continue
            if response.status in accept:
                return response
            with response:
                if response.status not in _PASSING or not repeat or attempt > self.patience.retries:
                    raise self._refusal(response, method)
                asked = _retry_after(response.header("Retry-After"))
                if asked is not None and asked > _LONGEST_WAIT:
                    raise self._refusal(response, method)
                words = f"{self.host}: {response.status} {_PASSING[response.status]}"
            self._pause(words, attempt, asked)

    def _pause(self, reason: str, attempt: int, asked: float | None) -> None:
        seconds = self.patience.before(attempt) if asked is None else asked
        self.tell(f"{reason}: trying again in {seconds:g} s ({attempt} of {self.patience.retries})")
        self.transport.wait(seconds)

    def _at(self, path: str) -> Url:
        base = self._base or self._find_scheme()
        return Url(base.scheme, base.host, base.port, path)

    def _find_scheme(self) -> Url:
        """Ask for the root by TLS, and without it where that is allowed; the first that answers is kept."""
        host = _HUB if self.host == "docker.io" else self.host
        secure = Url.parse(f"https://{host}/v2/")
        try:
            self._greet(secure)
        except Unreachable as error:
            if not self._plain_allowed:
                raise
            plain = Url.parse(f"http://{host}/v2/")
            try:
                self._greet(plain)
            except Unreachable as other:
                raise (other if isinstance(error, NotTls) else error) from None
            secure = plain
        self._base = secure
        return secure

    def _greet(self, url: Url) -> None:
        with self.transport.request("GET", url, {}, verify=not self.insecure) as response:
            _body(response)

    def _authorized(self, method: str, url: Url, scopes: Sequence[str], headers: Mapping[str, str],
                    body: Body | None) -> Response:  # fmt: skip
        known = self.authorization.header(scopes) if self._is_ours(url) else ""
        response = self._followed(method, url, headers, body, known)
        if response.status != 401 or not self._is_ours(response.url):
            return response
        with response:
            refused = complaint(_body(response))
            challenges = challenge.parse(response.headers.get_all("WWW-Authenticate") or [])
        fresh = self.authorization.answer(challenges, scopes)
        if fresh == known:
            raise self._unauthorized(fresh, refused)
        response = self._followed(method, url, headers, body, fresh)
        if response.status != 401:
            return response
        with response:
            raise self._unauthorized(fresh, complaint(_body(response)))

    def _followed(self, method: str, url: Url, headers: Mapping[str, str], body: Body | None,
                  authorization: str) -> Response:  # fmt: skip
        """Follow redirects, to other servers without the authorization; only what has no body is sent elsewhere."""
        for _ in range(_MOST_REDIRECTS):
            extra = {"Authorization": authorization} if authorization and self._is_ours(url) else {}
            response = self.transport.request(method, url, {**headers, **extra}, body, verify=not self.insecure)
            location = response.header("Location")
            if response.status not in _REDIRECTS or method not in ("GET", "HEAD") or not location:
                return response
            with response:
                _body(response)
            target = url.join(location)
            if url.scheme == "https" and target.scheme == "http" and not self.insecure:
                raise Denied(f"{self.host}: leads from TLS to {target.authority} without it")
            url = target
        raise Failed(f"{self.host}: leads from one place to another more than {_MOST_REDIRECTS} times",
                     hint=f"the last one was {printable(str(url))}")  # fmt: skip

    def _is_ours(self, url: Url) -> bool:
        return self._base is not None and url.origin == self._base.origin

    def _refusal(self, response: Response, method: str) -> Failed | Denied | NotFound:
        said = complaint(_body(response))
        words = self._words(response.status, said)
        if response.status == 404:
            return NotFound(words)
        if response.status in (401, 403):
            known = self.authorization.credential is not None
            return Denied(words, hint="" if known and response.status == 403 else login_hint(self.host))
        if response.status in _PASSING:
            later = response.header("Retry-After")
            return Passing(words, hint=f"it asks to come back after {printable(later)}" if later else "")
        return Failed(words if said else f"{words} to {method}")

    def _unauthorized(self, shown: str, said: str) -> Denied:
        """What `shown`, the Authorization header that was sent, has led to."""
        known = self.authorization.credential
        if known is None or not shown.startswith("Basic "):
            return Denied(self._words(401, said), hint=login_hint(self.host))
        words = f"{self.host}: refuses the user name and password of {printable(known.username)}"
        return Denied(f"{words}: {said}" if said else words, hint=login_hint(self.host))

    def _words(self, status: int, said: str) -> str:
        return f"{self.host}: {said}" if said and status != 429 else f"{self.host}: {_status(status)}" + (
            f": {said}" if said else "")  # fmt: skip


def complaint(data: bytes) -> str:
    """What a registry's error document says, in one line; "" if it is none (distribution-spec, "Error Codes")."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    errors = document.get("errors") if isinstance(document, dict) else None
    if isinstance(document, dict) and not isinstance(errors, list):
        errors = [{"message": document.get("details") or document.get("message")}]
    said = []
    for error in errors or ():
        if isinstance(error, dict):
            words = error.get("message") or error.get("code")
            if isinstance(words, str) and words:
                said.append(printable(words.lower() if words.isupper() else words))
    return "; ".join(dict.fromkeys(said))[:400]


def _status(status: int) -> str:
    from http import HTTPStatus

    try:
        return f"{status} {HTTPStatus(status).phrase.lower()}"
    except ValueError:
        return f"status {status}"


def _body(response: Response) -> bytes:
    """What is said beside the answer, if it is not long: read, so that the connection can be used again."""
    buffer, said = memoryview(bytearray(_LARGEST_COMPLAINT)), b""
    try:
        while len(said) < _LARGEST_COMPLAINT and (count := response.readinto(buffer)):
            said += buffer[:count]
    except Unreachable:
        return said
    return said


def _retry_after(text: str) -> float | None:
    """Seconds; RFC 9110, 10.2.3: a number of them, or a date."""
    if text.isascii() and text.strip().isdecimal():
        return float(text) if len(text) < 10 else _LONGEST_WAIT + 1
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _name(host: str) -> str:
    """Without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
