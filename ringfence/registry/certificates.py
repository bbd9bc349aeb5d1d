"""certs.d: the certificate authorities and client certificates of single registries, in docker's directories.

Below each directory of settings a directory `HOST[:PORT]` holds `*.crt` (authorities to trust besides the system's)
and pairs `NAME.cert`, `NAME.key` (what to show to the registry), as dockerd and podman read them.
"""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable


class Certificates:
    """What was found for one registry: paths of authorities, and (certificate, key) pairs."""

    __slots__ = ("authorities", "pairs")

    def __init__(self, authorities: list[str], pairs: list[tuple[str, str]]) -> None:
        self.authorities = authorities
        self.pairs = pairs

    def __bool__(self) -> bool:
        return bool(self.authorities or self.pairs)


def find(directories: Iterable[str], host: str) -> Certificates:
    """The files for `host` ("registry:5000") of the first directory that has any. InvalidInput for a lonely half."""
    for directory in directories:
        found = read(os.path.join(directory, host))
        if found:
            return found
    return Certificates([], [])


def read(place: str) -> Certificates:
    """The files of one directory, if it is there."""
    try:
        names = sorted(os.listdir(place))
    except (FileNotFoundError, NotADirectoryError):
        names = []
    return Certificates(
        [os.path.join(place, name) for name in names if name.endswith(".crt")],
        [_pair(place, name, names) for name in names if name.endswith(".cert")],
    )


def _pair(place: str, name: str, names: list[str]) -> tuple[str, str]:
    key = name.removesuffix(".cert") + ".key"
    if key not in names:
        raise InvalidInput(f"{place}/{name}: has no {key} beside it")
    return os.path.join(place, name), os.path.join(place, key)


def context(certificates: Certificates, *, verify: bool) -> ssl.SSLContext:
    """The TLS settings for a registry. InvalidInput names a file that is no certificate or key."""
    import ssl

    made = ssl.create_default_context()
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    for path in certificates.authorities:
        try:
            made.load_verify_locations(path)
        except (ssl.SSLError, OSError) as error:
            raise InvalidInput(f"{path}: is not a certificate: {_reason(error)}") from None
    for certificate, key in certificates.pairs:
        try:
            made.load_cert_chain(certificate, key)
        except (ssl.SSLError, OSError) as error:
            raise InvalidInput(f"{certificate}: cannot be used with its key: {_reason(error)}") from None
    return made


def _reason(error: OSError) -> str:
    return (getattr(error, "reason", "") or error.strerror or str(error)).lower().replace("_", " ")
