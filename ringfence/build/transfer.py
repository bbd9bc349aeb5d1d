"""--cache-to and --cache-from: the steps of a build, for another machine or for continuous integration.

They travel as an OCI artifact: its config lists the steps by key, its layers are theirs.
"""

from __future__ import annotations

from functools import partial

from ringfence.build import cache_places
from ringfence.errors import Corrupt, InvalidInput, RingfenceError
from ringfence.images.make import Layer
from ringfence.images.steps import StepResult
from ringfence.oci.digest import Digest, is_digest
from ringfence.oci.image_spec import LAYERS, OCI_MANIFEST, Descriptor, encode, parse_document
from ringfence.oci.shape import INT64, any_object, array, mapping, parse_json, record, require, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ringfence.build.cache_places import Place
    from ringfence.build.options import Cache
    from ringfence.build.progress import Progress
    from ringfence.engine import Engine

CONFIG = "application/vnd.ringfence.build.steps.v1+json"
_STEPS = record(
    {
        "steps": mapping(
            record(
                {"created": string, "about": string, "layer": any_object, "chainIDs": array(string)},
                required=("created", "about", "layer", "chainIDs"),
            )
        )
    },
    required=("steps",),
)
_LAYER = record(
    {"mediaType": string, "digest": string, "size": INT64, "diffID": string},
    required=("mediaType", "digest", "size", "diffID"),
)


class Step:
    """One step as a cache has it."""

    __slots__ = ("about", "chain_ids", "key", "result")

    def __init__(self, key: str, result: StepResult, chain_ids: list[str], about: str) -> None:
        self.key = key
        self.result = result
        self.chain_ids = chain_ids
        self.about = about


def parse(data: bytes, subject: str) -> list[Step]:
    """The steps that an artifact's config lists; InvalidInput or Corrupt, which names the subject."""
    document = parse_json(data, subject)
    require(document, _STEPS, subject)
    return [
        Step(key, StepResult(step["created"], _layer(step["layer"], f"{subject}: step {key}")), step["chainIDs"],
             step["about"])
        for key, step in document["steps"].items() if is_digest(key)
    ]  # fmt: skip


def _layer(document: dict[str, Any], subject: str) -> Layer | None:
    if not document:
        return None
    require(document, _LAYER, subject)
    digest, diff_id, size = document["digest"], document["diffID"], document["size"]
    if document["mediaType"] not in LAYERS or not is_digest(digest) or not is_digest(diff_id) or size < 0:
        raise InvalidInput(f"{subject}: names no layer")
    return Layer(Descriptor(document["mediaType"], Digest(digest), size), diff_id)


def read_all(engine: Engine, caches: Sequence[Cache], progress: Progress) -> None:
    """Take in what --cache-from names. One that cannot be read is told, and missed: it only makes a build faster."""
    for cache in caches:
        try:
            with cache_places.opened(engine, cache, partial(progress.line, 0)) as place:
                read(engine, place)
        except RingfenceError as error:
            progress.line(0, f"warning: --cache-from {cache.place}: {error.what}: going on without it")
        except OSError as error:
            progress.line(0, f"warning: --cache-from {cache.place}: {error.strerror}: going on without it")


def write_all(engine: Engine, caches: Sequence[Cache], keys: Sequence[str], progress: Progress) -> None:
    """Write the steps of these keys where --cache-to says."""
    for cache in caches:
        with cache_places.opened(engine, cache, partial(progress.line, 0)) as place:
            write(engine, place, keys)


def write(engine: Engine, place: Place, keys: Sequence[str]) -> None:
    """Write the steps of these keys, over what an earlier build has written there; the caller holds a lease."""
    wanted = set(keys)
    steps, layers = {}, {}
    for step in engine.image_store.steps.all():
        if step["Key"] in wanted:
            steps[step["Key"]] = {"created": step["Created"], "about": step["About"], "layer": step["Layer"],
                                  "chainIDs": step["ChainIDs"]}  # fmt: skip
            if found := step["Layer"]:
                layers[found["digest"]] = Descriptor(found["mediaType"], Digest(found["digest"]), found["size"])
    blob = engine.content.ingest([encode({"steps": dict(sorted(steps.items()))})])
    config = Descriptor(CONFIG, blob.digest, blob.size)
    ordered = [layers[digest] for digest in sorted(layers)]
    manifest = encode({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in ordered],
    })  # fmt: skip
    place.store(engine, manifest, config, ordered)


def read(engine: Engine, place: Place) -> None:
    """Take the steps in; where nothing was written yet there are none. Corrupt, InvalidInput."""
    data = place.manifest()
    if data is None:
        return
    manifest = parse_document(data, f"{place.shown}: manifest")
    if manifest.get("config", {}).get("mediaType") != CONFIG:
        raise InvalidInput(f"{place.shown}: is no cache that --cache-to has written")
    known = engine.image_store.steps
    steps = [step for step in parse(place.document(manifest["config"]["digest"]), place.shown)
             if known.find(step.key) is None]  # fmt: skip
    layers = {str(layer.descriptor.digest): layer for step in steps if (layer := step.result.layer) is not None}
    place.fetch(engine, [layer.descriptor for layer in layers.values()])
    for digest, layer in layers.items():
        if engine.image_store.measure_layer(digest)[0] != layer.diff_id:
            raise Corrupt(f"{place.shown}: layer {digest} does not hold what the cache says")
    for step in steps:
        known.add(step.key, step.result, step.chain_ids, step.about)
