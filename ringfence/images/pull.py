"""Pulling: from a reference to a recorded image, its layers unpacked while they arrive.

The layers are downloaded several at once, and several are applied at once from the very bytes that come in, so that
decompressing, verifying and unpacking take no time of their own. A snapshot is committed only when its blob is stored,
and so right. What a kill leaves, blobs, parts of them and snapshots, the next pull uses.
"""

from __future__ import annotations

from ringfence.errors import Corrupt, Denied, InvalidInput, NotFound, RingfenceError
from ringfence.images.concurrent import Concurrent
from ringfence.images.unpack import unpack_blob
from ringfence.oci.image_spec import Descriptor, chain_ids, check_image, parse_image_config
from ringfence.oci.platform import Platform, select
from ringfence.oci.reference import Reference
from ringfence.registry.download import Downloads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ringfence.content.store import ContentStore
    from ringfence.images.image import Image
    from ringfence.images.store import ImageStore
    from ringfence.registry.registries import Registries
    from ringfence.registry.repository import Manifest, Repository
    from ringfence.snapshots import Snapshotter

    Tell = Callable[[dict[str, Any]], None]
    """What goes on, in the shape of docker's API: status, id, progressDetail {current, total}. From any thread."""

_DEEPEST = 8  # indexes inside an index


class Pulled:
    """`digest` is what the reference leads to, perhaps an index; `fresh`: it was not here under this name."""

    __slots__ = ("digest", "fresh", "image", "reference")

    def __init__(self, image: Image, reference: Reference, digest: str, *, fresh: bool) -> None:
        self.image = image
        self.reference = reference
        self.digest = digest
        self.fresh = fresh


class Found:
    """What a reference leads to: the manifests on the way, outermost first, and where they are."""

    __slots__ = ("manifests", "sources")

    def __init__(self, manifests: list[Manifest], sources: list[Repository]) -> None:
        self.manifests = manifests
        self.sources = sources

    @property
    def image(self) -> Manifest:
        return self.manifests[-1]


def pull(store: ImageStore, snapshotter: Snapshotter, registries: Registries, reference: Reference, *,
         platform: Platform | None = None, tell: Tell) -> Pulled:  # fmt: skip
    """Have the image here, and record it under its name. What was recorded before is as it was if this fails."""
    text = reference.digest or reference.tag
    with store.content.lease():
        tell({"status": f"Pulling from {_path(reference)}", "id": text})
        found = find(registries, reference, platform or Platform.host())
        manifest = found.image
        config = _config(store.content, found)
        if platform is not None and not platform.runs(here := Platform.of(config)):
            tell({"status": f"WARNING: image platform ({here}) does not match the expected platform ({platform})"})
        check_image(manifest.document, config, f"{reference.familiar}: manifest {manifest.descriptor.digest}")
        before = _named(store, reference)
        _fetch(store, snapshotter, found, config, tell)
        store.content.ingest([manifest.data], manifest.descriptor.digest)
        kind = Descriptor(manifest.descriptor.media_type, manifest.descriptor.digest, manifest.descriptor.size)
        image = store.put(kind, [name(reference)])
    fresh = before is None or before.digest != image.digest
    return Pulled(image, reference, str(found.manifests[0].descriptor.digest), fresh=fresh)


def name(reference: Reference) -> str:
    """What an image is called that was pulled so: by digest it gets no tag, as docker does it."""
    return f"{reference.name}@{reference.digest}" if reference.digest else reference.canonical


def find(registries: Registries, reference: Reference, platform: Platform | None) -> Found:
    """Ask the mirrors and then the registry. Without a platform the first manifest or index is all there is."""
    places = registries.repositories(reference)
    text = reference.digest or reference.tag
    for number, place in enumerate(places):
        try:
            manifests = [place.manifest(text)]
            while platform is not None and manifests[-1].is_index:
                if len(manifests) > _DEEPEST:
                    raise InvalidInput(f"{reference.familiar}: is an index inside {_DEEPEST} others")
                entry = select(manifests[-1].document["manifests"], platform, reference.familiar)
                manifests.append(place.manifest(entry["digest"]))
            return Found(manifests, places[number:])
        except NotFound as error:
            if number + 1 == len(places):
                raise _absent(reference, error) from None
            reason: RingfenceError = error
        except (RingfenceError, OSError) as error:
            if number + 1 == len(places) or not isinstance(error, RingfenceError):
                raise
            reason = error
        registries.tell(f"{reason.what}: trying {places[number + 1].shown}")
    raise Denied(f"{reference.name}: the registries' configuration leaves no place to ask")


def _absent(reference: Reference, error: NotFound) -> NotFound:
    if "has no image for" in error.what:
        return error
    return NotFound(f"{reference.familiar}: not found in the registry: {error.what}",
                    hint="or it is private: log in with: ringfence login"
                    + ("" if reference.registry == "docker.io" else f" {reference.registry}"))  # fmt: skip


def _config(content: ContentStore, found: Found) -> dict[str, Any]:
    """The image config, from here or from there."""
    described = Descriptor.from_json(found.image.document["config"])
    digest = str(described.digest)
    if not content.exists(digest):
        content.ingest([found.sources[0].read_blob(digest)], digest, described.size)
    return parse_image_config(content.read(digest), f"image config {digest}")


def _fetch(store: ImageStore, snapshotter: Snapshotter, found: Found, config: dict[str, Any], tell: Tell) -> None:
    """Have all layers' blobs and snapshots."""
    content = store.content
    layers = [Descriptor.from_json(layer) for layer in found.image.document["layers"]]
    for layer in layers:
        here = content.exists(layer.digest)
        tell({"status": "Already exists" if here else "Pulling fs layer", "id": short(layer.digest)})
    missing = {str(layer.digest): layer for layer in layers if not content.exists(layer.digest)}

    def report(digest: str, status: str, current: int, total: int) -> None:
        tell({"status": status, "id": short(digest), "progressDetail": {"current": current, "total": total}})

    with Downloads(content, found.sources, list(missing.values()), report) as downloads:
        diff_ids = config["rootfs"]["diff_ids"]
        image = _Arriving(layers, diff_ids)

        def work(number: int) -> None:
            _unpack(content, snapshotter, downloads, image, number, at_once if snapshotter.stacks else None)
            if str(layers[number].digest) in missing:
                tell({"status": "Pull complete", "id": short(layers[number].digest)})

        at_once = Concurrent(range(len(layers)), work, downloads.stop)
        try:
            if snapshotter.stacks:
                at_once.run()
            else:
                for number in range(len(layers)):
                    work(number)
        finally:
            for number, size in image.sizes.items():
                store.know_contents(str(layers[number].digest), diff_ids[number], size)


class _Arriving:
    """What is known of an image before it is recorded. `sizes`: of the layers unpacked, without compression."""

    __slots__ = ("chain_ids", "diff_ids", "layers", "sizes", "top")

    def __init__(self, layers: list[Descriptor], diff_ids: list[str]) -> None:
        self.layers = layers
        self.diff_ids = diff_ids
        self.chain_ids = chain_ids(diff_ids)
        self.sizes: dict[int, int] = {}
        self.top = self.chain_ids[-1] if self.chain_ids else ""


def _unpack(content: ContentStore, snapshotter: Snapshotter, downloads: Downloads, image: _Arriving, number: int,
            others: Concurrent | None) -> None:  # fmt: skip
    """Have one layer's blob and snapshot."""
    digest, chain_id = str(image.layers[number].digest), image.chain_ids[number]
    arrival = downloads.arrivals.get(digest)
    with content.turn(chain_id):
        if not snapshotter.exists(chain_id):
            if arrival is None or not arrival.take():
                if arrival is not None:
                    arrival.wait()
                with content.open(digest) as file:
                    size = unpack_blob(file, image, number, snapshotter, others)
            else:
                try:
                    size = unpack_blob(arrival, image, number, snapshotter, others, whole=arrival.wait)
                except Corrupt:
                    arrival.wait()  # of a blob that is wrong this is told, rather than what was read in it
                    raise
            image.sizes[number] = size
    if arrival is not None:
        arrival.wait()


def _named(store: ImageStore, reference: Reference) -> Image | None:
    try:
        return store.named(name(reference))
    except (Corrupt, NotFound):
        return None


def _path(reference: Reference) -> str:
    """How docker names where it pulls from: without the registry, if that is docker.io."""
    return reference.repository if reference.registry == "docker.io" else reference.name.partition("/")[2]


def short(digest: str) -> str:
    """Twelve digits, as people tell layers apart."""
    return digest.partition(":")[2][:12]


def tags(registries: Registries, reference: Reference) -> Sequence[str]:
    """All tags of the reference's repository; registries list them in any order."""
    places = registries.repositories(reference)
    return sorted(places[-1].tags())
