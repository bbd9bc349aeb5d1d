"""images, rmi, tag, load, save, import, history: the image store in docker's shapes, mindful of containers."""

from __future__ import annotations

from ringfence.engine import events, times
from ringfence.engine import filters as common
from ringfence.errors import Conflict, NotFound
from ringfence.oci.platform import Platform
from ringfence.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, BinaryIO

    from ringfence.engine import Engine
    from ringfence.engine.records import ContainerRecord
    from ringfence.images.image import Image

FILTERS = ("reference", "label", "dangling", "before", "since", "until")


def images(engine: Engine, reference: str | None, *, all: bool,
           filters: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:  # fmt: skip
    """See Engine.images. `all` changes nothing: no image here is only a step on the way to another."""
    common.known(filters, FILTERS)
    wanted = {**filters, "reference": [*filters.get("reference", ()), reference]} if reference else filters
    used = users(engine)
    found = [image for image in engine.image_store.list() if _matches(engine, image, wanted)]
    found.sort(key=created, reverse=True)
    rows = [row(image, len(used.get(image.id, ()))) for image in found]
    if "reference" in wanted:  # of an image with several names only those that were asked for are told, as docker does
        for line, image in zip(rows, found, strict=True):
            line["RepoTags"] = tags(image, wanted["reference"])
    return rows


def row(image: Image, containers: int, shared: int = -1) -> dict[str, Any]:
    """One line of `images`; SharedSize -1: not computed."""
    return {
        "Id": image.id,
        "ParentId": "",
        "RepoTags": tags(image),
        "RepoDigests": digests(image),
        "Created": created(image),
        "Size": image.size,
        "SharedSize": shared,
        "Labels": (image.config.get("config") or {}).get("Labels") or {},
        "Containers": containers,
    }


def inspect(engine: Engine, name: str) -> dict[str, Any]:
    """The document of an image."""
    image = engine.image_store.get(name)
    config, snapshots = image.config, engine.snapshots
    data = {}
    if image.top and snapshots.exists(image.top):
        data = {"UpperDir": snapshots.layer_path(image.top)}
        data["LowerDir"] = ":".join(snapshots.layer_path(chain) for chain in reversed(image.chain_ids[:-1]))
    return {
        "Id": image.id,
        "Digest": image.digest,
        "RepoTags": tags(image),
        "RepoDigests": digests(image),
        "Parent": "",
        "Comment": ((config.get("history") or [{}])[-1]).get("comment") or "",
        "Created": image.created,
        "Author": config.get("author") or "",
        "Config": config.get("config") or {},
        "Architecture": config.get("architecture") or "",
        "Variant": config.get("variant") or "",
        "Os": config.get("os") or "",
        "Size": image.size,
        "GraphDriver": {"Name": snapshots.driver, "Data": data},
        "RootFS": {"Type": "layers", "Layers": image.diff_ids},
        "Metadata": {},
        "Descriptor": {"mediaType": image.media_type, "digest": image.digest},
    }


def rmi(engine: Engine, name: str, *, force: bool) -> list[dict[str, str]]:
    """See Engine.rmi. Conflict if a container needs the image: a running one always, another unless `force`."""
    store = engine.image_store
    image = store.get(name)
    last = not _is_name(engine, name, image) or len(image.names) < 2
    if last:
        _refuse_used(engine, image, name, users(engine).get(image.id, []), force)
    lines = store.remove(name, force)
    from ringfence.images import prune

    prune.collect(store, engine.snapshots, wait=False)
    steps = [dict([line.split(": ", 1)]) for line in lines]
    for step in steps:
        for action, subject in step.items():
            events.emit(engine, "image", "untag" if action == "Untagged" else "delete", image.id, {"name": subject})
    return steps


def tag(engine: Engine, source: str, target: str) -> None:
    """See Engine.tag."""
    name = engine.image_store.tag(source, target)
    events.emit(engine, "image", "tag", engine.image_store.get(name).id, {"name": Reference.parse(name).familiar})


def untag(engine: Engine, name: str, names: Sequence[str]) -> None:
    """See Engine.untag."""
    image = engine.image_store.get(name)
    taken = [Reference.parse(each).canonical for each in names] or image.names
    for each in taken:
        if each not in image.names:
            raise NotFound(f"image {name} has no name {Reference.parse(each).familiar}")
    for each in taken:
        engine.image_store.untag(each)
        events.emit(engine, "image", "untag", image.id, {"name": Reference.parse(each).familiar})


def load(engine: Engine, source: BinaryIO | str) -> list[str]:
    """See Engine.load."""
    from ringfence.images.load import load

    names = load(engine.image_store, source)
    for name in names:
        events.emit(engine, "image", "load", engine.image_store.get(name).id, {"name": _familiar(name)})
    return [_familiar(name) for name in names]


def save(engine: Engine, names: Sequence[str], output: BinaryIO | str, *, format: str) -> None:
    """See Engine.save."""
    from ringfence.images.save import save

    save(engine.image_store, names, output, format)


def import_image(engine: Engine, source: BinaryIO, reference: str | None, *, message: str,
                 change: Sequence[str], platform: str) -> str:  # fmt: skip
    """See Engine.import_image."""
    from ringfence.images.import_ import import_tarball

    wanted = Platform.parse(platform) if platform else None
    image = import_tarball(engine.image_store, source, reference or "", message, change, platform=wanted)
    events.emit(engine, "image", "import", image.id, {"name": reference or image.id})
    return image.id


def history(engine: Engine, name: str) -> list[dict[str, Any]]:
    """See Engine.history."""
    from ringfence.images.history import history

    steps = history(engine.image_store, engine.image_store.get(name))
    return [
        {**step, "Created": _seconds(step["Created"]), "Tags": [_familiar(tag) for tag in step["Tags"]]}
        for step in steps
    ]


def users(engine: Engine) -> dict[str, list[ContainerRecord]]:
    """The containers of each image, by image ID."""
    found: dict[str, list[ContainerRecord]] = {}
    for record in engine.records.all():
        found.setdefault(record.image_id, []).append(record)
    return found


def tags(image: Image, patterns: Sequence[str] = ()) -> list[str]:
    """Its names with a tag; with `patterns` those that one of them means."""
    return [
        _familiar(name) for name in image.names if "@" not in name and (not patterns or _is_meant(name, patterns))
    ]


def digests(image: Image) -> list[str]:
    names = sorted({Reference.parse(name).familiar_name for name in image.names})
    return [f"{name}@{image.digest}" for name in names]


def created(image: Image) -> int:
    """Seconds since 1970; 0 for an image that does not say."""
    return _seconds(image.created)


def _seconds(text: str) -> int:
    try:
        return times.parse_rfc3339(text) // times.SECOND if text else 0
    except ValueError:
        return 0  # foreign image configs may say anything


def _familiar(name: str) -> str:
    return name if name.startswith("sha256:") else Reference.parse(name).familiar


def _is_name(engine: Engine, text: str, image: Image) -> bool:
    """Whether `text` is one of the image's names, rather than its ID."""
    from ringfence.errors import InvalidInput

    try:
        named = engine.image_store.named(text)
    except InvalidInput:
        return False
    return named is not None and named.id == image.id


def _refuse_used(engine: Engine, image: Image, name: str, using: Sequence[ContainerRecord], force: bool) -> None:
    from ringfence.engine import repair, status

    for record in using:
        found = repair.settle(engine, record)
        if found is None:
            continue
        live = status.of(engine, found).live
        if live or not force:
            word = "running" if live else "stopped"
            raise Conflict(f"image {name} is in use by the {word} container {found.name} ({found.id[:12]})",
                           hint="remove the container" + ("" if live else ", or use force"))  # fmt: skip


def _matches(engine: Engine, image: Image, wanted: Mapping[str, Sequence[str]]) -> bool:
    for key, values in wanted.items():
        if key == "reference":
            found = any(_is_meant(name, values) for name in image.names)
        elif key == "label":
            found = common.labels((image.config.get("config") or {}).get("Labels") or {}, values)
        elif key == "dangling":
            found = common.boolean(key, values) != bool(image.names)
        elif key == "until":
            found = all(created(image) < times.parse_moment("--filter: until", v) // times.SECOND for v in values)
        else:
            limits = [created(engine.image_store.get(value)) for value in values]
            found = all(created(image) < limit if key == "before" else created(image) > limit for limit in limits)
        if not found:
            return False
    return True


def _is_meant(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern means it: as debian:12, debian, docker.io/library/debian:12 or docker.io/library/debian."""
    from fnmatch import fnmatchcase

    reference = Reference.parse(name)
    spellings = (reference.familiar, reference.familiar_name, reference.canonical, reference.name)
    return any(fnmatchcase(spelling, pattern) for spelling in spellings for pattern in patterns)


def used_ids(engine: Engine) -> set[str]:
    """The IDs of images that containers have."""
    return set(users(engine))


def exists(engine: Engine, name: str) -> bool:
    try:
        engine.image_store.get(name)
    except NotFound:
        return False
    return True
