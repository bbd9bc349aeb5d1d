"""Reading a docker archive: `manifest.json` lists images by the paths of their config and layers.

The format is Docker's "Image Tarball" v1.2 (moby, image/spec/v1.2.md). It has no manifest, so we make one; the image
config, and with it the image ID, stays as it is.
"""

from __future__ import annotations

from ringfence.errors import InvalidInput
from ringfence.images.make import layer_descriptor, store_manifest
from ringfence.oci.digest import is_digest, printable
from ringfence.oci.image_spec import parse_image_config
from ringfence.oci.reference import Reference
from ringfence.oci.shape import array, filled, parse_json, record, require, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ringfence.content.store import Blob
    from ringfence.images.store import ImageStore
    from ringfence.images.tree import Tree
    from ringfence.oci.image_spec import Descriptor

MANIFEST = "manifest.json"
_SHAPE = array(
    record(
        {"Config": filled, "RepoTags": array(string), "Layers": array(filled)},
        required=("Config",),
    ),
    at_least=1,
)


def is_docker_archive(tree: Tree) -> bool:
    return tree.document(MANIFEST) is not None


def read_docker_archive(tree: Tree, store: ImageStore) -> list[tuple[Descriptor, list[str]]]:
    """Store the blobs of the archive's images; returns their manifests and names, ready to be recorded."""
    where = f"{tree.subject}: {MANIFEST}"
    document = parse_json(tree.document(MANIFEST) or b"", where)
    require(document, _SHAPE, where)
    return [_read_image(tree, store, entry, f"{where}: [{index}]") for index, entry in enumerate(document)]


def _read_image(tree: Tree, store: ImageStore, entry: dict[str, Any], where: str) -> tuple[Descriptor, list[str]]:
    names = []
    for index, text in enumerate(entry.get("RepoTags") or ()):
        try:
            names.append(Reference.parse(text).canonical)
        except InvalidInput as error:
            raise InvalidInput(f"{where}.RepoTags[{index}]: {error.what}") from None
    config = _blob(tree, entry["Config"], f"{where}.Config")
    parsed = parse_image_config(store.content.read(config.digest), f"{tree.subject}: {printable(entry['Config'])}")
    paths = entry.get("Layers") or []
    diff_ids = parsed["rootfs"].get("diff_ids") or []
    if len(diff_ids) != len(paths):
        raise InvalidInput(f"{where}.Layers: lists {len(paths)} layers, its image config has {len(diff_ids)}")
    layers = [_blob(tree, path, f"{where}.Layers[{index}]") for index, path in enumerate(paths)]
    return store_manifest(store, config, [layer_descriptor(store, layer) for layer in layers]), names


def _blob(tree: Tree, path: str, where: str) -> Blob:
    blob = tree.blob(path, _config_digest(path))
    if blob is None:
        raise InvalidInput(f'{where}: "{printable(path)}" is not in the archive')
    return blob


def _config_digest(path: str) -> str | None:
    """Docker names a config `<its sha256>.json`, and that must be true; other names promise nothing."""
    digest = f"sha256:{path.rpartition('/')[2].removesuffix('.json')}"
    return digest if path.endswith(".json") and is_digest(digest) else None
