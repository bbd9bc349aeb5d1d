"""--cache-to and --cache-from: the steps of a build in a directory, for another machine or for continuous integration.

The directory is an OCI image layout of one artifact: its config lists the steps by key, its layers are theirs.
"""

from __future__ import annotations

import os

from ringfence.content.store import chunks
from ringfence.errors import Corrupt, InvalidInput
from ringfence.images.make import Layer
from ringfence.images.steps import StepResult
from ringfence.images.tree import layout_path
from ringfence.oci.digest import Digest, is_digest
from ringfence.oci.image_spec import (
    LARGEST_DOCUMENT,
    LAYERS,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    encode,
    parse_document,
)  # fmt: skip
from ringfence.oci.shape import any_object, array, mapping, parse_json, record, require, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

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


def write(engine: Engine, directory: str, keys: Sequence[str]) -> None:
    """Write the steps of these keys, over what an earlier build has written there."""
    wanted = set(keys)
    steps, layers = {}, {}
    for step in engine.image_store.steps.all():
        if step["Key"] in wanted:
            steps[step["Key"]] = {"created": step["Created"], "about": step["About"], "layer": step["Layer"],
                                  "chainIDs": step["ChainIDs"]}  # fmt: skip
            if step["Layer"]:
                layers[step["Layer"]["digest"]] = Descriptor.from_json(_descriptor(step["Layer"]))
    config = encode({"steps": dict(sorted(steps.items()))})
    manifest = encode({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor(CONFIG, Digest.of(config), len(config)).to_json(),
        "layers": [layers[digest].to_json() for digest in sorted(layers)],
    })  # fmt: skip
    entry = Descriptor(OCI_MANIFEST, Digest.of(manifest), len(manifest)).to_json()
    for digest in layers:
        with engine.content.open(digest) as file:
            _put(directory, layout_path(digest), chunks(file))
    for document in (config, manifest):
        _put(directory, layout_path(Digest.of(document)), [document])
    _put(directory, "oci-layout", [b'{"imageLayoutVersion":"1.0.0"}'])
    index = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
    _put(directory, "index.json", [index], replace=True)


def read(engine: Engine, directory: str) -> None:
    """Take the steps in; a directory where nothing was written yet has none. Corrupt, InvalidInput."""
    if not os.path.exists(f"{directory}/index.json"):
        return
    index = parse_document(_document(f"{directory}/index.json"), f"{directory}/index.json")
    for entry in index.get("manifests") or ():
        manifest = parse_document(_blob(directory, entry["digest"]), f"cache {directory}: manifest")
        if manifest.get("config", {}).get("mediaType") != CONFIG:
            raise InvalidInput(f"{directory}: is no cache that --cache-to has written")
        document = parse_json(_blob(directory, manifest["config"]["digest"]), f"cache {directory}")
        require(document, _STEPS, f"cache {directory}")
        for key, step in document["steps"].items():
            _take(engine, directory, key, step)


def _take(engine: Engine, directory: str, key: str, step: dict[str, Any]) -> None:
    if not is_digest(key) or engine.image_store.steps.find(key) is not None:
        return
    layer = None
    if step["layer"]:
        found = step["layer"]
        if found.get("mediaType") not in LAYERS or not is_digest(str(found.get("diffID"))):
            raise InvalidInput(f"cache {directory}: step {key}: names no layer")
        digest = Digest(str(found.get("digest")))
        with open(os.path.join(directory, layout_path(digest)), "rb") as file:
            blob = engine.content.ingest(chunks(file), digest)
        if engine.image_store.measure_layer(digest)[0] != found["diffID"]:
            raise Corrupt(f"cache {directory}: layer {digest} does not hold what the cache says")
        layer = Layer(Descriptor(found["mediaType"], blob.digest, blob.size), found["diffID"])
    engine.image_store.steps.add(key, StepResult(step["created"], layer), step["chainIDs"], step["about"])


def _descriptor(layer: dict[str, Any]) -> dict[str, Any]:
    return {key: layer[key] for key in ("mediaType", "digest", "size")}


def _blob(directory: str, digest: str) -> bytes:
    content = _document(os.path.join(directory, layout_path(Digest(digest))))
    if Digest.of(content) != digest:
        raise Corrupt(f"cache {directory}: {digest} is damaged")
    return content


def _document(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read(LARGEST_DOCUMENT + 1)
    if len(content) > LARGEST_DOCUMENT:
        raise InvalidInput(f"{path}: is larger than {LARGEST_DOCUMENT} bytes")
    return content


def _put(directory: str, name: str, content: Iterable[bytes], *, replace: bool = False) -> None:
    path = os.path.join(directory, name)
    if os.path.exists(path) and not replace:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = f"{path}.{os.urandom(4).hex()}"
    with open(partial, "xb") as file:
        file.writelines(content)
    os.rename(partial, path)
