"""The registry client with the settings of the engine's user, and what a caller says instead of them."""

from __future__ import annotations

import os

from ringfence.engine import places
from ringfence.errors import InvalidInput
from ringfence.registry.credentials import Credential
from ringfence.registry.registries import Registries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ringfence.engine import Engine
    from ringfence.images.pull import Tell

ACCESS = ("tls_verify", "creds", "authfile", "cert_dir")


def connect(engine: Engine, access: Mapping[str, object], tell: Callable[[str], None]) -> Registries:
    """A client, for a `with` block. `access`: tls_verify, creds ("user:password"), authfile and cert_dir, each if
    given, else as the engine's own."""
    access = {**engine.access, **access}
    for word in access:
        if word not in ACCESS:
            raise InvalidInput(f"unknown flag: --{word.replace('_', '-')}")
    environ = dict(engine.environment)
    if authfile := access.get("authfile"):
        environ["REGISTRY_AUTH_FILE"] = str(authfile)
    return Registries(
        environ,
        environ.get("HOME") or places.home(),
        insecure=access.get("tls_verify", True) is False,
        credential=credential(str(access.get("creds") or "")),
        certificates_from=_directory(str(access.get("cert_dir") or "")),
        tell=tell,
    )


def _directory(path: str) -> str:
    if path and not os.path.isdir(path):
        raise InvalidInput(f"--cert-dir: {path}: is no directory")
    return path


def credential(text: str) -> Credential | None:
    """Of `user:password`; InvalidInput for anything else."""
    if not text:
        return None
    username, colon, password = text.partition(":")
    if not colon or not username:
        raise InvalidInput("--creds: is not of the form USER:PASSWORD")
    return Credential(username, password)


def as_status(tell: Tell) -> Callable[[str], None]:
    """Lines about what is tried again, told as everything else is."""
    return lambda line: tell({"status": line})


def silent(_event: object) -> None:
    """Who is told when nobody wants to know."""
