"""push: an image, or all tags of a repository, into the registry that the name says."""

from __future__ import annotations

from ringfence.engine import events, registries
from ringfence.errors import InvalidInput, NotFound
from ringfence.images import push as images
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.images.pull import Tell

    Results = list[dict[str, Any]]


def push(engine: Engine, text: str, *, all_tags: bool, tell: Tell | None, access: Mapping[str, object]) -> Results:
    """See Engine.push."""
    tell = tell or registries.silent
    with registries.connect(engine, access, registries.as_status(tell)) as client:
        reference = client.resolve(text)
        if reference.digest:
            raise InvalidInput(f"{text}: cannot push a digest reference")
        if all_tags and Reference.parse(text, "").tag:
            raise InvalidInput(f"tag can't be used with --all-tags: {text}")
        tags = _tags(engine, reference) if all_tags else [reference.tag]
        store = engine.image_store
        found = [(tag, store.get(Reference(reference.registry, reference.repository, tag).canonical)) for tag in tags]
        tell({"status": f"The push refers to repository [{reference.name}]"})
        repository = client.repository(reference)
        results = []
        for tag, image in found:
            digest = images.push(store, image, repository, tag, tell)
            size = image.descriptor.size
            tell({"status": f"{tag}: digest: {digest} size: {size}"})
            results.append({"Tag": tag, "Digest": digest, "Size": size})
            name = Reference(reference.registry, reference.repository, tag).familiar
            events.emit(engine, "image", "push", image.id, {"name": name})
    return results


def _tags(engine: Engine, reference: Reference) -> list[str]:
    names = [Reference.parse(name) for image in engine.image_store.list() for name in image.names]
    tags = sorted(name.tag for name in names if name.name == reference.name and name.tag)
    if not tags:
        raise NotFound(f"no such image: {reference.familiar_name}")
    return tags
