"""Platforms of images: operating system, architecture and variant, with Go's names (image-spec, image-index.md)."""

from __future__ import annotations

import os

from ringfence.errors import InvalidInput, NotFound
from ringfence.oci.digest import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeVar

    Entry = TypeVar("Entry", bound=Mapping[str, Any])

# What kernels, distributions and people call an architecture → Go's name and variant.
_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv6l": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v8"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}
# What containerd makes of variants: the usual one is left out, but that of arm is said.
_LEFT_OUT = {"amd64": "v1", "arm64": "v8"}
_SAID = {"arm": "v7"}


class Platform:
    """`linux/arm/v6`: os, architecture and variant ("" for the usual one of amd64 and arm64)."""

    __slots__ = ("architecture", "os", "variant")

    def __init__(self, os: str, architecture: str, variant: str = "") -> None:
        architecture, implied = _ALIASES.get(architecture, (architecture, ""))
        variant = variant or implied or _SAID.get(architecture, "")
        self.os = os
        self.architecture = architecture
        self.variant = "" if variant == _LEFT_OUT.get(architecture) else variant

    @classmethod
    def parse(cls, text: str) -> Platform:
        """`os/architecture[/variant]`, or one of the two alone, the other then being this machine's."""
        parts = text.lower().split("/")
        if not all(part and part.replace("_", "").replace("-", "").replace(".", "").isalnum() for part in parts):
            raise InvalidInput(f'"{printable(text)}" is not a platform like linux/arm64')
        if len(parts) > 3:
            raise InvalidInput(f'"{printable(text)}" is not a platform like linux/arm64: it has too many parts')
        if len(parts) == 1:
            return cls(parts[0], cls.host().architecture) if parts[0] == "linux" else cls("linux", parts[0])
        return cls(*parts)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Platform:
        """From an image config or the `platform` object of a descriptor."""
        return cls(document.get("os") or "", document.get("architecture") or "", document.get("variant") or "")

    @classmethod
    def host(cls) -> Platform:
        """This machine's."""
        return cls("linux", os.uname().machine)

    def runs(self, other: Platform) -> bool:
        """Whether an image for `other` is meant to run here: the same, or a lesser variant of the same architecture."""
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        return self._level >= other._level

    @property
    def _level(self) -> int:
        variant = (self.variant or _LEFT_OUT.get(self.architecture, "v0")).removeprefix("v")
        return int(variant) if variant.isdecimal() and len(variant) < 4 else 0

    def to_json(self) -> dict[str, str]:
        document = {"architecture": self.architecture, "os": self.os}
        return {**document, "variant": self.variant} if self.variant else document

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def __repr__(self) -> str:
        return f"Platform({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Platform) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def select(entries: Sequence[Entry], wanted: Platform, subject: str) -> Entry:
    """The index entry (descriptor JSON) that suits `wanted` best, or the only one if it does not say its platform.

    Attestations stand in an index as `unknown/unknown` and never run. NotFound lists what there is.
    """
    images = [entry for entry in entries if Platform.of(entry.get("platform") or {}).os != "unknown"]
    fitting = [entry for entry in images if entry.get("platform") and wanted.runs(Platform.of(entry["platform"]))]
    if fitting:
        return max(fitting, key=lambda entry: Platform.of(entry["platform"])._level)
    if len(images) == 1 and not images[0].get("platform"):
        return images[0]
    there = ", ".join(str(Platform.of(entry.get("platform") or {})) or "one of unknown platform" for entry in images)
    raise NotFound(f"{subject}: has no image for {wanted}", hint=f"there are: {printable(there)}" if there else "")
