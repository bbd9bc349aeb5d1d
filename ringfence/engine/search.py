"""search: repositories by a word, the tags of one, and what refers to an image."""

from __future__ import annotations

from ringfence.engine import registries
from ringfence.errors import InvalidInput
from ringfence.images import pull
from ringfence.oci.reference import Reference
from ringfence.registry import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ringfence.engine import Engine

    Rows = list[dict[str, Any]]


def search(engine: Engine, term: str, *, limit: int, access: Mapping[str, object]) -> Rows:
    """See Engine.search."""
    if limit < 1:
        raise InvalidInput(f"--limit: {limit} is less than one")
    first, slash, rest = term.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    host, word = (first, rest) if named and first != "docker.io" else ("docker.io", rest if named else term)
    with registries.connect(engine, access, registries.silent) as client:
        session = client.registry(listing.HUB_INDEX if host == "docker.io" else host)
        found = listing.search(session, word, limit)
    before = "" if host == "docker.io" else f"{host}/"
    return [{"Name": before + each.name, "Description": each.description, "StarCount": each.stars,
             "IsOfficial": each.official} for each in found]  # fmt: skip


def tags(engine: Engine, name: str, *, limit: int, access: Mapping[str, object]) -> Rows:
    """See Engine.tags."""
    if Reference.parse(name, "").tag or Reference.parse(name, "").digest:
        raise InvalidInput(f"{name}: has a tag or digest: name the repository alone")
    with registries.connect(engine, access, registries.silent) as client:
        reference = client.resolve(name)
        return [{"Name": reference.familiar_name, "Tag": tag} for tag in pull.tags(client, reference)[:limit]]


def referrers(engine: Engine, name: str, access: Mapping[str, object]) -> Rows:
    """See Engine.referrers."""
    with registries.connect(engine, access, registries.silent) as client:
        found = pull.find(client, client.resolve(name), None)
        return found.sources[0].referrers(str(found.image.descriptor.digest))
