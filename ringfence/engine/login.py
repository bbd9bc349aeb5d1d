"""login and logout: what a registry accepts from this user, kept where docker's or podman's programs find it too."""

from __future__ import annotations

from ringfence.engine import registries
from ringfence.errors import Denied, InvalidInput
from ringfence.oci.reference import Reference
from ringfence.registry.credentials import Credential

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.engine import Engine


def login(engine: Engine, registry: str, username: str, password: str, access: Mapping[str, object]) -> str:
    """See Engine.login."""
    host = host_of(registry)
    if not username or ":" in username:
        raise InvalidInput("--username: must not be empty, nor have a colon")
    credential = Credential(username, password)
    with registries.connect(engine, access, registries.silent) as client:
        try:
            client.check(host, credential)
        except Denied as error:
            error.hint = ""  # which says to log in
            raise
        return client.credentials.store(host, credential)


def logout(engine: Engine, registry: str, access: Mapping[str, object]) -> bool:
    """See Engine.logout."""
    with registries.connect(engine, access, registries.silent) as client:
        return client.credentials.erase(host_of(registry))


def user(engine: Engine, registry: str, access: Mapping[str, object]) -> str:
    """Who is logged in, or ""."""
    with registries.connect(engine, access, registries.silent) as client:
        credential = client.credentials.find(host_of(registry))
        return credential.username if credential else ""


def host_of(text: str) -> str:
    """The registry that a person names: with or without a scheme or path; docker.io if nothing is said."""
    bare = (text.partition("://")[2] or text).partition("/")[0]
    if not bare:
        return "docker.io"
    if "docker.io" in (bare, bare.removeprefix("index."), bare.removeprefix("registry-1.")):
        return "docker.io"
    reference = Reference.parse(f"{bare}/any") if any(mark in bare for mark in ".:") or bare == "localhost" else None
    if reference is None or reference.registry != bare:
        raise InvalidInput(f'"{text}" is not a registry like registry.example:5000')
    return bare


def hosts(engine: Engine, access: Mapping[str, object]) -> list[str]:
    """The registries for which there are credentials."""
    with registries.connect(engine, access, registries.silent) as client:
        return client.credentials.all()
