"""Credentials: what `login` keeps, in docker's config.json (or containers' auth.json) and in credential helpers.

Docker's docs, "docker login", "Credential stores": `auths` holds base64 of `user:password` by server, `credsStore` and
`credHelpers` name programs `docker-credential-NAME` that keep them instead. An `identitytoken` stands for a password.
"""

from __future__ import annotations

import base64
import binascii
import os

from ringfence import json
from ringfence.errors import Denied, Failed, InvalidInput
from ringfence.oci.digest import printable
from ringfence.oci.shape import any_object, mapping, parse_json, record, require, string
from ringfence.registry.tokens import basic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

DOCKER_HUB = "https://index.docker.io/v1/"  # the key under which docker keeps docker.io's
_HUB_HOSTS = frozenset(("docker.io", "index.docker.io", "registry-1.docker.io"))
_SHAPE = record(
    {
        "auths": mapping(
            record({"auth": string, "username": string, "password": string, "identitytoken": string}, required=())
        ),
        "credsStore": string,
        "credHelpers": mapping(string),
    }
)
_NONE = ("credentials not found in native keychain", "no credentials server url", "no credentials username")
_LONGEST = 4 << 20  # bytes of a file of credentials: /dev/zero would not end
_PATIENCE = 60.0  # seconds for a helper, which may ask a person


class Credential:
    """A user name with a password, or an identity token (`identity`) instead of both."""

    __slots__ = ("identity", "password", "username")

    def __init__(self, username: str, password: str, identity: str = "") -> None:
        self.username = username
        self.password = password
        self.identity = identity

    @property
    def basic(self) -> str:
        return basic(self.username, self.password)

    def __repr__(self) -> str:
        return f"<credential of {self.username or 'an identity token'}>"


class Credentials:
    """Those of one user: `files` are read in order, the first one is written."""

    def __init__(self, files: Sequence[str], environ: Mapping[str, str]) -> None:
        self._files = files
        self._environ = dict(environ)

    @property
    def file(self) -> str:
        """Where `login` writes."""
        return self._files[0]

    def find(self, host: str, repository: str = "") -> Credential | None:
        """For a registry ("docker.io", "localhost:5000"), or for one repository of it if it has its own."""
        for path in self._files:
            document = read(path)
            helper = _helper(document, host)
            if helper and (found := self._ask_helper(helper, host)):
                return found
            if found := lookup(document.get("auths") or {}, host, repository, path):
                return found
        return None

    def store(self, host: str, credential: Credential) -> str:
        """Keep it; returns the path of a file in which the password stands readable, or "" if a helper keeps it."""
        document = read(self.file)
        if helper := _helper(document, host):
            server = _server(host)
            name = credential.username if not credential.identity else "<token>"
            secret = credential.identity or credential.password
            request = json.dumps({"ServerURL": server, "Username": name, "Secret": secret})
            self._run_helper(helper, "store", request)
            document.setdefault("auths", {})[server] = {}
            _write(self.file, document)
            return ""
        pair = base64.b64encode(f"{credential.username}:{credential.password}".encode()).decode()
        entry = {"auth": pair}
        if credential.identity:
            entry = {"auth": base64.b64encode(f"{credential.username}:".encode()).decode(),
                     "identitytoken": credential.identity}  # fmt: skip
        document.setdefault("auths", {})[_server(host)] = entry
        _write(self.file, document)
        return self.file

    def erase(self, host: str) -> bool:
        """Forget it; whether there was one."""
        document = read(self.file)
        gone = False
        if helper := _helper(document, host):
            gone = self._ask_helper(helper, host) is not None
            if gone:
                self._run_helper(helper, "erase", _server(host))
        auths = document.get("auths") or {}
        keys = [key for key in auths if "/" not in _bare(key) and _host(key) == _host(host)]
        for key in keys:
            del auths[key]
        if keys:
            _write(self.file, document)
        return gone or bool(keys)

    def all(self) -> list[str]:
        """The registries for which there is a credential in the first file."""
        return sorted({_host(key) for key in read(self.file).get("auths") or {}})

    def _ask_helper(self, helper: str, host: str) -> Credential | None:
        answer = self._run_helper(helper, "get", _server(host))
        if answer is None:
            return None
        subject = f"docker-credential-{helper}"
        document = parse_json(answer, subject)
        require(document, record({"Username": string, "Secret": string}, required=("Username", "Secret")), subject)
        if document["Username"] == "<token>":
            return Credential("", "", document["Secret"])
        return Credential(document["Username"], document["Secret"])

    def _run_helper(self, helper: str, verb: str, request: str) -> bytes | None:
        """What the helper prints; None if it says that it has no such credential."""
        import subprocess

        program = f"docker-credential-{helper}"
        if "/" in helper or not helper.isprintable():
            raise InvalidInput(f'{self.file}: "{printable(helper)}" is not the name of a credential helper')
        try:
            done = subprocess.run([program, verb], input=request.encode(), capture_output=True, env=self._environ,
                                  timeout=_PATIENCE)  # fmt: skip
        except FileNotFoundError:
            raise Failed(f"{program}: no such program", hint=f"{self.file} names it") from None
        except PermissionError as error:
            raise Denied(f"{program}: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise Failed(f"{program} {verb}: no answer for {_PATIENCE:g} s") from None
        if done.returncode == 0:
            return done.stdout
        said = (done.stdout or done.stderr).decode(errors="replace").strip()
        if verb != "store" and any(words in said.lower() for words in _NONE):
            return None
        raise Failed(f"{program} {verb}: {printable(said) or f'exit status {done.returncode}'}")


def read(path: str) -> dict[str, Any]:
    """A file's document; empty if there is none. InvalidInput names what is wrong with it."""
    try:
        with open(path, "rb") as file:
            data = file.read(_LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise Denied(f"{path}: {error.strerror}") from None
    if len(data) > _LONGEST:
        raise InvalidInput(f"{path}: is longer than {_LONGEST >> 20} MiB")
    return parse_config(data, path)


def parse_config(data: bytes, subject: str) -> dict[str, Any]:
    """Docker's config.json or containers' auth.json, checked; InvalidInput otherwise."""
    if not data.strip():
        return {}
    document = parse_json(data, subject)
    require(document, any_object, subject)
    require(document, _SHAPE, subject)
    return document  # type: ignore[no-any-return]


def lookup(auths: Mapping[str, Any], host: str, repository: str, subject: str) -> Credential | None:
    """The entry for the repository, for the groups it is in, or for the registry: the longest key that covers it."""
    best: tuple[int, str] | None = None
    full = f"{_host(host)}/{repository}" if repository else _host(host)
    for key in auths:
        bare = _bare(key)
        covered = _host(key) if "/" not in bare else bare
        if full == covered or full.startswith(f"{covered}/"):
            best = max(best or (0, ""), (len(covered), key))
    return _entry(auths[best[1]], f"{subject}: auths.{best[1]}") if best else None


def _entry(entry: Mapping[str, Any], where: str) -> Credential | None:
    username, password = entry.get("username") or "", entry.get("password") or ""
    if encoded := entry.get("auth"):
        try:
            pair = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            raise InvalidInput(f"{where}.auth: is not base64 of user:password") from None
        username, colon, password = pair.partition(":")
        if not colon:
            raise InvalidInput(f"{where}.auth: is not base64 of user:password")
        password = password.strip("\0")
    identity = entry.get("identitytoken") or ""
    return Credential(username, password, identity) if username or identity else None


def _helper(document: Mapping[str, Any], host: str) -> str:
    for key, helper in (document.get("credHelpers") or {}).items():
        if _host(key) == _host(host):
            return str(helper)
    return document.get("credsStore") or ""


def _bare(key: str) -> str:
    """A key without its scheme, and without the path of docker's older registries."""
    bare = key.partition("://")[2] or key
    for old in ("/v1/", "/v2/", "/v1", "/v2"):
        bare = bare.removesuffix(old)
    return bare.rstrip("/")


def _host(key: str) -> str:
    """The registry that a key or host means; Docker Hub has several names."""
    host = _bare(key).partition("/")[0]
    return "docker.io" if host in _HUB_HOSTS else host


def _server(host: str) -> str:
    return DOCKER_HUB if _host(host) == "docker.io" else host


def _write(path: str, document: Mapping[str, Any]) -> None:
    """For its owner alone, and whole or not at all."""
    if os.path.exists(path) and not os.path.isfile(path):  # a rename would replace it: /dev/null, say
        raise InvalidInput(f"{path}: is not a regular file")
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        path = os.path.realpath(path)
        temporary = f"{path}.{os.urandom(4).hex()}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(document, file, indent="\t")
        os.rename(temporary, path)
    except PermissionError as error:
        raise Denied(f"{path}: {error.strerror}") from None
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}", errno=error.errno or 0) from None
