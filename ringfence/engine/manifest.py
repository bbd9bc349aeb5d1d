"""manifest: lists of images for several platforms, made here and pushed as one index; and what a registry has."""

from __future__ import annotations

from ringfence import json
from ringfence.engine import registries
from ringfence.errors import InvalidInput, NotFound
from ringfence.images import pull, push
from ringfence.images.manifest_list import ManifestList, ManifestLists
from ringfence.oci.digest import Digest
from ringfence.oci.image_spec import parse_image_config
from ringfence.oci.platform import Platform
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ringfence.engine import Engine
    from ringfence.images.image import Image
    from ringfence.images.pull import Tell
    from ringfence.registry.registries import Registries
    from ringfence.registry.repository import Repository


def create(engine: Engine, name: str, images: Sequence[str], *, amend: bool, access: Mapping[str, object]) -> str:
    """See Engine.manifest_create."""
    lists = ManifestLists(engine.root)
    made = lists.create(_list_name(name), amend=amend)
    with registries.connect(engine, access, registries.silent) as client:
        for image in images:
            _add(engine, made, client, image)
    lists.keep(made)
    return made.name.canonical


def add(engine: Engine, name: str, image: str, access: Mapping[str, object]) -> None:
    """See Engine.manifest_add."""
    lists = ManifestLists(engine.root)
    made = lists.get(_list_name(name))
    with registries.connect(engine, access, registries.silent) as client:
        _add(engine, made, client, image)
    lists.keep(made)


def keep(engine: Engine, name: str, images: Sequence[Image], *, amend: bool) -> str:
    """Make a list of images that are here, which may have no names, in place of one of that name or on from it; returns
    the list's digest."""
    lists = ManifestLists(engine.root)
    reference = _list_name(name)
    made = lists.create(reference, amend=True) if amend else ManifestList(reference, [])
    for image in images:
        source = Reference(reference.registry, reference.repository, "", image.digest)
        made.add(image.descriptor, Platform.of(image.config), source)
    lists.keep(made)
    return str(Digest.of(made.data))


def annotate(engine: Engine, name: str, image: str, platform: Mapping[str, Any],
             annotations: Mapping[str, str]) -> None:  # fmt: skip
    """See Engine.manifest_annotate."""
    lists = ManifestLists(engine.root)
    made = lists.get(_list_name(name))
    made.annotate(image, platform, annotations)
    lists.keep(made)


def take_out(engine: Engine, name: str, image: str) -> str:
    """See Engine.manifest_remove."""
    lists = ManifestLists(engine.root)
    made = lists.get(_list_name(name))
    entry = made.find(image)
    made.entries.remove(entry)
    lists.keep(made)
    return str(entry["digest"])


def entries(engine: Engine, name: str) -> list[dict[str, Any]]:
    """See Engine.manifest_entries."""
    return ManifestLists(engine.root).get(_list_name(name)).entries


def inspect(engine: Engine, name: str, access: Mapping[str, object]) -> dict[str, Any]:
    """See Engine.manifest_inspect."""
    reference = Reference.parse(name)
    try:
        return ManifestLists(engine.root).get(reference).document
    except NotFound:
        with registries.connect(engine, access, registries.silent) as client:
            found = pull.find(client, client.resolve(name), None)
            return json.loads(found.image.data)  # type: ignore[no-any-return]


def store(engine: Engine, name: str, destination: str, *, purge: bool, tell: Tell | None,
          access: Mapping[str, object]) -> str:  # fmt: skip
    """See Engine.manifest_push."""
    tell = tell or registries.silent
    lists = ManifestLists(engine.root)
    made = lists.get(_list_name(name))
    if not made.entries:
        raise InvalidInput(f"{made.name.familiar}: is empty", hint="add an image: ringfence manifest add")
    target = _list_name(destination) if destination else made.name
    with registries.connect(engine, access, registries.as_status(tell)) as client:
        repository = client.repository(target)
        for entry in made.entries:
            _send(engine, client, repository, entry, tell)
        repository.put_manifest(target.tag, made.data, made.document["mediaType"])
    if purge:
        lists.remove(made.name)
    return str(Digest.of(made.data))


def remove(engine: Engine, name: str) -> None:
    """See Engine.manifest_rm."""
    ManifestLists(engine.root).remove(_list_name(name))


def _list_name(text: str) -> Reference:
    reference = Reference.parse(text)
    if reference.digest:
        raise InvalidInput(f"{text}: a manifest list has a tag, not a digest")
    return reference


def _add(engine: Engine, made: ManifestList, client: Registries, text: str) -> None:
    """From this machine, or from the image's registry."""
    reference = client.resolve(text)
    try:
        image = engine.image_store.get(text)
    except NotFound:
        found = pull.find(client, reference, None)
        if found.image.is_index:
            raise InvalidInput(f"{text}: is a manifest list itself", hint="name one of its images by digest") from None
        digest = found.image.document["config"]["digest"]
        config = parse_image_config(found.sources[0].read_blob(digest), f"image config {digest}")
        made.add(found.image.descriptor, Platform.of(config), reference)
    else:
        made.add(image.descriptor, Platform.of(image.config), reference)


def _send(engine: Engine, client: Registries, repository: Repository, entry: Mapping[str, Any], tell: Tell) -> None:
    """Have one image in the repository: from this machine, or by mounting from a neighbour."""
    digest = str(entry["digest"])
    if repository.has_manifest(digest):
        return
    try:
        image = engine.image_store.get(digest)
    except NotFound:
        _take_over(client, repository, Reference.parse(entry["from"]), digest)
    else:
        push.push(engine.image_store, image, repository, "", tell)


def _take_over(client: Registries, repository: Repository, source: Reference, digest: str) -> None:
    away = NotFound(f"{source.familiar}: is neither here nor in {repository.session.host}", hint="pull it first")
    if source.registry != repository.session.host:
        raise away
    neighbour = client.repository(source)
    manifest = neighbour.manifest(digest)
    for part in (manifest.document["config"], *manifest.document["layers"]):
        if not repository.has_blob(part["digest"]) and repository.mount(part["digest"], neighbour.name) is not None:
            raise away
    repository.put_manifest(digest, manifest.data, manifest.descriptor.media_type)
