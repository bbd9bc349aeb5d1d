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


def push(engine: Engine, text: str, destination: str, *, all_tags: bool, compression: str, tell: Tell | None,
         access: Mapping[str, object]) -> Results:  # fmt: skip
    """See Engine.push."""
    tell = tell or registries.silent
    with registries.connect(engine, access, registries.as_status(tell)) as client:
        reference = client.resolve(destination or text)
        if reference.digest:
            raise InvalidInput(f"{destination or text}: cannot push a digest reference")
        if all_tags and (destination or Reference.parse(text, "").tag):
            raise InvalidInput(f"{'a destination' if destination else 'tag'} can't be used with --all-tags: {text}")
        store = engine.image_store
        if destination:
            found = [(reference.tag, store.get(text))]
        else:
            tags = _tags(engine, reference) if all_tags else [reference.tag]
            found = [(tag, store.get(_with_tag(reference, tag).canonical)) for tag in tags]
        tell({"status": f"The push refers to repository [{reference.name}]"})
        repository = client.repository(reference)
        results = []
        for tag, image in found:
            sent = images.push(store, image, repository, tag, tell, compression=compression)
            tell({"status": f"{tag}: digest: {sent.digest} size: {sent.size}"})
            results.append({"Tag": tag, "Digest": str(sent.digest), "Size": sent.size})
            events.emit(engine, "image", "push", image.id, {"name": _with_tag(reference, tag).familiar})
    return results


def _with_tag(reference: Reference, tag: str) -> Reference:
    return Reference(reference.registry, reference.repository, tag)


def _tags(engine: Engine, reference: Reference) -> list[str]:
    names = [Reference.parse(name) for image in engine.image_store.list() for name in image.names]
    tags = sorted(name.tag for name in names if name.name == reference.name and name.tag)
    if not tags:
        raise NotFound(f"no such image: {reference.familiar_name}")
    return tags
