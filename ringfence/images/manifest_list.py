"""Manifest lists in the making: which images, for which platforms, become one index; kept in `<data>/manifests`.

A file for each, under its quoted name: the index as it would be pushed, with the name of each image in `from`.
"""

from __future__ import annotations

import os
from urllib.parse import quote

from ringfence import json
from ringfence.errors import Conflict, Corrupt, NotFound
from ringfence.oci.image_spec import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, Descriptor, encode
from ringfence.oci.platform import Platform
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Entries = list[dict[str, Any]]


class ManifestList:
    """`entries` are descriptors with `platform` and `from`."""

    def __init__(self, name: Reference, entries: Entries) -> None:
        self.name = name
        self.entries = entries

    def add(self, descriptor: Descriptor, platform: Platform, source: Reference) -> None:
        """Take in an image; the same one a second time takes its own place."""
        self.entries = [entry for entry in self.entries if entry["digest"] != descriptor.digest]
        self.entries.append({**descriptor.to_json(), "platform": platform.to_json(), "from": source.canonical})

    def find(self, text: str) -> dict[str, Any]:
        """The entry of an image, by its name or digest; NotFound."""
        for entry in self.entries:
            if entry["digest"] == text or entry["from"] == Reference.parse(text).canonical:
                return entry
        raise NotFound(f"{self.name.familiar}: has no image {text}")

    @property
    def document(self) -> dict[str, Any]:
        """The index: Docker's kind if all its images are of Docker's kind, else OCI's."""
        entries = [{key: value for key, value in entry.items() if key != "from"} for entry in self.entries]
        docker = entries and all(entry["mediaType"] == DOCKER_MANIFEST for entry in entries)
        return {"schemaVersion": 2, "mediaType": DOCKER_INDEX if docker else OCI_INDEX, "manifests": entries}

    @property
    def data(self) -> bytes:
        return encode(self.document)

    def annotate(self, text: str, platform: Mapping[str, Any], annotations: Mapping[str, str]) -> None:
        """Change what is said of one image's platform, and add annotations to its entry."""
        entry = self.find(text)
        entry["platform"] = {**entry["platform"], **platform}
        if annotations:
            entry["annotations"] = {**(entry.get("annotations") or {}), **annotations}


class ManifestLists:
    """Those of one data directory."""

    def __init__(self, data_dir: str) -> None:
        self._directory = os.path.join(data_dir, "manifests")

    def create(self, name: Reference, *, amend: bool) -> ManifestList:
        """An empty one, not yet kept; Conflict if there is one, unless that is to be amended."""
        try:
            found = self.get(name)
        except NotFound:
            return ManifestList(name, [])
        if not amend:
            raise Conflict(f"refusing to amend an existing manifest list: {name.familiar}", hint="use --amend")
        return found

    def get(self, name: Reference) -> ManifestList:
        """NotFound `no such manifest list: X`."""
        path = self._path(name)
        try:
            with open(path, "rb") as file:
                return ManifestList(name, json.load(file)["manifests"])
        except FileNotFoundError:
            raise NotFound(f"no such manifest list: {name.familiar}") from None
        except (ValueError, TypeError, KeyError):
            raise Corrupt(f"{path}: is damaged", hint=f"ringfence manifest rm {name.familiar}") from None

    def keep(self, made: ManifestList) -> None:
        """Whole or not at all."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        path = self._path(made.name)
        temporary = f"{path}.{os.urandom(4).hex()}"
        with open(temporary, "xb") as file:
            file.write(encode({"manifests": made.entries}))
        os.rename(temporary, path)

    def remove(self, name: Reference) -> None:
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            raise NotFound(f"no such manifest list: {name.familiar}") from None

    def _path(self, name: Reference) -> str:
        return os.path.join(self._directory, quote(name.canonical, safe=""))
