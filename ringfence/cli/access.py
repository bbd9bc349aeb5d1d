"""The flags of every verb that speaks with a registry, and their values for the engine."""

from __future__ import annotations

from ringfence.cli.parser import Flag, UsageError
from ringfence.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.cli.parser import Arguments

FLAGS = (
    Flag("authfile", "Read (and write) credentials in this file", kind="value", metavar="path"),
    Flag("cert-dir", "Take the authorities and client certificates of this directory", kind="value", metavar="path"),
    Flag("tls-verify", "Demand TLS with a certificate that can be verified", default=True),
)
CREDS = Flag("creds", "Use these credentials, whatever is kept", kind="value", metavar="user:password")
# docker's; its content trust is not built, and off is what docker itself has by default
TRUST = Flag("disable-content-trust", "Skip verification of signatures (there is none)", default=True, hidden=True)


# podman's; together they say what --platform says
PLATFORM = (
    Flag("arch", "Architecture of the image, instead of this machine's", kind="value"),
    Flag("os", "Operating system of the image", kind="value"),
    Flag("platform", "Platform of the image (OS[/ARCHITECTURE[/VARIANT]])", kind="value"),
    Flag("variant", "Variant of the image's architecture", kind="value"),
)
_OTHER_PLACES = ("containers-storage:", "dir:", "docker-archive:", "docker-daemon:", "oci:", "oci-archive:")


def platform(arguments: Arguments) -> str:
    """What --platform, or --os, --arch and --variant say; "" if nothing."""
    parts = [arguments.text(name) for name in ("os", "arch", "variant")]
    if not any(parts):
        return arguments.text("platform")
    if arguments.text("platform"):
        raise UsageError("--platform cannot be used with --os, --arch and --variant")
    from ringfence.oci.platform import Platform

    here = Platform.host()
    return str(Platform(parts[0] or here.os, parts[1] or here.architecture, parts[2]))


def reference(text: str) -> str:
    """A name with podman's word for a registry before it, or without."""
    if text.startswith(_OTHER_PLACES):
        raise Unsupported(f"{text}: is no registry", hint="load and save read and write archives and directories")
    return text.removeprefix("docker://")


def of(arguments: Arguments) -> dict[str, Any]:
    """What was given of them, as keyword arguments of the engine."""
    names = ("authfile", "cert-dir", "creds", "tls-verify")
    return {name.replace("-", "_"): arguments.given[name] for name in names if name in arguments.given}
