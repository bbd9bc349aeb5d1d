"""Tokens: answering a registry's 401 with Basic credentials or with a Bearer token of its token service.

Docker's "Token Authentication Specification" (GET) and its OAuth2 form (POST, for identity tokens).
"""

from __future__ import annotations

import base64
import threading
import time
from urllib.parse import urlencode

from ringfence import json
from ringfence.errors import Corrupt, Denied, Failed
from ringfence.oci.digest import printable
from ringfence.registry.transport import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ringfence.registry.challenge import Challenge
    from ringfence.registry.credentials import Credential
    from ringfence.registry.transport import Response, Transport

_LARGEST = 1 << 20  # bytes of a token service's answer
_SHORTEST = 60  # seconds that a token lives at least, whatever its service says (the specification's default)
_LONGEST = 86400
_CLIENT = "ringfence"


class Bytes:
    """A request's body that is there as a whole."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    def pieces(self) -> Sequence[bytes]:
        return (self._data,)


class Authorization:
    """What one registry wants to see: the Authorization headers for scopes such as `repository:team/app:pull`."""

    def __init__(self, transport: Transport, host: str, credential: Callable[[], Credential | None], *,
                 insecure: bool, plain_allowed: bool) -> None:  # fmt: skip
        self._transport = transport
        self._host = host
        self._find_credential = credential
        self._verify = not insecure
        self._plain_allowed = plain_allowed
        self._credential: Credential | None = None
        self._looked = False
        self._looking = threading.Lock()
        self._basic = ""
        self._tokens: dict[tuple[str, ...], tuple[str, float]] = {}

    @property
    def credential(self) -> Credential | None:
        with self._looking:  # a helper that asks a person is asked once, however many threads want to know
            if not self._looked:
                self._credential, self._looked = self._find_credential(), True
            return self._credential

    def header(self, scopes: Sequence[str]) -> str:
        """What is known to be asked for, or ""."""
        token, end = self._tokens.get(tuple(scopes), ("", 0.0))
        return token if token and time.monotonic() < end else self._basic

    def answer(self, challenges: Sequence[Challenge], scopes: Sequence[str]) -> str:
        """The header that answers a 401; Denied if we have nothing that would."""
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                return self._fetch_token(challenge, scopes)
            if challenge.scheme == "basic":
                if self.credential is None or not self.credential.username:
                    raise Denied(f"{self._host}: wants a user name and password", hint=login_hint(self._host))
                self._basic = self.credential.basic
                return self._basic
        asked = ", ".join(challenge.scheme for challenge in challenges) or "nothing"
        raise Denied(f"{self._host}: refuses us and asks for {printable(asked)}, which is not known here")

    def _fetch_token(self, challenge: Challenge, scopes: Sequence[str]) -> str:
        realm = Url.parse(challenge.parameters["realm"])
        if realm.scheme == "http" and not self._plain_allowed:
            raise Denied(f"{self._host}: wants our credentials to be sent to {realm.authority} without TLS")
        asked = challenge.parameters.get("scope", "")
        wanted = [*scopes, *([asked] if asked and not scopes else [])]
        with self._ask(realm, challenge.parameters.get("service", ""), wanted) as response:
            data = response.read(_LARGEST)
            if response.status in (400, 401, 403):
                raise Denied(f"{self._host}: {realm.authority} refuses us a token{_words(data)}",
                             hint=login_hint(self._host))  # fmt: skip
            if response.status != 200:
                raise Failed(f"{self._host}: {realm.authority} answers {response.status} when asked for a token")
        token, lifetime = parse_token(data, realm.authority)
        self._tokens[tuple(scopes)] = (f"Bearer {token}", time.monotonic() + lifetime * 0.9)
        return f"Bearer {token}"

    def _ask(self, realm: Url, service: str, scopes: Sequence[str]) -> Response:
        fields = [("service", service)] if service else []
        known = self.credential
        if known is not None and known.identity:
            form = [*fields, ("grant_type", "refresh_token"), ("refresh_token", known.identity),
                    ("client_id", _CLIENT), ("scope", " ".join(scopes))]  # fmt: skip
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            body = Bytes(urlencode(form).encode())
            return self._transport.request("POST", realm, headers, body, verify=self._verify)
        fields += [("scope", scope) for scope in scopes]
        headers = {}
        if known is not None and known.username:
            fields.append(("account", known.username))
            headers["Authorization"] = known.basic
        query = urlencode(fields)
        target = realm.target + ("&" if "?" in realm.target else "?") + query if query else realm.target
        return self._transport.request(
            "GET", Url(realm.scheme, realm.host, realm.port, target), headers, verify=self._verify
        )


def parse_token(data: bytes, subject: str) -> tuple[str, int]:
    """(token, seconds that it is good for) of a token service's answer; Corrupt for anything else."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    token = lifetime = None
    if isinstance(document, dict):
        token = document.get("token") or document.get("access_token")
        lifetime = document.get("expires_in")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        raise Corrupt(f"{subject}: its answer holds no token")
    return token, max(_SHORTEST, min(lifetime, _LONGEST)) if type(lifetime) is int else _SHORTEST


def basic(username: str, password: str) -> str:
    """The Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def login_hint(host: str) -> str:
    return "log in with: ringfence login" + ("" if host == "docker.io" else f" {host}")


def _words(data: bytes) -> str:
    from ringfence.registry.session import complaint

    said = complaint(data)
    return f": {said}" if said else ""
