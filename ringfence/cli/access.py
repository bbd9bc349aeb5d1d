"""The flags of every verb that speaks with a registry, and their values for the engine."""

from __future__ import annotations

from ringfence.cli.parser import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments

FLAGS = (
    Flag("authfile", "Read (and write) credentials in this file", kind="value", metavar="path"),
    Flag("tls-verify", "Demand TLS with a certificate that can be verified", default=True),
)
CREDS = Flag("creds", "Use these credentials, whatever is kept", kind="value", metavar="user:password")
# docker's; its content trust is not built, and off is what docker itself has by default
TRUST = Flag("disable-content-trust", "Skip verification of signatures (there is none)", default=True, hidden=True)


def of(arguments: Arguments) -> dict[str, Any]:
    """What was given of them, as keyword arguments of the engine."""
    names = ("authfile", "creds", "tls-verify")
    return {name.replace("-", "_"): arguments.given[name] for name in names if name in arguments.given}
