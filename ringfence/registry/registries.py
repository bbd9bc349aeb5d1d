"""Registries: what a user's settings say about all of them, and the repositories that a reference leads to."""

from __future__ import annotations

import os
from functools import partial

from ringfence.errors import Denied, NotFound
from ringfence.registry import certificates, configuration
from ringfence.registry.configuration import Configuration
from ringfence.registry.credentials import Credential, Credentials
from ringfence.registry.proxies import Proxies
from ringfence.registry.repository import Repository
from ringfence.registry.session import Patience, Session
from ringfence.registry.transport import Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from ringfence.oci.reference import Reference

SILENCE = 60.0  # seconds without a byte after which a registry is given up


class Registries:
    """A client with one user's settings: `environ` is that user's environment, `home` the directory.

    `tell` gets a line whenever something is tried again or elsewhere. `insecure`, `credential` and the directory
    `certificates_from` are the caller's own word, put over what the files say. It is closed by the one who made it.
    """

    def __init__(self, environ: Mapping[str, str], home: str, *, insecure: bool = False,
                 credential: Credential | None = None, certificates_from: str = "",
                 tell: Callable[[str], None] = lambda line: None, patience: Patience | None = None,
                 silence: float = SILENCE) -> None:  # fmt: skip
        self._insecure = insecure
        self._credential = credential
        self._certificates_from = certificates_from
        self.tell = tell
        self._patience = patience or Patience()
        self.configuration = Configuration.read(configuration.files(home, environ))
        self.credentials = Credentials(_credential_files(environ, home), environ)
        self._certificate_directories = [
            os.path.join(environ.get("XDG_CONFIG_HOME") or f"{home}/.config", "containers/certs.d"),
            "/etc/containers/certs.d",
            "/etc/docker/certs.d",
        ]
        self.transport = Transport(Proxies(environ), self._tls, silence)
        self._sessions: dict[tuple[str, str], Session] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.transport.stop()

    def resolve(self, text: str) -> Reference:
        """The reference that a person means, with the configuration's aliases of short names."""
        return self.configuration.resolve(text)

    def repositories(self, reference: Reference) -> list[Repository]:
        """Where the reference's repository can be read: mirrors first, its own registry last. Denied if blocked."""
        kind = "digest-only" if reference.digest else "tag-only"
        return [
            Repository(self._session(place.host, place.repository, insecure=place.insecure), place.repository,
                       mirror=place.mirror)
            for place in self.configuration.locations(reference, insecure=self._insecure)
            if not place.mirror or place.pulls in ("all", kind)
        ]  # fmt: skip

    def repository(self, reference: Reference) -> Repository:
        """The reference's repository in its own registry, to write to."""
        return self.repositories(reference)[-1]

    def registry(self, host: str) -> Session:
        """A registry as a whole, to search in."""
        return self._session(host, "", insecure=self._is_insecure(host))

    def check(self, host: str, credential: Credential) -> None:
        """Whether a registry accepts these; Denied if not."""
        self._credential = credential
        session = self._session(host, "", insecure=self._is_insecure(host))
        try:
            session.request("GET", "/v2/").close()
        except NotFound:
            raise Denied(f"{host}: is not a registry: it has no /v2/") from None

    def _is_insecure(self, host: str) -> bool:
        from ringfence.oci.reference import Reference

        places = self.configuration.locations(Reference(host, "any"), insecure=self._insecure)
        return places[-1].insecure

    def _session(self, host: str, repository: str, *, insecure: bool) -> Session:
        """One for each repository, whose credentials may be its own; those without any differ in nothing."""
        key = (host, repository)
        if key not in self._sessions:
            self._sessions[key] = Session(
                host, self.transport, partial(self._find_credential, host, repository), insecure=insecure,
                patience=self._patience, tell=self.tell,
            )  # fmt: skip
        return self._sessions[key]

    def _find_credential(self, host: str, repository: str) -> Credential | None:
        return self._credential or self.credentials.find(host, repository)

    def _tls(self, host: str, verify: bool) -> ssl.SSLContext:
        """`host` has its port; the directories leave the usual one out."""
        if self._certificates_from:
            return certificates.context(certificates.read(self._certificates_from), verify=verify)
        names = (host, host.removesuffix(":443"))
        found = next((found for name in names if (found := certificates.find(self._certificate_directories, name))),
                     certificates.Certificates([], []))  # fmt: skip
        return certificates.context(found, verify=verify)


def _credential_files(environ: Mapping[str, str], home: str) -> Sequence[str]:
    """docker's file, then podman's; REGISTRY_AUTH_FILE alone if it is set."""
    if chosen := environ.get("REGISTRY_AUTH_FILE"):
        return [chosen]
    docker = os.path.join(environ.get("DOCKER_CONFIG") or f"{home}/.docker", "config.json")
    config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    runtime = environ.get("XDG_RUNTIME_DIR")
    podman = [f"{runtime}/containers/auth.json"] if runtime else []
    return [docker, *podman, f"{config}/containers/auth.json"]
